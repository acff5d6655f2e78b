/** `GET /api/tags`, `/api/referrers` and `/api/repositories`: all pages, an item a line; a problem ends it. */
import { Hono } from 'hono';
import { problemOf } from '../../shared/registry/problem.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { failure } from './failure.ts';
import { streamLines } from './line-stream.ts';
import {
	readDigestReference,
	readNamedBy,
	readRegistry,
	readRepository,
} from './wire-reference.ts';

async function* listingLines(items: AsyncIterable<unknown>, signal: AbortSignal) {
	try {
		for await (const item of items) yield { ok: true, item };
	} catch (error) {
		if (!signal.aborted) yield { ok: false, problem: problemOf(error) };
	}
}

export function listingRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>()
		.get('/tags', (c) => {
			const { reader } = callerOf(c);
			const repository = readRepository(c);
			if (!repository.ok) return failure(c, repository.problem);
			return streamLines(c, (signal) =>
				listingLines(reader.tags(repository.value, { signal }), signal),
			);
		})
		.get('/referrers', (c) => {
			const { reader } = callerOf(c);
			const subject = readDigestReference(c);
			if (!subject.ok) return failure(c, subject.problem);
			const named = readNamedBy(c);
			if (!named.ok) return failure(c, named.problem);
			return streamLines(c, (signal) =>
				listingLines(reader.referrers(subject.value, { signal, namedBy: named.value }), signal),
			);
		})
		.get('/repositories', (c) => {
			const { reader } = callerOf(c);
			const registry = readRegistry(c);
			if (!registry.ok) return failure(c, registry.problem);
			return streamLines(c, (signal) =>
				listingLines(reader.repositories(registry.value, { signal }), signal),
			);
		});
}
