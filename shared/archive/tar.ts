/** Lists what is in a tar archive that is already in memory. Nothing is ever extracted to disk. */
import { unpackTar } from 'modern-tar';
import { ProblemError } from '../registry/problem.ts';

export interface TarEntry {
	readonly name: string;
	/** `file`, `directory`, `symlink` and so on, as in the header */
	readonly type: string;
	/** empty for anything but files */
	readonly bytes: Uint8Array;
}

/**
 * @throws ProblemError `malformed` where checksums or magic are wrong or the archive ends early,
 * `too-large` beyond `mostEntries`
 */
export async function readTar(
	archive: Uint8Array,
	mostEntries: number,
): Promise<readonly TarEntry[]> {
	let count = 0;
	const filter = () => {
		count += 1;
		if (count > mostEntries) {
			throw new ProblemError({
				code: 'too-large',
				origin: 'content',
				reason: `The archive has more than ${mostEntries} entries.`,
			});
		}
		return true;
	};
	try {
		const entries = await unpackTar(archive, { strict: true, filter });
		return entries.map(({ header, data }) => ({
			name: header.name,
			type: header.type ?? 'file',
			bytes: data ?? new Uint8Array(0),
		}));
	} catch (error) {
		if (error instanceof ProblemError) throw error;
		const what = error instanceof Error ? error.message : String(error);
		throw new ProblemError(
			{
				code: 'malformed',
				origin: 'content',
				reason: `It is not a complete tar archive (${what}).`,
			},
			{ cause: error },
		);
	}
}
