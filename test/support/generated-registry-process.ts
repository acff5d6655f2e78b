/**
 * A registry without a disk, in a process of its own: gives blobs that it generates, hashes those that it is given and
 * keeps nothing, and lists many tags in pages. Tells its port.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { generatedBlock, MiB } from './generated-blob.ts';

/** The digests that have arrived whole. */
const arrived = new Set<string>();

/** `/v2/generated/SIZE_IN_MIB/blobs/DIGEST` */
const generated = /^\/v2\/generated\/(\d+)\/blobs\/sha256:[0-9a-f]{64}$/;
/** `/v2/tags/COUNT/tags/list` */
const listing = /^\/v2\/tags\/(\d+)\/tags\/list$/;
const blob = /^\/v2\/.+\/blobs\/(sha256:[0-9a-f]{64})$/;
const upload = /^\/v2\/.+\/blobs\/uploads\/$/;

function* blocks(sizeMiB: number): Generator<Uint8Array> {
	for (let number = 0; number < sizeMiB; number += 1) yield generatedBlock;
}

async function giveGenerated(
	sizeMiB: number,
	{ method }: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	response.writeHead(200, { 'content-length': sizeMiB * MiB });
	if (method === 'HEAD') response.end();
	else await pipeline(Readable.from(blocks(sizeMiB), { objectMode: false }), response);
}

function listTags(count: number, query: URLSearchParams, response: ServerResponse): void {
	const all = Array.from({ length: count }, (_, number) => `v1.${String(number).padStart(6, '0')}`);
	const n = Math.min(Number(query.get('n') ?? 1000), 1000);
	const start = all.findIndex((tag) => tag > (query.get('last') ?? ''));
	const tags = start < 0 ? [] : all.slice(start, start + n);
	const isLast = start < 0 || start + n >= count;
	const next = `</v2/tags/${count}/tags/list?n=${n}&last=${tags.at(-1)}>; rel="next"`;
	response.writeHead(200, { 'content-type': 'application/json', ...(!isLast && { link: next }) });
	response.end(JSON.stringify({ name: `tags/${count}`, tags }));
}

async function take(request: IncomingMessage, digest: string, response: ServerResponse) {
	const hash = createHash('sha256');
	for await (const chunk of request) hash.update(chunk as Buffer);
	const isWhole = `sha256:${hash.digest('hex')}` === digest;
	if (isWhole) arrived.add(digest);
	response.writeHead(isWhole ? 201 : 400, { 'content-length': 0 });
	response.end();
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
	const { pathname, searchParams } = new URL(request.url ?? '/', 'http://registry.invalid');
	const sizeMiB = generated.exec(pathname)?.[1];
	const tags = listing.exec(pathname)?.[1];
	const digest = blob.exec(pathname)?.[1];
	if (sizeMiB !== undefined) await giveGenerated(Number(sizeMiB), request, response);
	else if (tags !== undefined) listTags(Number(tags), searchParams, response);
	else if (request.method === 'PUT') {
		await take(request, searchParams.get('digest') ?? '', response);
	} else if (request.method === 'POST' && upload.test(pathname)) {
		response.writeHead(202, { location: `${pathname}an-upload`, 'content-length': 0 }).end();
	} else {
		const isThere = pathname === '/v2/' || (digest !== undefined && arrived.has(digest));
		response.writeHead(isThere ? 200 : 404, { 'content-length': 0 }).end();
	}
}

const server = createServer((request, response) => {
	answer(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => {
	const address = server.address();
	if (typeof address === 'object') process.send?.({ port: address?.port });
});
process.on('disconnect', () => process.exit(0));
