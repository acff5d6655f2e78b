/** Opens the page where there is a browser to open it in. */
import { spawn } from 'node:child_process';
import { ownSurroundings, type Surroundings } from './data-directory.ts';

export interface BrowserCommand {
	readonly file: string;
	readonly arguments: readonly string[];
}

/** The command that opens a URL; undefined where nobody would see it. */
export function browserCommand(
	url: string,
	{ env, platform }: Pick<Surroundings, 'env' | 'platform'>,
): BrowserCommand | undefined {
	if (env['CI']) return undefined;
	const isRemote = env['SSH_CONNECTION'] !== undefined || env['SSH_TTY'] !== undefined;
	if (platform === 'win32') {
		// Not `start`: it belongs to the command shell, which would read the “&” of the URL.
		return isRemote
			? undefined
			: { file: 'rundll32', arguments: ['url.dll,FileProtocolHandler', url] };
	}
	if (platform === 'darwin') return isRemote ? undefined : { file: 'open', arguments: [url] };
	const hasDisplay = Boolean(env['DISPLAY']) || Boolean(env['WAYLAND_DISPLAY']);
	return hasDisplay ? { file: 'xdg-open', arguments: [url] } : undefined;
}

/**
 * Tries to open the URL, which others can read in the list of processes: it must hold no token.
 * Whether it opens is no concern of the server, which has printed an address.
 */
export function openBrowser(url: string): void {
	const command = browserCommand(url, ownSurroundings());
	if (!command) return;
	const child = spawn(command.file, command.arguments, { stdio: 'ignore', detached: true });
	child.on('error', () => undefined);
	child.unref();
}
