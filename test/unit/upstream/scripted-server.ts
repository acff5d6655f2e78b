/** A registry that says what a test tells it to say, and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Digest } from '../../../shared/oci/digest.ts';
import type { DigestReference } from '../../../shared/oci/reference.ts';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { DirectReader, type DirectReaderOptions } from '../../../proxy/upstream/direct-reader.ts';
import type { Pace } from '../../../proxy/upstream/retry.ts';
import { jsonBytes, sha256 } from '../../support/push.ts';

export type Script = (request: IncomingMessage, response: ServerResponse) => void;

export interface ScriptedServer {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	readonly port: number;
	/** method, path and Authorization of every request, in order */
	readonly requests: { method: string; path: string; authorization: string | undefined }[];
	stop(): Promise<void>;
}

const running = new Set<ScriptedServer>();
const readers = new Set<DirectReader>();

export async function startScripted(
	script: Script,
	tls?: { key: string; cert: string },
): Promise<ScriptedServer> {
	const requests: ScriptedServer['requests'] = [];
	const listener: Script = (request, response) => {
		const { authorization } = request.headers;
		requests.push({ method: request.method ?? '', path: request.url ?? '', authorization });
		script(request, response);
	};
	const server = tls ? createTlsServer(tls, listener) : createServer(listener);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	const port = typeof address === 'object' && address ? address.port : 0;
	const scripted: ScriptedServer = {
		host: `127.0.0.1:${port}`,
		port,
		requests,
		stop: () =>
			new Promise((resolve) => {
				running.delete(scripted);
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
	running.add(scripted);
	return scripted;
}

/** Ends what a test started. */
export async function stopAll(): Promise<void> {
	await Promise.all([...readers].map((reader) => reader.close()));
	readers.clear();
	await Promise.all([...running].map((server) => server.stop()));
}

/** A clock that only waiting moves on; `waits` holds what was waited for, in milliseconds. */
export function fakePace(now = 1_700_000_000_000): Pace & { waits: number[]; now: number } {
	const pace = {
		now,
		waits: [] as number[],
		clock: () => pace.now,
		wait: (ms: number) => {
			pace.waits.push(ms);
			pace.now += ms;
			return Promise.resolve();
		},
		random: () => 0.5,
	};
	return pace;
}

export function readerWith(options: Partial<DirectReaderOptions> = {}): DirectReader {
	const reader = DirectReader.open({
		plainHttp: [],
		authorities: new Map(),
		trustedRealms: [],
		credentials: noCredentials,
		pace: fakePace(),
		...options,
	});
	readers.add(reader);
	return reader;
}

/** Small manifest with a digest of its own for every number. */
export function manifestBytes(number = 0): Uint8Array {
	return jsonBytes({
		schemaVersion: 2,
		mediaType: 'application/vnd.oci.image.manifest.v1+json',
		config: {
			mediaType: 'application/vnd.oci.empty.v1+json',
			digest: `sha256:${'0'.repeat(64)}`,
			size: 2,
		},
		layers: [],
		annotations: { number: String(number) },
	});
}

export function sendManifest(response: ServerResponse, bytes: Uint8Array = manifestBytes()): void {
	response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
	response.end(bytes);
}

export function refer(
	registry: string,
	digest: Digest = sha256(manifestBytes()),
	repository = 'a/b',
): DigestReference {
	return { registry, repository, digest };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const list: T[] = [];
	for await (const item of items) list.push(item);
	return list;
}

/** Reads one manifest: its text, or the problem. */
export async function readOne(
	reader: DirectReader,
	registry: string,
	options: { digest?: Digest; namedBy?: string; repository?: string } = {},
): Promise<{ text: string } | { code: string; reason: string; origin: string; status?: number }> {
	const reference = refer(registry, options.digest, options.repository);
	const request = { reference, ...(options.namedBy && { namedBy: options.namedBy }) };
	const [result] = await all(reader.readManifests([request]));
	if (!result) throw new Error('no result');
	if (result.ok) return { text: new TextDecoder().decode(result.document.bytes) };
	const { code, reason, origin, status } = result.problem;
	return { code, reason, origin, ...(status !== undefined && { status }) };
}
