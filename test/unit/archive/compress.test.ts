import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { gzip } from '../../../shared/archive/compress.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	fixturesMissing,
	payloadLayer412,
	skippedWithoutFixtures,
} from '../../support/fixtures.ts';

const text = new TextEncoder().encode('a line of text\n'.repeat(5_000));

describe('the gzip that is made', () => {
	it('is the same stream everywhere', () => {
		expect(hashOf('sha256', gzip(text))).toBe(
			'sha256:b68add83450e41b9f18f457a6c4dd95e3b9070207858aea243622e86e6c21537',
		);
	});

	it('has neither a time nor a name in its header', () => {
		expect([...gzip(text).subarray(0, 9)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0]);
	});

	it.each([
		['nothing', new Uint8Array(0)],
		['a text', text],
	])('unpacks to %s again', (_, bytes) => {
		expect(Buffer.compare(gunzipSync(gzip(bytes)), bytes)).toBe(0);
	});
});

it.skipIf(fixturesMissing)(
	`the genuine 4.12.0 payload gives one stream everywhere (skipped: ${skippedWithoutFixtures})`,
	async () => {
		const archive = gunzipSync(await readFile(payloadLayer412));
		const packed = gzip(archive);
		expect({ sizeBytes: packed.length, digest: hashOf('sha256', packed) }).toEqual({
			sizeBytes: 971_397,
			digest: 'sha256:e31659988eef0c91c05dd25a2b7b92f9ba4fb9cb07eb46e13737160f9292086e',
		});
		expect(Buffer.compare(gunzipSync(packed), archive)).toBe(0);
	},
);
