/** Which programs are on this machine. */
import { execFileSync } from 'node:child_process';

export function isInstalled(command: string): boolean {
	try {
		execFileSync(command, ['--version'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
}
