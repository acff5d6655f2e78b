import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isDigest } from '../../../shared/oci/digest.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import {
	hasDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../../support/docker-registry.ts';
import { inParallel, jsonBytes, Pusher, type Pushed } from '../../support/push.ts';
import { all, readerWith, readOne, refer, stopAll } from './scripted-server.ts';

const imageType = 'application/vnd.oci.image.manifest.v1+json';
const absent = `sha256:${'e'.repeat(64)}`;
if (!isDigest(absent)) throw new Error('not a digest');

async function pushImage(
	pusher: Pusher,
	number: number,
): Promise<{ image: Pushed; config: Pushed }> {
	const content = { architecture: 'amd64', os: 'linux', number };
	const config = await pusher.pushBlob(
		'a/b',
		jsonBytes(content),
		'application/vnd.oci.image.config.v1+json',
	);
	const { mediaType, digest, size } = config;
	const manifest = {
		schemaVersion: 2,
		mediaType: imageType,
		config: { mediaType, digest, size },
		layers: [],
	};
	const image = await pusher.pushManifest('a/b', jsonBytes(manifest), imageType, `t${number}`);
	return { image, config };
}

describe.skipIf(!hasDockerRegistry)('reading from docker-registry', () => {
	let registry: DockerRegistry;
	let images: { image: Pushed; config: Pushed }[];
	let layer: Pushed;
	const layerBytes = Buffer.alloc(3_000_000, 'layer');

	beforeAll(async () => {
		registry = await startDockerRegistry();
		const pusher = new Pusher(registry.host);
		images = await inParallel([...Array(150).keys()], 16, (number) => pushImage(pusher, number));
		layer = await pusher.pushBlob('a/b', layerBytes);
		await pusher.close();
	}, 60_000);
	afterEach(stopAll);
	afterAll(() => registry.stop());

	it('reads manifests by digest and configs, each held against its digest', async () => {
		const reader = readerWith();
		const manifests = await all(
			reader.readManifests(
				images.map(({ image }) => ({ reference: refer(registry.host, image.digest) })),
			),
		);
		const configs = await all(
			reader.readConfigs(
				images.map(({ config }) => ({ reference: refer(registry.host, config.digest) })),
			),
		);
		for (const result of [...manifests, ...configs]) {
			const bytes = result.ok ? result.document.bytes : Buffer.alloc(0);
			const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
			expect(digest).toBe(result.request.reference.digest);
		}
		expect([manifests.length, configs.length]).toEqual([150, 150]);
	});

	it('reads a manifest by tag and says which digest and media type it has', async () => {
		const reference = { registry: registry.host, repository: 'a/b', tag: 't7' };
		const [result] = await all(readerWith().readManifests([{ reference }]));
		expect(result?.ok && result.document).toMatchObject({
			digest: images[7]?.image.digest,
			mediaType: imageType,
		});
	});

	it.each([
		['a tag that is not there', { tag: 'nope' }, 'a/b', 'manifest-unknown'],
		['a digest that is not there', { digest: absent }, 'a/b', 'manifest-unknown'],
		['a repository that is not there', { tag: 't1' }, 'no/such', 'repository-unknown'],
	])('says so for %s', async (_name, name, repository, code) => {
		const reference = { registry: registry.host, repository, ...name };
		const [result] = await all(readerWith().readManifests([{ reference }]));
		// docker-registry 2.8 answers MANIFEST_UNKNOWN for unknown repositories too.
		const codes = code === 'repository-unknown' ? [code, 'manifest-unknown'] : [code];
		expect(codes).toContain(result?.ok === false && result.problem.code);
	});

	it('tells what exists from what does not', async () => {
		const image = refer(registry.host, images[0]!.image.digest);
		const results = await all(
			readerWith().exists([
				{ reference: image, kind: 'manifest' },
				{ reference: refer(registry.host, absent), kind: 'manifest' },
				{ reference: refer(registry.host, layer.digest), kind: 'blob' },
				{ reference: refer(registry.host, absent), kind: 'blob' },
			]),
		);
		const found = results.filter((result) => result.ok && result.present);
		expect(results.every(({ ok }) => ok)).toBe(true);
		expect(found.map(({ request }) => request.reference.digest).sort()).toEqual(
			[image.digest, layer.digest].sort(),
		);
	});

	it('streams a blob and says how large it is', async () => {
		const blob = await readerWith().readBlob({ reference: refer(registry.host, layer.digest) });
		const bytes = Buffer.concat(await all(blob.chunks));
		expect([blob.sizeBytes, bytes.equals(layerBytes)]).toEqual([layerBytes.length, true]);
	});

	it('throws a problem for a blob that is not there', async () => {
		const reading = readerWith().readBlob({ reference: refer(registry.host, absent) });
		expect(problemOf(await reading.catch((error: unknown) => error)).code).toBe('blob-unknown');
	});

	it('lists tags and repositories', async () => {
		const reader = readerWith();
		const tags = await all(reader.tags({ registry: registry.host, repository: 'a/b' }));
		expect([tags.length, tags.includes('t42')]).toEqual([150, true]);
		expect(await all(reader.repositories(registry.host))).toEqual(['a/b']);
	});

	it('finds no referrers where the registry has no such API and no tag in its place', async () => {
		const subject = refer(registry.host, images[0]!.image.digest);
		expect(await all(readerWith().referrers(subject))).toEqual([]);
	});

	it('reads the referrers kept under a tag', async () => {
		const subject = refer(registry.host, images[0]!.image.digest);
		const { digest, size } = images[1]!.image;
		const manifests = [
			{ mediaType: imageType, digest, size, artifactType: 'application/spdx+json' },
		];
		const mediaType = 'application/vnd.oci.image.index.v1+json';
		const pusher = new Pusher(registry.host);
		const index = jsonBytes({ schemaVersion: 2, mediaType, manifests });
		await pusher.pushManifest('a/b', index, mediaType, subject.digest.replace(':', '-'));
		await pusher.close();
		expect(await all(readerWith().referrers(subject))).toEqual(manifests);
	});
});

describe.skipIf(!hasDockerRegistry)('a docker-registry with passwords', () => {
	// “tester” with the password “pass:word”, as htpasswd -B prints it.
	const line = 'tester:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki';
	let folder: string;
	let registry: DockerRegistry;

	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), 'espalier-htpasswd-'));
		await writeFile(path.join(folder, 'htpasswd'), `${line}\n`);
		registry = await startDockerRegistry({
			auth: { htpasswd: { realm: 'test', path: path.join(folder, 'htpasswd') } },
		});
	}, 30_000);
	afterEach(stopAll);
	afterAll(async () => {
		await registry.stop();
		await rm(folder, { recursive: true, force: true });
	});

	function credentialsFor(password: string): HostCredentials {
		const auth = Buffer.from(`tester:${password}`).toString('base64');
		const variables = {
			DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }),
		};
		return new HostCredentials({
			host: { variables, homeDirectory: folder, platform: 'linux', uid: 0 },
		});
	}

	it('wants a login where there is none', async () => {
		expect(await readOne(readerWith(), registry.host)).toMatchObject({
			code: 'unauthorized',
			status: 401,
		});
	});

	it('reads with the login from an auth file', async () => {
		const authorization = `Basic ${Buffer.from('tester:pass:word').toString('base64')}`;
		const pusher = new Pusher(registry.host, { authorization });
		await pushImage(pusher, 0);
		await pusher.close();
		const reader = readerWith({ credentials: credentialsFor('pass:word') });
		expect(await all(reader.tags({ registry: registry.host, repository: 'a/b' }))).toEqual(['t0']);
	});

	it('says which login was not taken, without the password', async () => {
		const result = await readOne(
			readerWith({ credentials: credentialsFor('wr0ng!') }),
			registry.host,
		);
		expect(result).toMatchObject({ code: 'unauthorized' });
		expect(JSON.stringify(result)).toContain('DOCKER_AUTH_CONFIG');
		expect(JSON.stringify(result)).not.toContain('wr0ng');
	});
});
