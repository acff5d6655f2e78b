import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tarNames } from '../../../shared/archive/tar-names.ts';
import {
	dataOf,
	readRecords,
	replaceFiles,
	type TarRecord,
} from '../../../shared/archive/tar-records.ts';
import { readTar } from '../../../shared/archive/tar.ts';
import { problemOf } from '../../../shared/registry/problem.ts';

const deep = `${'folder-'.repeat(12)}/${'name-'.repeat(12)}`;
const longer = `${'x'.repeat(120)}/${'y'.repeat(150)}`;
const files: Readonly<Record<string, string>> = {
	empty: '',
	first: 'one\n',
	block: 'b'.repeat(512),
	second: 't'.repeat(700),
	[deep]: 'deep down',
};

let folder: string;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-tar-'));
	for (const [name, text] of Object.entries({ ...files, [longer]: 'long name' })) {
		mkdirSync(join(folder, name, '..'), { recursive: true });
		writeFileSync(join(folder, name), text);
	}
});

afterAll(() => rmSync(folder, { recursive: true }));

function tar(format: string, ...names: string[]): Uint8Array {
	return new Uint8Array(
		execFileSync('tar', [`--format=${format}`, '-C', folder, '-cf', '-', ...names]),
	);
}

function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

function recordOf(records: readonly TarRecord[], name: string): TarRecord {
	return records.find((record) => record.name === name)!;
}

async function contentsOf(archive: Uint8Array): Promise<Record<string, string>> {
	const entries = await readTar(archive, 100);
	return Object.fromEntries(
		entries.map(({ name, bytes }) => [name, new TextDecoder().decode(bytes)]),
	);
}

async function replaced(archive: Uint8Array, name: string, text: string): Promise<Uint8Array> {
	const records = await readRecords(archive, 100);
	return replaceFiles(archive, records, new Map([[recordOf(records, name), bytesOf(text)]]));
}

function refusalOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no refusal',
		(error: unknown) => `${problemOf(error).code}: ${problemOf(error).reason}`,
	);
}

describe.each(['v7', 'ustar', 'gnu', 'pax'])('files in a %s archive', (format) => {
	// V7 has no place for long names.
	const names = Object.keys(files).filter((name) => format !== 'v7' || name !== deep);

	it('are found where they lie', async () => {
		const archive = tar(format, ...names);
		const records = await readRecords(archive, 100);
		expect(records.map(({ name }) => name)).toEqual(names);
		for (const record of records) {
			expect(new TextDecoder().decode(dataOf(archive, record))).toBe(files[record.name]);
		}
	});

	it('are replaced by others of equal length with no other byte touched', async () => {
		const archive = tar(format, ...names);
		const records = await readRecords(archive, 100);
		const { dataOffset } = recordOf(records, 'first');
		const expected = archive.slice();
		expected.set(bytesOf('two\n'), dataOffset);
		expect(Buffer.compare(await replaced(archive, 'first', 'two\n'), expected)).toBe(0);
	});

	it.each([
		['longer', 'l'.repeat(1500)],
		['as long as a block', 'l'.repeat(512)],
		['shorter', 's'],
		['empty', ''],
	])('are replaced by what is %s', async (_, text) => {
		const archive = tar(format, ...names);
		const made = await replaced(archive, 'second', text);
		const expected = Object.fromEntries(names.map((name) => [name, files[name]]));
		expect(await contentsOf(made)).toEqual({ ...expected, second: text });
		const listing = (bytes: Uint8Array) =>
			execFileSync('tar', ['-tvf', '-'], { input: bytes, encoding: 'utf8' })
				.replace(/\d+ \d{4}-/g, (found) => found.slice(-5))
				.replaceAll(/ +/g, ' ');
		expect(listing(made)).toBe(listing(archive));
	});

	it('come back byte for byte when the first content is put back', async () => {
		const archive = tar(format, ...names);
		const there = await replaced(archive, 'second', 'something else');
		expect(Buffer.compare(await replaced(there, 'second', files['second']!), archive)).toBe(0);
	});
});

describe('an archive with names beyond its headers', () => {
	it.each(['gnu', 'pax'])('has them read in the %s form', async (format) => {
		const archive = tar(format, longer, 'first');
		const records = await readRecords(archive, 100);
		expect(records.map(({ name }) => name)).toEqual([longer, 'first']);
		const made = await replaced(archive, longer, 'a text of another length');
		expect(await contentsOf(made)).toEqual({
			[longer]: 'a text of another length',
			first: 'one\n',
		});
	});

	it.each(['gnu', 'pax', 'ustar'])(
		'streams them by in the %s form, however it is cut',
		async (format) => {
			const names = ['first', 'second', ...(format === 'ustar' ? [deep] : [deep, longer])];
			const archive = tar(format, ...names);
			for (const size of [1, 511, 4096, archive.length]) {
				const found: string[] = [];
				for await (const name of tarNames(inPieces(archive, size))) found.push(name);
				expect(found).toEqual(names);
			}
		},
	);
});

async function* inPieces(bytes: Uint8Array, size: number) {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A header with its size field as given, and a right checksum. */
function withSizeField(archive: Uint8Array, field: Uint8Array): Uint8Array {
	const changed = archive.slice();
	changed.set(field, 124);
	changed.fill(0x20, 148, 156);
	const sum = changed.subarray(0, 512).reduce((total, byte) => total + byte, 0);
	changed.set(bytesOf(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
	return changed;
}

/** A PAX header and its content. */
function paxRecord(text: string): Uint8Array {
	const made = tar('ustar', 'first').slice(0, 1024);
	made.fill(0, 512);
	made.set(bytesOf(text), 512);
	made[156] = 'x'.charCodeAt(0);
	return withSizeField(made, bytesOf(`${text.length.toString(8).padStart(11, '0')}\0`));
}

function sizeFieldOf(archive: Uint8Array): string {
	return String.fromCharCode(...archive.subarray(124, 136));
}

describe('the size of a file that grows', () => {
	it.each([
		['zeroes and a NUL', '00000000004\0', '00000000012\0'],
		['zeroes and a blank', '00000000004 ', '00000000012 '],
		['blanks before and behind', '         4 \0', '        12 \0'],
		['all digits', '000000000004', '000000000012'],
		['binary', '\x80\0\0\0\0\0\0\0\0\0\0\x04', '\x80\0\0\0\0\0\0\0\0\0\0\x0a'],
	])('is written as it was: %s', async (_, before, after) => {
		const field = Uint8Array.from(before, (character) => character.charCodeAt(0));
		const archive = withSizeField(tar('ustar', 'first'), field);
		const made = await replaced(archive, 'first', 'ten bytes!');
		expect(sizeFieldOf(made)).toBe(after);
		expect(await contentsOf(made)).toEqual({ first: 'ten bytes!' });
	});

	it('is refused where its digits have no room', async () => {
		const archive = withSizeField(tar('ustar', 'first'), bytesOf('4\0\0\0\0\0\0\0\0\0\0\0'));
		expect(await refusalOf(replaced(archive, 'first', 'ten bytes!'))).toBe(
			'unsupported: The archive has no room for a size of 10 bytes in the header of "first".',
		);
	});

	it('is refused where a PAX record states it, while content of equal length is not', async () => {
		const archive = new Uint8Array(Buffer.concat([paxRecord('9 size=4\n'), tar('ustar', 'first')]));
		expect(await refusalOf(replaced(archive, 'first', 'ten bytes!'))).toBe(
			'unsupported: The archive writes the size of "first" in a PAX record, so its length cannot be changed.',
		);
		expect(await contentsOf(await replaced(archive, 'first', 'two\n'))).toEqual({ first: 'two\n' });
	});
});

describe('a file with holes', () => {
	const sparse = (type: string) => {
		const archive = tar('ustar', 'first');
		archive[156] = type.charCodeAt(0);
		return withSizeField(archive, archive.subarray(124, 136));
	};

	it.each([
		['in GNU’s own form', () => sparse('S')],
		[
			'in a PAX record',
			() => new Uint8Array(Buffer.concat([paxRecord('22 GNU.sparse.major=1\n'), sparse('0')])),
		],
	])('is left as it is, and its content is not replaced: %s', async (_, make) => {
		const archive = make();
		const [record] = await readRecords(archive, 100);
		expect(record).toMatchObject({ name: 'first', isFile: true, isSparse: true });
		for (const text of ['two\n', 'ten bytes!']) {
			expect(await refusalOf(replaced(archive, 'first', text))).toBe(
				'unsupported: The archive holds "first" as a sparse file, so its content cannot be changed.',
			);
		}
	});

	it('does not make one of the file after it', async () => {
		const hole = Buffer.concat([paxRecord('22 GNU.sparse.major=1\n'), sparse('0').slice(0, 1024)]);
		const archive = new Uint8Array(Buffer.concat([hole, tar('ustar', 'second')]));
		const made = await replaced(archive, 'second', 'other');
		expect(await contentsOf(made)).toEqual({ first: 'one\n', second: 'other' });
	});
});

describe('an archive that is not as it should be', () => {
	it.each([
		['a wrong checksum', (archive: Uint8Array) => archive.with(0, archive[0]! ^ 1)],
		['an end inside a file', (archive: Uint8Array) => archive.subarray(0, 1000)],
		['no end mark', (archive: Uint8Array) => archive.subarray(0, 1024)],
		['no archive in it', () => new Uint8Array(2048).fill(65)],
		['nothing in it', () => new Uint8Array(0)],
	])('is refused with %s', async (_, damage) => {
		const archive = damage(tar('ustar', 'first'));
		expect(await refusalOf(readRecords(archive, 100))).toContain('malformed');
		const names = async () => {
			for await (const _ of tarNames(inPieces(archive, 100)));
		};
		expect(await refusalOf(names())).toContain('malformed');
	});

	it('is refused where two readers would see different entries', async () => {
		// Of two PAX records, some take both and some only the second.
		const records = [paxRecord('14 path=other\n'), paxRecord('14 comment=no\n')];
		const archive = new Uint8Array(Buffer.concat([...records, tar('ustar', 'first')]));
		const answers = await refusalOf(readRecords(archive, 100));
		expect(answers).toBe(
			'malformed: It is not a complete tar archive (its entries can be understood in two ways).',
		);
	});
});
