/** A disk of a few MiB, for what happens when it is full; only where this process may mount one. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
	readonly folder: string;
	/** What is on it stays. */
	resize(sizeMiB: number): void;
	remove(): void;
}

export const skippedWithoutSmallDisk = 'a disk of a few MiB cannot be mounted here';

/** Undefined where it cannot be mounted. */
export function mountSmallDisk(sizeMiB: number): SmallDisk | undefined {
	const folder = mkdtempSync(join(tmpdir(), 'espalier-disk-'));
	const mount = (options: string): unknown =>
		execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
	try {
		mount(`size=${sizeMiB}m`);
	} catch {
		rmSync(folder, { recursive: true });
		return undefined;
	}
	return {
		folder,
		resize: (size) => void mount(`remount,size=${size}m`),
		remove: () => {
			execFileSync('umount', ['-l', folder]);
			rmSync(folder, { recursive: true });
		},
	};
}
