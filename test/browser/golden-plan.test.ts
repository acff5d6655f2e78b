import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../web/api/hashing.ts';
import { inflate } from '../../web/api/inflate.ts';
import { gzipInWorker } from '../../web/workers/gzip.ts';
import { digestOfBytes, golden, goldenBytes, goldenPlan } from '../support/golden-plan.ts';

describe('in a browser', () => {
	it('the same release and choice make the plan that they make everywhere', async () => {
		const tools = { hash: hashBytes, gzip: gzipInWorker, inflate };
		expect(await goldenPlan(tools)).toEqual({ id: golden.id, file: golden.file });
	});

	it('the gzip stream is the one that it is everywhere', async () => {
		expect(digestOfBytes(await gzipInWorker(goldenBytes()))).toBe(golden.gzip);
	});
});
