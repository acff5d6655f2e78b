/** A reader and a writer that answer as a test says, and an app around them. */
import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { createApp, type AppOptions } from '../../../proxy/app.ts';
import { localServing } from '../../../proxy/guard/serving.ts';
import type { Caller } from '../../../proxy/routes/caller.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { digestOf, type Digest } from '../../../shared/oci/digest.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import type { RegistryReader, RegistryWriter } from '../../../shared/registry/registries.ts';

export const token = 'T'.repeat(43);
export const port = 4763;

export function digestOfBytes(bytes: Uint8Array): Digest {
	return digestOf('sha256', createHash('sha256').update(bytes).digest());
}

function notAsked(): never {
	throw new ProblemError({
		code: 'internal',
		origin: 'proxy',
		reason: 'The test expects no call.',
	});
}

export function fakeReader(methods: Partial<RegistryReader> = {}): RegistryReader {
	return {
		readManifests: notAsked,
		readConfigs: notAsked,
		exists: notAsked,
		readBlob: notAsked,
		tags: notAsked,
		referrers: notAsked,
		repositories: notAsked,
		...methods,
	};
}

export function fakeWriter(methods: Partial<RegistryWriter> = {}): RegistryWriter {
	return {
		copyBlobs: notAsked,
		putBlobs: notAsked,
		pushManifests: notAsked,
		moveTags: notAsked,
		...methods,
	};
}

const fakeStore = new Hono();
fakeStore.get('*', (c) => (c.req.path === '/v2/' ? c.json({}) : c.notFound()));

export interface FakeAppOptions extends Partial<AppOptions & Caller> {
	readonly port?: number;
}

/** The options of an app whose callers are all the same one; a local one where nothing else is said. */
export function appOptions({
	port: listenedOn = port,
	reader = fakeReader(),
	writer = fakeWriter(),
	describeRegistry = ({ registry }) =>
		Promise.resolve({ registry, transport: 'https', credential: { registry, kind: 'none' } }),
	...options
}: FakeAppOptions = {}): AppOptions {
	return {
		serving: localServing({ port: listenedOn, token }),
		version: '1.2.3',
		callerWith: () => ({ reader, writer, describeRegistry }),
		pages: new Map(),
		store: fakeStore,
		...options,
	};
}

/** An app, and requests to it as the page would send them; headers of `undefined` are left out. */
export function fakeApp(options: FakeAppOptions = {}) {
	const app = createApp(appOptions(options));
	const send = (
		path: string,
		init: Omit<RequestInit, 'headers'> & {
			headers?: Readonly<Record<string, string | undefined>>;
		} = {},
	) => {
		const headers = new Headers();
		const all: Readonly<Record<string, string | undefined>> = {
			host: `localhost:${port}`,
			[tokenHeader]: token,
			...init.headers,
		};
		for (const [name, value] of Object.entries(all)) {
			if (value !== undefined) headers.set(name, value);
		}
		return Promise.resolve(app.request(path, { ...init, headers }));
	};
	const post = (path: string, body: unknown, init: RequestInit = {}) =>
		send(path, {
			...init,
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: typeof body === 'string' ? body : JSON.stringify(body),
		});
	return { app, send, post };
}

export async function problemIn(response: Response): Promise<string> {
	const body = (await response.json()) as { problem: { code: string } };
	return body.problem.code;
}

export async function linesOf(response: Response): Promise<unknown[]> {
	const text = await response.text();
	return text
		.split('\n')
		.slice(0, -1)
		.map((line): unknown => JSON.parse(line));
}
