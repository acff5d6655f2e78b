/** Clients that write images to a served store, and remember what they were promised. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect } from 'vitest';
import { oneOf, seededBytes, wholeNumber, type Random } from '../../support/seeded.ts';
import { authorization } from './fixture.ts';
import { image, indexOf, type Blob, type Image } from './images.ts';

export interface Write {
	readonly repository: string;
	readonly tag: string;
	readonly image: Image;
	/** what the tag is set to: the image's manifest, or an index of it */
	readonly tagged: Blob;
	readonly upload: 'POST' | 'PUT' | 'PATCH';
}

/** Writes of one client, one after the other. All of them set tags of their own, and a common one that moves. */
export interface Client {
	readonly repository: string;
	readonly writes: readonly Write[];
}

const moving = 'latest';
const mostLayerBytes = 100_000;

export function plannedClients(
	random: Random,
	names: readonly string[],
	{ prefix, writes }: { readonly prefix: string; readonly writes: number },
): Client[] {
	return names.map((repository, client) => ({
		repository,
		writes: Array.from({ length: writes }, (_, number): Write => {
			const layer = seededBytes(random, wholeNumber(random, 1, mostLayerBytes));
			const made = image('amd64', { layer });
			const tagged = random() < 0.3 ? indexOf([made]) : made.manifest;
			const upload = oneOf<Write['upload']>(random, ['POST', 'PUT', 'PATCH']);
			return { repository, tag: `${prefix}-${client}-${number}`, image: made, tagged, upload };
		}),
	}));
}

/** What one client may rely on. */
interface Promised {
	readonly client: Client;
	/** how many of its writes were answered with 201 */
	done: number;
	/** true while, or after, an unfinished write may have moved the moving tag */
	isMoving: boolean;
}

export class Promises {
	readonly #kept: Promised[] = [];

	/** Gives up silently where the server goes away. */
	async write(origin: string, clients: readonly Client[]): Promise<void> {
		const agent = new Agent();
		const work = clients.map(async (client) => {
			const promised = { client, done: 0, isMoving: false };
			this.#kept.push(promised);
			await this.#goOn(origin, promised, agent).catch((error: unknown) => {
				if (!isConnectionLoss(error)) throw error;
			});
		});
		await Promise.all(work).finally(() => agent.destroy());
	}

	/** The same unfinished writes once more; gives how many there were. */
	async finish(origin: string): Promise<number> {
		const unfinished = this.#kept.filter(({ client, done }) => done < client.writes.length);
		const agent = new Agent();
		await Promise.all(unfinished.map((promised) => this.#goOn(origin, promised, agent))).finally(
			() => agent.destroy(),
		);
		return unfinished.length;
	}

	/**
	 * Every tag that was promised is there, and what can be seen can be read: all of it, or where `prefix` is
	 * given what tags that begin so lead to.
	 */
	async expectKept(origin: string, root: string, prefix = ''): Promise<void> {
		const names = new Set(this.#kept.map(({ client }) => client.repository));
		for (const name of names) {
			await expectSoundFiles(root, name);
			await expectReadable(`${origin}/v2/${name}`, this.#expected(name), prefix);
		}
	}

	#expected(name: string): ReadonlyMap<string, readonly string[]> {
		const expected = new Map<string, readonly string[]>();
		for (const { client, done } of this.#kept) {
			if (client.repository !== name) continue;
			for (const { tag, tagged } of client.writes.slice(0, done)) {
				expected.set(tag, [tagged.digest]);
			}
		}
		// Several clients move it, so which of them was last cannot be told here.
		const all = this.#kept.filter(({ client }) => client.repository === name);
		const movers = all.flatMap(({ client }) => client.writes.map(({ tagged }) => tagged.digest));
		if (all.some(({ done }) => done > 0)) expected.set(moving, movers);
		return expected;
	}

	async #goOn(origin: string, promised: Promised, agent: Agent): Promise<void> {
		for (const write of promised.client.writes.slice(promised.done)) {
			await push(origin, write, agent);
			promised.done += 1;
		}
	}
}

function isConnectionLoss(error: unknown): boolean {
	const code = error instanceof Error && 'code' in error ? error.code : undefined;
	return typeof code === 'string' && /^(?:UND_ERR_SOCKET|ECONN|EPIPE)/.test(code);
}

async function send(
	agent: Agent,
	url: string,
	options: {
		readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
		readonly status: number;
		readonly bytes?: Uint8Array;
		readonly mediaType?: string;
	},
) {
	const { method, status, bytes, mediaType = 'application/octet-stream' } = options;
	const { statusCode, headers, body } = await request(url, {
		dispatcher: agent,
		method,
		headers: { authorization, ...(bytes && { 'content-type': mediaType }) },
		body: bytes ?? null,
	});
	const answer = new Uint8Array(await body.arrayBuffer());
	expect([method, url, statusCode, Buffer.from(answer.slice(0, 500)).toString('latin1')]).toEqual([
		method,
		url,
		status,
		expect.any(String),
	]);
	return { answer, location: String(headers['location']) };
}

async function pushBlob(
	origin: string,
	{ repository, upload }: Write,
	{ bytes, digest }: Pick<Blob, 'bytes' | 'digest'>,
	agent: Agent,
): Promise<void> {
	const start = `${origin}/v2/${repository}/blobs/uploads/`;
	if (upload === 'POST') {
		await send(agent, `${start}?digest=${digest}`, { method: 'POST', status: 201, bytes });
		return;
	}
	const { location } = await send(agent, start, { method: 'POST', status: 202 });
	const half = upload === 'PATCH' ? Math.ceil(bytes.length / 2) : 0;
	if (half > 0) {
		const first = bytes.subarray(0, half);
		await send(agent, origin + location, { method: 'PATCH', status: 202, bytes: first });
	}
	const rest = bytes.subarray(half);
	const finish = `${origin}${location}?digest=${digest}`;
	await send(agent, finish, { method: 'PUT', status: 201, bytes: rest });
}

async function push(origin: string, write: Write, agent: Agent): Promise<void> {
	const { config, layer, manifest } = write.image;
	await Promise.all([config, layer].map((each) => pushBlob(origin, write, each, agent)));
	const put = ({ bytes, mediaType }: Blob, reference: string) =>
		send(agent, `${origin}/v2/${write.repository}/manifests/${reference}`, {
			method: 'PUT',
			status: 201,
			bytes,
			mediaType,
		});
	if (write.tagged !== manifest) await put(manifest, manifest.digest);
	await put(write.tagged, write.tag);
	await put(write.tagged, moving);
}

function digestOfBytes(bytes: Uint8Array): string {
	return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function expectSoundFiles(root: string, name: string): Promise<void> {
	const folder = join(root, name);
	const index = await readFile(join(folder, 'index.json'), 'utf8').catch(() => undefined);
	if (index !== undefined) expect(JSON.parse(index)).toMatchObject({ schemaVersion: 2 });
	const files = await readdir(join(folder, 'blobs', 'sha256')).catch(() => []);
	for (const file of files) {
		const bytes = await readFile(join(folder, 'blobs', 'sha256', file));
		expect(digestOfBytes(bytes)).toBe(`sha256:${file}`);
	}
}

async function expectReadable(
	base: string,
	expected: ReadonlyMap<string, readonly string[]>,
	prefix: string,
): Promise<void> {
	const agent = new Agent({ connections: 8 });
	const get = async (path: string) =>
		(await send(agent, `${base}/${path}`, { method: 'GET', status: 200 })).answer;
	const readManifest = async (reference: string): Promise<string> => {
		const bytes = await get(`manifests/${reference}`);
		const {
			manifests = [],
			config,
			layers = [],
		} = JSON.parse(new TextDecoder().decode(bytes)) as Partial<
			Record<'manifests' | 'layers', { digest: string }[]>
		> & { config?: { digest: string } };
		for (const { digest } of manifests) expect(await readManifest(digest)).toBe(digest);
		for (const { digest } of config ? [config, ...layers] : []) {
			expect(digestOfBytes(await get(`blobs/${digest}`))).toBe(digest);
		}
		return digestOfBytes(bytes);
	};
	try {
		const list = await request(`${base}/tags/list`, { dispatcher: agent });
		const { tags = [] } = (await list.body.json()) as { tags?: string[] };
		if (expected.size > 0) expect(tags).toEqual(expect.arrayContaining([...expected.keys()]));
		for (const tag of tags.filter((each) => each.startsWith(prefix) || each === moving)) {
			const digest = await readManifest(tag);
			const allowed = expected.get(tag);
			if (allowed) expect(allowed).toContain(digest);
		}
	} finally {
		await agent.destroy();
	}
}
