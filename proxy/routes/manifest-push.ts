/** `POST /api/manifests/push`: many manifests by digest, with their bytes or copied; a line for each. */
import { Hono } from 'hono';
import {
	pushesBodySchema,
	writeLimits,
	type PushesBody,
	type PushLine,
} from '../../shared/api/write-schema.ts';
import type { ManifestPush, ManifestPushResult } from '../../shared/registry/registries.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { refusal } from './failure.ts';
import { streamLines } from './line-stream.ts';
import { toDigestReference } from './wire-reference.ts';
import { writeLines } from './write-lines.ts';

function toPush(wire: PushesBody['pushes'][number]): ManifestPush {
	const { mediaType, isMissing } = wire;
	const target = { to: toDigestReference(wire.to), mediaType, isMissing };
	if ('from' in wire) return { ...target, from: wire.from };
	const bytes = 'text' in wire ? Buffer.from(wire.text) : Buffer.from(wire.base64, 'base64');
	return { ...target, bytes: new Uint8Array(bytes) };
}

function isTooLarge(push: ManifestPush): boolean {
	return 'bytes' in push && push.bytes.length > writeLimits.manifestBytes;
}

function toLine(index: number, { push: _, ...result }: ManifestPushResult): PushLine {
	return { index, ...result };
}

export function manifestPushRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().post('/manifests/push', async (c) => {
		const { writer } = callerOf(c);
		const body = await readStrictJson(c, pushesBodySchema, writeLimits.bodyBytes);
		if (!body.ok) return body.response;
		const pushes = body.value.pushes.map(toPush);
		if (pushes.some(isTooLarge)) {
			const reason = `A manifest may have ${writeLimits.manifestBytes} bytes.`;
			return refusal(c, 413, reason, 'too-large');
		}
		return streamLines(c, (signal) =>
			writeLines(pushes, (batch) => writer.pushManifests(batch, { signal }), {
				signal,
				requestOf: ({ push }) => push,
				toLine,
			}),
		);
	});
}
