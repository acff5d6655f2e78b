/** `POST /api/copies`: many blobs from registry to registry, a line for each step; stops when the client goes. */
import { Hono } from 'hono';
import { copiesBodySchema, writeLimits, type CopyLine } from '../../shared/api/write-schema.ts';
import type { BlobCopy, BlobCopyEvent } from '../../shared/registry/registries.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { streamLines } from './line-stream.ts';
import { toDigestReference } from './wire-reference.ts';
import { writeLines } from './write-lines.ts';

function toLine(index: number, { copy: _, ...event }: BlobCopyEvent): CopyLine {
	return { index, ...event };
}

export function copyRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().post('/copies', async (c) => {
		const { writer } = callerOf(c);
		const body = await readStrictJson(c, copiesBodySchema, writeLimits.bodyBytes);
		if (!body.ok) return body.response;
		const copies = body.value.copies.map(({ to, sizeBytes, from }): BlobCopy => ({
			to: toDigestReference(to),
			sizeBytes,
			from,
		}));
		return streamLines(c, (signal) =>
			writeLines(copies, (batch) => writer.copyBlobs(batch, { signal }), {
				signal,
				requestOf: ({ copy }) => copy,
				toLine,
			}),
		);
	});
}
