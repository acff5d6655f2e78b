import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { inflate as inflateInProxy } from '../../../proxy/server/inflate.ts';
import { gunzip } from '../../../shared/archive/gzip.ts';
import { readTar } from '../../../shared/archive/tar.ts';
import { ProblemError, problemOf } from '../../../shared/registry/problem.ts';
import { inflate as inflateInPage } from '../../../web/api/inflate.ts';
import { packLayer } from '../../support/release-maker.ts';

const generous = { mostBytes: 64 * 2 ** 20, mostRatio: 5_000 };

async function* inPieces(bytes: Uint8Array, size = 1000) {
	for (let at = 0; at < bytes.length; at += size) {
		yield await Promise.resolve(bytes.subarray(at, at + size));
	}
}

function failureOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no failure',
		(error: unknown) => problemOf(error).code,
	);
}

const bomb = gzipSync(new Uint8Array(32 * 2 ** 20), { mtime: 0 });

describe.each([
	['zlib in the proxy', inflateInProxy],
	['the browser’s own', inflateInPage],
])('unpacking gzip by %s', (_, inflate) => {
	const text = new TextEncoder().encode('a line of text\n'.repeat(5_000));
	const packed = gzipSync(text, { mtime: 0 });

	it('gives every byte', async () => {
		const unpacked = await gunzip(inPieces(packed), inflate, generous);
		expect(Buffer.compare(unpacked, text)).toBe(0);
	});

	it.each([
		['nothing', new Uint8Array(0)],
		['something else', new TextEncoder().encode('this is no gzip stream at all')],
		['a stream cut short', packed.subarray(0, packed.length - 1)],
		['a stream with a wrong checksum', packed.with(packed.length - 5, packed.at(-5)! ^ 1)],
	])('refuses %s', async (_what, bytes) => {
		expect(await failureOf(gunzip(inPieces(bytes), inflate, generous))).toBe('malformed');
	});

	it('stops where it unpacks to more than it may', async () => {
		const limits = { ...generous, mostBytes: text.length - 1 };
		expect(await failureOf(gunzip(inPieces(packed), inflate, limits))).toBe('too-large');
	});

	it('stops a bomb by its ratio', async () => {
		const limits = { ...generous, mostRatio: 100 };
		expect(await failureOf(gunzip(inPieces(bomb), inflate, limits))).toBe('too-large');
	});

	it('lets a small stream be as repetitive as it likes', async () => {
		const small = gzipSync(new Uint8Array(2 ** 20), { mtime: 0 });
		const unpacked = await gunzip(inPieces(small), inflate, { ...generous, mostRatio: 2 });
		expect(unpacked).toHaveLength(2 ** 20);
	});

	it('passes on what its source fails with', async () => {
		const broken = async function* () {
			yield packed.subarray(0, 20);
			await Promise.resolve();
			throw new ProblemError({ code: 'digest-mismatch', origin: 'content', reason: 'No.' });
		};
		expect(await failureOf(gunzip(broken(), inflate, generous))).toBe('digest-mismatch');
	});
});

// Node's own stand-in for the browser's takes all input at once, so only zlib shows it here.
it('a bomb is left long before its end', async () => {
	let taken = 0;
	const counted = async function* () {
		for await (const piece of inPieces(bomb, 512)) {
			taken += piece.length;
			yield piece;
		}
	};
	await failureOf(gunzip(counted(), inflateInProxy, { ...generous, mostRatio: 100 }));
	expect(taken).toBeLessThan(bomb.length);
});

describe('a tar archive', () => {
	const files = [1, 2, 3].map((number) => ({ name: `f${number}`, text: 'x'.repeat(number * 300) }));

	it('is listed in its order, with types and contents', async () => {
		const { tar } = await packLayer('oci', files);
		const entries = await readTar(tar, 4);
		expect(entries.map(({ name, type, bytes }) => [name, type, bytes.length])).toEqual([
			[expect.stringMatching(/^release-manifests\/?$/), 'directory', 0],
			['release-manifests/f1', 'file', 300],
			['release-manifests/f2', 'file', 600],
			['release-manifests/f3', 'file', 900],
		]);
	});

	it('is refused with more entries than it may have', async () => {
		const { tar } = await packLayer('oci', files);
		expect(await failureOf(readTar(tar, 3))).toBe('too-large');
	});

	it.each([
		['a wrong checksum', (tar: Uint8Array) => tar.with(600, tar[600]! ^ 1)],
		['an end inside a file', (tar: Uint8Array) => tar.subarray(0, 512 + 512 + 100)],
		['no archive in it', () => new Uint8Array(2048).fill(65)],
	])('is refused with %s', async (_, damage) => {
		const { tar } = await packLayer('oci', files);
		expect(await failureOf(readTar(damage(tar), 100))).toBe('malformed');
	});
});
