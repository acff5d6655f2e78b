import { describe, expect, it } from 'vitest';
import { inflate } from '../../../proxy/server/inflate.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { gzip } from '../../../shared/archive/compress.ts';
import { digestOfBytes, golden, goldenBytes, goldenPlan } from '../../support/golden-plan.ts';

describe('in Node', () => {
	it('the same release and choice make the plan that they make everywhere', async () => {
		const tools = { hash: hashBytes, gzip: async (bytes: Uint8Array) => gzip(bytes), inflate };
		expect(await goldenPlan(tools)).toEqual({ id: golden.id, file: golden.file });
	});

	it('the gzip stream is the one that it is everywhere', () => {
		expect(digestOfBytes(gzip(goldenBytes()))).toBe(golden.gzip);
	});
});
