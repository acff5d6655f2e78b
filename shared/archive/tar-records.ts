/** Where everything lies in a tar archive, so that files can be replaced with all else byte for byte as it was. */
import { ProblemError } from '../registry/problem.ts';
import { joinBytes } from './join-bytes.ts';
import {
	blockBytes,
	malformedArchive,
	paddedBytes,
	resizedHeader,
	TarHeaders,
	type SizeForm,
} from './tar-header.ts';
import { readTar } from './tar.ts';

/** One entry; its header is the block before its data. */
export interface TarRecord {
	readonly name: string;
	readonly isFile: boolean;
	/** Its data is not its content, but what lies between the holes. */
	readonly isSparse: boolean;
	/** from the beginning of the archive, in bytes */
	readonly dataOffset: number;
	readonly sizeBytes: number;
	readonly sizeForm: SizeForm;
}

function* scan(archive: Uint8Array): Generator<TarRecord> {
	const headers = new TarHeaders();
	let at = 0;
	for (;;) {
		const block = archive.subarray(at, at + blockBytes);
		if (block.length < blockBytes) malformedArchive('it ends early');
		const header = headers.read(block);
		if (header.kind === 'end') return;
		const dataOffset = at + blockBytes;
		at = dataOffset + paddedBytes(header.sizeBytes);
		if (at > archive.length) malformedArchive('it ends early');
		if (header.kind === 'metadata') {
			const { type, sizeBytes } = header;
			headers.addMetadata(type, archive.subarray(dataOffset, dataOffset + sizeBytes));
		} else {
			const { kind: _, ...entry } = header;
			yield { ...entry, dataOffset };
		}
	}
}

/**
 * The entries of an archive, in order. They are held against what `readTar` finds, so that nothing
 * is written by one understanding of an archive that was read by another.
 * @throws ProblemError `malformed` where the archive is, or can be understood in two ways; `too-large`
 */
export async function readRecords(
	archive: Uint8Array,
	mostEntries: number,
): Promise<readonly TarRecord[]> {
	const entries = await readTar(archive, mostEntries);
	const records = [...scan(archive)];
	const agree =
		records.length === entries.length &&
		records.every(({ name, isFile, sizeBytes }, position) => {
			const entry = entries[position];
			return (
				entry?.name === name &&
				isFile === (entry.type === 'file') &&
				(!isFile || entry.bytes.length === sizeBytes)
			);
		});
	return agree ? records : malformedArchive('its entries can be understood in two ways');
}

/** The content of an entry, in place. */
export function dataOf(archive: Uint8Array, { dataOffset, sizeBytes }: TarRecord): Uint8Array {
	return archive.subarray(dataOffset, dataOffset + sizeBytes);
}

function refuse(reason: string): never {
	throw new ProblemError({ code: 'unsupported', origin: 'content', reason });
}

function replaceable(record: TarRecord, sizeBytes: number): TarRecord {
	const name = JSON.stringify(record.name);
	if (record.isSparse) {
		refuse(`The archive holds ${name} as a sparse file, so its content cannot be changed.`);
	}
	if (record.sizeForm === 'pax' && record.sizeBytes !== sizeBytes) {
		refuse(
			`The archive writes the size of ${name} in a PAX record, so its length cannot be changed.`,
		);
	}
	return record;
}

/**
 * The archive with other content in some of its files. Headers stay as they are, but for the size and
 * checksum of files whose length changes, which are written in the form that they had.
 * @param replacements by records that `readRecords` gave for this very archive
 * @throws ProblemError `unsupported` for a sparse file, and where a size that changes is written in a PAX record, or
 * does not fit
 */
export function replaceFiles(
	archive: Uint8Array,
	records: readonly TarRecord[],
	replacements: ReadonlyMap<TarRecord, Uint8Array>,
): Uint8Array {
	const parts: Uint8Array[] = [];
	let at = 0;
	for (const record of records) {
		const content = replacements.get(record);
		if (!content) continue;
		const { dataOffset, sizeBytes } = replaceable(record, content.length);
		if (content.length === sizeBytes) {
			parts.push(archive.subarray(at, dataOffset), content);
			at = dataOffset + sizeBytes;
			continue;
		}
		const headerOffset = dataOffset - blockBytes;
		const header = archive.subarray(headerOffset, dataOffset);
		const padding = new Uint8Array(paddedBytes(content.length) - content.length);
		const resized = resizedHeader(header, content.length);
		parts.push(archive.subarray(at, headerOffset), resized, content, padding);
		at = dataOffset + paddedBytes(sizeBytes);
	}
	return joinBytes([...parts, archive.subarray(at)]);
}
