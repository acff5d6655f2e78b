/** `POST /api/tags/move`: many tags, each only if it still points where it was seen; a line for each. */
import { Hono } from 'hono';
import { movesBodySchema, writeLimits, type MoveLine } from '../../shared/api/write-schema.ts';
import type { TagMove, TagMoveResult } from '../../shared/registry/registries.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { streamLines } from './line-stream.ts';
import { writeLines } from './write-lines.ts';

function toLine(index: number, { move: _, ...result }: TagMoveResult): MoveLine {
	return { index, ...result };
}

export function tagMoveRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().post('/tags/move', async (c) => {
		const { writer } = callerOf(c);
		const body = await readStrictJson(c, movesBodySchema, writeLimits.bodyBytes);
		if (!body.ok) return body.response;
		const moves: readonly TagMove[] = body.value.moves;
		return streamLines(c, (signal) =>
			writeLines(moves, (batch) => writer.moveTags(batch, { signal }), {
				signal,
				requestOf: ({ move }) => move,
				toLine,
			}),
		);
	});
}
