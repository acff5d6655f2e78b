import { gzipSync } from 'fflate';
import fc from 'fast-check';
import { packTar } from 'modern-tar';
import { describe, expect, it } from 'vitest';
import { gunzip } from '../../../shared/archive/gzip.ts';
import { TarHeaders } from '../../../shared/archive/tar-header.ts';
import { tarNames } from '../../../shared/archive/tar-names.ts';
import { dataOf, readRecords, replaceFiles } from '../../../shared/archive/tar-records.ts';
import { readTar } from '../../../shared/archive/tar.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import { inflate } from '../../../web/api/inflate.ts';
import {
	bytesOf,
	damagedBytes,
	expectTyped,
	expectTypedLater,
	runs,
} from '../../support/arbitraries.ts';
import { expectLinear } from './growth.ts';

const archive = await packTar([
	{ header: { name: 'release-manifests/', size: 0, type: 'directory' } },
	{ header: { name: 'release-manifests/image-references', size: 5 }, body: 'hello' },
	{ header: { name: 'link', size: 0, type: 'symlink', linkname: '../../etc/passwd' } },
	{ header: { name: `${'long/'.repeat(40)}name`, size: 600 }, body: 'x'.repeat(600) },
	{ header: { name: 'empty', size: 0 }, body: '' },
]);

const block = 512;

/** The header of a block again, with this put at a place in it, and a checksum that is right. */
function withField(from: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
	const header = from.slice(0, block);
	header.set(bytes.subarray(0, block - at), at);
	header.fill(0x20, 148, 156);
	const sum = header.reduce((all, byte) => all + byte, 0);
	header.set(bytesOf(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
	return header;
}

const entries = [0, 1, 2].map((at) => at * block);

/** Headers with right checksums and wrong fields: what a damaged byte alone never is. */
const forged = fc
	.array(
		fc.record({
			header: fc.constantFrom(...entries),
			field: fc.oneof(
				fc.record({ at: fc.constant(124), bytes: fc.uint8Array({ minLength: 12, maxLength: 12 }) }),
				fc.record({
					at: fc.constant(124),
					bytes: fc.constantFrom(
						Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0),
						Uint8Array.of(0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
						Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
						bytesOf('77777777777\0'),
						bytesOf('777777777777'),
						bytesOf('-0000000001\0'),
						bytesOf('            '),
						bytesOf('0x10       \0'),
					),
				}),
				fc.record({
					at: fc.constant(156),
					bytes: fc
						.constantFrom(...Array.from('0127xgLKSVM\0\x80'))
						.map((type) => Uint8Array.of(type.charCodeAt(0))),
				}),
				fc.record({ at: fc.nat(block - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
			),
		}),
		{ minLength: 1, maxLength: 3 },
	)
	.map((changes) =>
		changes.reduce((whole, { header, field }) => {
			const changed = whole.slice();
			changed.set(withField(whole.subarray(header), field.at, field.bytes), header);
			return changed;
		}, archive),
	);

const damaged = fc.oneof(damagedBytes(archive), forged);

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function namesIn(bytes: Uint8Array, size = 700): Promise<readonly string[]> {
	const names: string[] = [];
	for await (const name of tarNames(chunksOf(bytes, size))) names.push(name);
	return names;
}

describe('a tar archive of anybody', () => {
	it('is read, or refused as what it is', async () => {
		await fc.assert(
			fc.asyncProperty(damaged, async (bytes) => {
				const read = await expectTypedLater(() => readTar(bytes, 100));
				if (read instanceof ProblemError) expect(read.problem.code).toBe('malformed');
			}),
			runs(500),
		);
	});

	it('names the same when it arrives whole and when it arrives in pieces', async () => {
		await fc.assert(
			fc.asyncProperty(damaged, fc.integer({ min: 1, max: 1000 }), async (bytes, size) => {
				const whole = await expectTypedLater(() => namesIn(bytes, bytes.length + 1));
				const pieces = await expectTypedLater(() => namesIn(bytes, size));
				if (whole instanceof ProblemError) expect(pieces).toBeInstanceOf(ProblemError);
				else expect(pieces).toEqual(whole);
			}),
			runs(200),
		);
	});

	it('has files that lie inside of it, and everything else stays when one of them is replaced', async () => {
		await fc.assert(
			fc.asyncProperty(damaged, fc.uint8Array({ maxLength: 1200 }), async (bytes, content) => {
				const records = await expectTypedLater(() => readRecords(bytes, 100));
				if (records instanceof ProblemError) return;
				const files = records.filter(({ isFile }) => isFile);
				const [file] = files;
				if (!file) return;
				const made = expectTyped(() => replaceFiles(bytes, records, new Map([[file, content]])));
				if (made instanceof ProblemError) return;
				const after = await readRecords(made, 100);
				expect(after.map(({ name }) => name)).toEqual(records.map(({ name }) => name));
				for (const [at, record] of after.entries()) {
					const before = records[at]!;
					expect(dataOf(made, record)).toEqual(before === file ? content : dataOf(bytes, before));
				}
			}),
			runs(500),
		);
	});
});

describe('a PAX record of anybody', () => {
	function read(text: string): unknown {
		const headers = new TarHeaders();
		headers.addMetadata('x', bytesOf(text));
		return headers.read(archive.subarray(block, 2 * block));
	}

	const record = fc.oneof(
		fc.string({ maxLength: 60 }),
		fc
			.tuple(
				fc.constantFrom(
					'12',
					'0',
					'-1',
					'1e-300',
					'1e-9',
					'0x10',
					'99999999999',
					' 5',
					'1.5',
					'\t9',
					'',
				),
				fc.constantFrom(' path=../../x\n', ' size=-1\n', ' size=1e3\n', ' size=\n', '\t', ' '),
			)
			.map((parts) => parts.join('')),
		fc
			.tuple(
				fc.constantFrom('path', 'size', 'GNU.sparse.map', '__proto__'),
				fc.string({ maxLength: 20 }),
			)
			.map(([key, value]) => ` ${key}=${value}\n`)
			.map((rest) => `${bytesOf(rest).length + 2}${rest}`),
	);

	it('is read or malformed', () => {
		fc.assert(
			fc.property(fc.array(record, { maxLength: 4 }), (records) => {
				const header = expectTyped(() => read(records.join('')));
				if (header instanceof ProblemError) expect(header.problem.code).toBe('malformed');
				else expect(header).toMatchObject({ kind: 'entry' });
			}),
			runs(1000),
		);
	});

	it.each(['1e-300 x', '1e-9 x', '0x5 a', '1.5 ab', '\t5 a=b', '5e0 a', '1 ', '2 \n'])(
		'is malformed where its length is no number of bytes: %j',
		(text) => {
			expect(() => read(text)).toThrow(ProblemError);
		},
	);

	it.each(['1e3', '0x10', '-1', ' 1', '1.5', '', '99999999999999999'])(
		'is malformed where its size is no number of bytes: %j',
		(size) => {
			const rest = ` size=${size}\n`;
			expect(() => read(`${rest.length + 2}${rest}`)).toThrow(ProblemError);
		},
	);

	it.each([
		['without blanks', (n: number) => '12'.padEnd(12, '\t').repeat(n / 12)],
		['that are short', (n: number) => '5 a=b'.repeat(n / 5)],
		['of zeros', (n: number) => '0'.repeat(n)],
	])('is read in linear time with very many %s', (_, make) => {
		expectLinear(make, (text) => expectTyped(() => read(text)), 60_000);
	});
});

describe('a gzip stream of anybody', () => {
	const whole = gzipSync(archive, { mtime: 0 });
	const bounds = { mostBytes: 20_000, mostRatio: 200 };

	it('is unpacked whole, or refused', async () => {
		await fc.assert(
			fc.asyncProperty(
				damagedBytes(whole),
				fc.integer({ min: 1, max: 400 }),
				async (bytes, size) => {
					const unpacked = await expectTypedLater(() =>
						gunzip(chunksOf(bytes, size), inflate, bounds),
					);
					if (unpacked instanceof ProblemError) {
						expect(['malformed', 'too-large']).toContain(unpacked.problem.code);
					} else expect(unpacked.length).toBeLessThanOrEqual(bounds.mostBytes);
				},
			),
			runs(150),
		);
	});

	it('is not unpacked beyond its bounds', async () => {
		const bomb = gzipSync(new Uint8Array(8 * 1024 * 1024));
		const refused = await expectTypedLater(() =>
			gunzip(chunksOf(bomb, 1024), inflate, { mostBytes: 1e9, mostRatio: 200 }),
		);
		expect(refused instanceof ProblemError && refused.problem.code).toBe('too-large');
	});
});
