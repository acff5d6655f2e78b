/** Temporary stores and clients for the tests of the embedded registry. */
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { onTestFinished } from 'vitest';
import { createStoreRoutes, type StoreRoutesOptions } from '../../../proxy/store/routes.ts';
import { Store, type StoreOptions } from '../../../proxy/store/store.ts';
import type { Image } from './images.ts';

export const token = 'a-token-of-256-bits';
export const authorization = `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`;

/** A folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
	const folder = await realpath(await mkdtemp(join(tmpdir(), 'espalier-store-')));
	onTestFinished(() => rm(folder, { recursive: true, force: true }));
	return folder;
}

export async function temporaryStore(options?: StoreOptions): Promise<Store> {
	return await Store.open(await temporaryFolder(), options);
}

export async function* inPieces(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function putImage(store: Store, name: string, { config, layer, manifest }: Image) {
	for (const { digest, bytes } of [config, layer]) {
		await store.putBlob(name, digest, inPieces(bytes, 1024));
	}
	return await store.repository(name).putManifest(manifest.bytes);
}

interface RawIndex {
	readonly manifests: readonly {
		digest: string;
		mediaType: string;
		annotations?: Record<string, string>;
	}[];
}

/** What `index.json` lists, as `tag@digest` or `@digest`. */
export async function listed(store: Store, name: string): Promise<string[]> {
	const text = await readFile(join(store.root, name, 'index.json'), 'utf8');
	const { manifests } = JSON.parse(text) as RawIndex;
	return manifests.map(
		({ digest, annotations }) =>
			`${annotations?.['org.opencontainers.image.ref.name'] ?? ''}@${digest}`,
	);
}

type RoutesOptions = Omit<StoreRoutesOptions, 'token'>;

export function mounted(store: Store, options: RoutesOptions = {}): Hono {
	const app = new Hono();
	app.route('/v2', createStoreRoutes(store, { token, ...options }));
	return app;
}

export type Client = (
	method: string,
	path: string,
	options?: { body?: Uint8Array | string; headers?: Record<string, string>; anonymous?: boolean },
) => Promise<Response>;

/** Talks to the routes without a socket, with the token. */
export function clientOf(store: Store): Client {
	const app = mounted(store);
	return async (method, path, { body, headers = {}, anonymous = false } = {}) =>
		await app.request(`http://127.0.0.1${path}`, {
			method,
			headers: { ...(!anonymous && { authorization }), ...headers },
			...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
		});
}

/** Serves the routes on a free loopback port until the test ends; gives `127.0.0.1:port`. */
export async function serveStore(store: Store, options: RoutesOptions = {}): Promise<string> {
	return await new Promise((resolve) => {
		const server = serve(
			{ fetch: mounted(store, options).fetch, port: 0, hostname: '127.0.0.1' },
			(address: AddressInfo) => resolve(`127.0.0.1:${address.port}`),
		);
		onTestFinished(async () => {
			await new Promise((closed) => server.close(closed));
		});
	});
}

export async function errorCodes(response: Response): Promise<string[]> {
	const { errors } = (await response.json()) as { errors: { code: string }[] };
	return errors.map(({ code }) => code);
}
