import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { sha256 } from '../../support/push.ts';
import { all } from '../registry/contract.ts';
import {
	manifestBytes,
	readerWith,
	startScripted,
	stopAll,
	type Script,
} from '../upstream/scripted-server.ts';

afterEach(stopAll);

const bytes = Buffer.alloc(400_000, 'blob');
const manifest = manifestBytes();

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

interface Expiring {
	/** whether the first PUT to such a path finds its token run out, and any later one */
	readonly runsOut: (path: string) => boolean;
	readonly always?: boolean;
	/** reads the body before it refuses */
	readonly late?: boolean;
}

/** A registry whose token is good for everything, until a PUT finds it run out. */
function expiring({ runsOut, always = false, late = false }: Expiring) {
	const taken: string[] = [];
	let given = 0;
	let good: string | undefined;
	let hasRunOut = false;
	let at: string | undefined;
	const refuse = (response: ServerResponse): void =>
		void response
			.writeHead(401, { 'www-authenticate': 'Bearer realm="/token",service="reg"' })
			.end();
	const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		const { method, url = '', headers } = request;
		const sent = headers.authorization?.slice(7);
		if (url.startsWith('/token')) {
			good = `t${(given += 1)}`;
			response.end(JSON.stringify({ token: good, expires_in: 300 }));
			return;
		}
		if (method === 'PUT' && runsOut(url) && (always || !hasRunOut)) {
			hasRunOut = true;
			good = undefined;
		}
		if (sent === undefined || sent !== good) {
			if (late) await bodyOf(request);
			refuse(response);
		} else if (method === 'POST') {
			response.writeHead(202, { location: '/v2/a/b/blobs/uploads/1' }).end();
		} else if (method === 'PUT') {
			const body = await bodyOf(request);
			taken.push(sha256(body));
			if (url.endsWith('/manifests/v1')) at = sha256(body);
			response.writeHead(201, { 'docker-content-digest': sha256(body) }).end();
		} else if (method === 'DELETE') response.writeHead(204).end();
		else if (url.endsWith(sha256(manifest)) || (url.endsWith('/v1') && at)) {
			response.writeHead(200, {
				'content-type': mediaTypes.ociManifest,
				'docker-content-digest': sha256(manifest),
			});
			response.end(method === 'GET' ? manifest : undefined);
		} else response.writeHead(404).end();
	};
	const script: Script = (request, response) =>
		void answer(request, response).catch(() => undefined);
	return { script, taken };
}

async function setUp(how: Expiring) {
	const { script, taken } = expiring(how);
	const server = await startScripted(script);
	const reader = readerWith();
	const transfer = new Transfer({ reader, targetOf: () => reader.target });
	const to = { registry: server.host, repository: 'a/b' };
	return { transfer, taken, to };
}

async function* content(): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += 65_536) {
		yield await Promise.resolve(bytes.subarray(at, at + 65_536));
	}
}

async function upload(how: Expiring) {
	const { transfer, taken, to } = await setUp(how);
	const blob = { to: { ...to, digest: sha256(bytes) }, sizeBytes: bytes.length, content };
	const final = (await all(transfer.putBlobs([blob]))).at(-1);
	return { taken, outcome: final?.state === 'failed' ? final.problem.code : final?.state };
}

describe('a login that runs out while a registry is written to', () => {
	const inUpload = (path: string): boolean => path.includes('/uploads/');

	it.each([false, true])(
		'does not end a blob, before its body was read or after (%s)',
		async (late) => {
			const { taken, outcome } = await upload({ runsOut: inUpload, late });
			expect(outcome).toBe('sent');
			expect(taken).toEqual([sha256(bytes)]);
		},
	);

	it('ends a blob where the new login is refused too', async () => {
		const { taken, outcome } = await upload({ runsOut: inUpload, late: true, always: true });
		expect(outcome).toBe('unauthorized');
		expect(taken).toEqual([]);
	});

	it('does not end a manifest', async () => {
		const { transfer, taken, to } = await setUp({
			runsOut: (path) => path.includes('/manifests/'),
		});
		const push = {
			to: { ...to, digest: sha256(manifest) },
			mediaType: mediaTypes.ociManifest,
			isMissing: true,
			bytes: manifest,
		};
		expect(await all(transfer.pushManifests([push]))).toEqual([{ push, state: 'pushed' }]);
		expect(taken).toEqual([sha256(manifest)]);
	});

	it('does not end a tag', async () => {
		const { transfer, taken, to } = await setUp({ runsOut: (path) => path.endsWith('/v1') });
		const move = { ...to, tag: 'v1', digest: sha256(manifest), expect: 'absent' as const };
		expect(await all(transfer.moveTags([move]))).toEqual([{ move, state: 'moved' }]);
		expect(taken).toEqual([sha256(manifest)]);
	});
});
