import { gzipSync } from 'node:zlib';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../../proxy/store/store.ts';
import { hasSkopeo, podman, podmanRuns, skopeo } from '../../support/skopeo.ts';
import { putImage, serveStore, temporaryFolder, temporaryStore, token } from './fixture.ts';
import {
	bytesOf,
	digestFor,
	image,
	indexOf,
	type Blob,
	type Format,
	type Image,
} from './images.ts';

const credentials = `x:${token}`;

/** A tar archive that unpacks to nothing. */
const emptyTar = new Uint8Array(1024);

function images(format: Format): Image[] {
	const diffId = digestFor(emptyTar);
	const layer = format === 'docker' ? new Uint8Array(gzipSync(emptyTar)) : emptyTar;
	return ['amd64', 's390x'].map((name) => image(name, { format, layer, diffId }));
}

/** An OCI image layout with one tag, as other tools keep them. */
async function layoutFolder(index: Blob, parts: readonly Image[]): Promise<string> {
	const folder = await temporaryFolder();
	const blobs = join(folder, 'blobs', 'sha256');
	await mkdir(blobs, { recursive: true });
	const all = [index, ...parts.flatMap(({ config, layer, manifest }) => [config, layer, manifest])];
	for (const { digest, bytes } of all) await writeFile(join(blobs, digest.slice(7)), bytes);
	await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
	const entry = {
		mediaType: index.mediaType,
		digest: index.digest,
		size: index.bytes.length,
		annotations: { 'org.opencontainers.image.ref.name': 'v1' },
	};
	await writeFile(
		join(folder, 'index.json'),
		JSON.stringify({ schemaVersion: 2, manifests: [entry] }),
	);
	return folder;
}

async function served(): Promise<{ store: Store; host: string; home: string }> {
	const store = await temporaryStore();
	const home = await temporaryFolder();
	await writeFile(join(home, 'auth.json'), '{}');
	return { store, host: await serveStore(store), home };
}

describe.skipIf(!hasSkopeo)('skopeo (skipped where it is not installed)', () => {
	it('pushes a multi-architecture OCI image, and pulls the same bytes', async () => {
		const { store, host, home } = await served();
		const parts = images('oci');
		const index = indexOf(parts);
		const source = await layoutFolder(index, parts);
		const remote = `docker://${host}/acme/app:v1`;
		const push = ['--dest-tls-verify=false', `--dest-creds=${credentials}`];
		await skopeo(home, 'copy', '--all', '--preserve-digests', ...push, `oci:${source}:v1`, remote);
		const raw = await skopeo(home, 'inspect', '--raw', '--tls-verify=false', remote);
		expect(raw).toEqual(index.bytes);
		const pulled = await temporaryFolder();
		await skopeo(
			home,
			...['copy', '--all', '--preserve-digests', '--src-tls-verify=false'],
			...[remote, `oci:${pulled}:v1`],
		);
		const again = await skopeo(home, 'inspect', '--raw', `oci:${pulled}:v1`);
		expect(again).toEqual(index.bytes);
		const onDisk = join(store.root, 'acme', 'app');
		const read = await skopeo(home, 'inspect', '--raw', `oci:${onDisk}:v1`);
		expect(read).toEqual(index.bytes);
	});

	it('pushes a Docker manifest list with schema 2 images unchanged', async () => {
		const { store, host, home } = await served();
		const parts = images('docker');
		const index = indexOf(parts, { format: 'docker' });
		for (const part of parts) await putImage(store, 'source', part);
		await store.repository('source').putManifest(index.bytes, { tag: 'v1' });
		const remote = `docker://${host}/target:v1`;
		await skopeo(
			home,
			...['copy', '--all', '--preserve-digests', '--src-tls-verify=false'],
			...['--dest-tls-verify=false', `--dest-creds=${credentials}`],
			...[`docker://${host}/source:v1`, remote],
		);
		const raw = await skopeo(home, 'inspect', '--raw', '--tls-verify=false', remote);
		expect(raw).toEqual(index.bytes);
		for (const { manifest } of parts) {
			const child = `docker://${host}/target@${manifest.digest}`;
			const bytes = await skopeo(home, 'inspect', '--raw', '--tls-verify=false', child);
			expect(bytes).toEqual(manifest.bytes);
		}
	});

	it('reads a layout of the store as a folder, config and all', async () => {
		const { store, home } = await served();
		const [amd64] = images('oci');
		await putImage(store, 'demo/release', amd64!);
		await store.repository('demo/release').putManifest(amd64!.manifest.bytes, { tag: '1.0' });
		const output = await skopeo(home, 'inspect', `oci:${store.root}/demo/release:1.0`);
		const inspected = JSON.parse(new TextDecoder().decode(output)) as Record<string, unknown>;
		expect(inspected).toMatchObject({
			Digest: amd64!.manifest.digest,
			Architecture: 'amd64',
			Layers: [amd64!.layer.digest],
		});
	});

	it('lists tags and deletes an image', async () => {
		const { store, host, home } = await served();
		const [amd64] = images('oci');
		await putImage(store, 'demo', amd64!);
		await store.repository('demo').putManifest(amd64!.manifest.bytes, { tag: 'v1' });
		const tags = await skopeo(home, 'list-tags', '--tls-verify=false', `docker://${host}/demo`);
		expect(JSON.parse(new TextDecoder().decode(tags))).toMatchObject({ Tags: ['v1'] });
		const options = ['--tls-verify=false', `--creds=${credentials}`];
		await skopeo(home, 'delete', ...options, `docker://${host}/demo:v1`);
		expect(await store.repository('demo').tags()).toEqual([]);
	});

	it.each([[[]], [['--dest-creds=x:wrong']]])(
		'cannot push with %j instead of the token',
		async (login) => {
			const { store, host, home } = await served();
			const parts = images('oci');
			const source = await layoutFolder(indexOf(parts), parts);
			const push = skopeo(
				home,
				...['copy', '--all', '--dest-tls-verify=false', ...login],
				...[`oci:${source}:v1`, `docker://${host}/acme/app:v1`],
			);
			await expect(push).rejects.toThrow(/unauthorized|authentication required|token/i);
			expect(await store.repositories()).toEqual([]);
		},
	);

	it('cannot pull what is damaged', async () => {
		const { store, host, home } = await served();
		const [amd64] = images('oci');
		await putImage(store, 'demo', amd64!);
		await store.repository('demo').putManifest(amd64!.manifest.bytes, { tag: 'v1' });
		const blobs = join(store.root, 'demo', 'blobs', 'sha256');
		await writeFile(join(blobs, amd64!.layer.digest.slice(7)), bytesOf('damaged'));
		const target = await temporaryFolder();
		const pull = skopeo(
			home,
			...['copy', '--src-tls-verify=false', `docker://${host}/demo:v1`, `oci:${target}:v1`],
		);
		await expect(pull).rejects.toThrow(/digest|size/i);
	});
});

describe.skipIf(!(await podmanRuns()))('podman (skipped where it does not run as root)', () => {
	it('pulls an image, and pushes it under another name', async () => {
		const { store, host, home } = await served();
		const layer = new Uint8Array(gzipSync(emptyTar));
		const amd64 = image('amd64', { format: 'docker', layer, diffId: digestFor(emptyTar) });
		await putImage(store, 'demo', amd64);
		await store.repository('demo').putManifest(amd64.manifest.bytes, { tag: 'v1' });
		await podman(home, 'pull', '--tls-verify=false', '--arch=amd64', `${host}/demo:v1`);
		const push = ['--tls-verify=false', `--creds=${credentials}`];
		await podman(home, 'push', ...push, `${host}/demo:v1`, `docker://${host}/pushed:v2`);
		expect(await store.repository('pushed').tags()).toEqual(['v2']);
		const config = await store.repository('pushed').blobSize(amd64.config.digest);
		expect(config).toBe(amd64.config.bytes.length);
	}, 60_000);
});
