/** Where this user's data lives, by the custom of each system. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Surroundings {
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly platform: NodeJS.Platform;
	readonly home: string;
}

/** Those of this process. */
export function ownSurroundings(): Surroundings {
	return { env: process.env, platform: process.platform, home: homedir() };
}

/** The folder for everything that Espalier keeps: the embedded registry, and files on running servers. */
export function dataDirectory({ env, platform, home }: Surroundings): string {
	if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'espalier');
	if (platform === 'win32') {
		return join(env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), 'espalier');
	}
	// XDG Base Directory: relative paths are to be ignored.
	const named = env['XDG_DATA_HOME'];
	return join(named?.startsWith('/') ? named : join(home, '.local', 'share'), 'espalier');
}
