import { createHash, randomBytes } from 'node:crypto';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { authorization, temporaryFolder, token } from './fixture.ts';

const MiB = 1024 * 1024;
const sizeMiB = 512;
const block = randomBytes(MiB);

function* blocks() {
	for (let number = 0; number < sizeMiB; number++) yield block;
}

it('takes and gives 512 MiB without holding them in memory', async () => {
	const script = fileURLToPath(new URL('serve-process.ts', import.meta.url));
	const root = await temporaryFolder();
	const server = fork(script, [root, token], { execArgv: ['--import', 'tsx'] });
	onTestFinished(() => {
		server.disconnect();
	});
	const [{ port }] = (await once(server, 'message')) as [{ port: number }];
	const hash = createHash('sha256');
	for (const bytes of blocks()) hash.update(bytes);
	const digest = `sha256:${hash.digest('hex')}`;
	const origin = `http://127.0.0.1:${port}/v2/demo/blobs/`;
	const upload = await request(`${origin}uploads/?digest=${digest}`, {
		method: 'POST',
		headers: { authorization, 'content-length': `${sizeMiB * MiB}` },
		body: Readable.from(blocks(), { objectMode: false }),
	});
	expect(upload.statusCode).toBe(201);
	await upload.body.dump();
	const download = await request(`${origin}${digest}`);
	const read = createHash('sha256');
	for await (const chunk of download.body) read.update(chunk as Uint8Array);
	expect(`sha256:${read.digest('hex')}`).toBe(digest);
	server.send('peak');
	const [{ peakKiB }] = (await once(server, 'message')) as [{ peakKiB: number }];
	expect(peakKiB / 1024).toBeLessThan(200);
}, 120_000);
