/** Plans and runs in this process with the real port; reads back what it wrote by plain requests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import { request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inflate } from '../../../proxy/server/inflate.ts';
import { openOwnRegistries, type OpenRegistries } from '../../../proxy/server/own-registries.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { gzip } from '../../../shared/archive/compress.ts';
import { manifestAccept } from '../../../shared/oci/media-type.ts';
import { formatRepository, parseReference } from '../../../shared/oci/reference.ts';
import { planPrune } from '../../../shared/plan/plan-prune.ts';
import { contentAt, repositoryAt, type Plan } from '../../../shared/plan/plan.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import type { CapabilityFact } from '../../../shared/registry/capabilities.ts';
import type { Registries } from '../../../shared/registry/registries.ts';
import { assessCoverage, type Coverage } from '../../../shared/release/coverage.ts';
import { readDraft } from '../../../shared/release/prune-draft.ts';
import { emptyDraft, type PruneMode } from '../../../shared/release/prune-fields.ts';
import type { PruneSelection } from '../../../shared/release/prune-selection.ts';
import {
	readWholeRelease,
	startReading,
	type ReleaseReading,
} from '../../../shared/release/read-release.ts';
import { hasDockerRegistry, skippedWithoutDockerRegistry } from '../../support/docker-registry.ts';
import { jsonBytes, Pusher, sha256, type Pushed } from '../../support/push.ts';
import { smallVersion, type SmallRelease } from '../../support/small-release.ts';

export const patienceMs = 60_000;

/** Says why where there is no docker-registry to publish to. */
export function describeWithRegistries(title: string, tests: () => void): void {
	describe(title, () => {
		if (hasDockerRegistry) tests();
		else it.skip(skippedWithoutDockerRegistry, () => undefined);
	});
}

/** A folder of this test alone. */
export async function temporaryFolder(): Promise<string> {
	const folder = await mkdtemp(join(tmpdir(), 'espalier-publishing-'));
	onTestFinished(() => rm(folder, { recursive: true, force: true }));
	return folder;
}

/** The port as the command has it, with the logins of the environment. @param store the embedded registry's folder */
export async function openRegistries(store?: string): Promise<OpenRegistries> {
	const registries = await openOwnRegistries(
		{ store, registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] } },
		store === undefined ? [] : ['store'],
	);
	onTestFinished(() => registries.close());
	return registries;
}

async function read(registries: Registries, reference: string): Promise<ReleaseReading> {
	const parsed = parseReference(reference);
	if (!parsed.ok) throw new Error(parsed.reason);
	const reading = startReading(parsed.reference, 'configs');
	await readWholeRelease({ registries, inflate }, reading);
	return reading;
}

export async function auditOf(registries: Registries, reference: string): Promise<Coverage> {
	return assessCoverage(await read(registries, reference));
}

/** How many cells there are of each status. */
export function countCells({ components }: Coverage): Readonly<Record<string, number>> {
	const counts: Record<string, number> = {};
	for (const { cells } of components) {
		for (const { status } of cells) counts[status] = (counts[status] ?? 0) + 1;
	}
	return counts;
}

export interface Goal {
	/** the registry that is written to */
	readonly host: string;
	readonly selection?: Partial<PruneSelection>;
	readonly tagTemplate?: string;
	/** true by default */
	readonly selfContained?: boolean;
	readonly version?: string;
	readonly rewriteVersion?: boolean;
	/** pruned by default */
	readonly mode?: PruneMode;
	/** what is known of the target */
	readonly facts?: readonly CapabilityFact[];
}

export const partsRepository = 'mirror/parts';
export const targetRepository = 'mirror/release';

/** Drops placeholders, where nothing else is said. */
export async function planFor(
	registries: Registries,
	reference: string,
	{ host, selection, facts, ...more }: Goal,
): Promise<Plan> {
	const draft = readDraft({
		...emptyDraft,
		selfContained: true,
		...more,
		selection: { ...emptyDraft.selection, preset: { kind: 'placeholders' }, ...selection },
		to: `${host}/${partsRepository}`,
		release: `${host}/${targetRepository}:${more.version ?? smallVersion}`,
	});
	if (!draft.ok) throw new Error(JSON.stringify(draft.issues));
	const tools = { registries, hash: hashBytes, gzip: async (bytes: Uint8Array) => gzip(bytes) };
	const reading = await read(registries, reference);
	return planPrune({ ...tools, inflate }, reading, draft.choices, { facts });
}

/** Runs it to its end, whichever that is. */
export async function carryOut(
	registries: Registries,
	plan: Plan,
	run = new Run(plan),
): Promise<Run> {
	for await (const _ of runPlan(registries, run));
	return run;
}

/** How many items of a kind ended in which state. */
export function statesOf(
	{ items }: Run,
	...kinds: readonly string[]
): Readonly<Record<string, number>> {
	const counts: Record<string, number> = {};
	for (const { step, state } of items) {
		if (kinds.includes(step.kind)) counts[state] = (counts[state] ?? 0) + 1;
	}
	return counts;
}

export interface Answer {
	readonly status: number;
	readonly mediaType: string;
	readonly bytes: Buffer;
	/** of the bytes themselves */
	readonly digest: string;
}

async function get(url: string, accept: string): Promise<Answer> {
	const { statusCode, headers, body } = await request(url, { headers: { accept } });
	const bytes = Buffer.from(await body.arrayBuffer());
	const mediaType = String(headers['content-type']).split(';')[0] ?? '';
	return { status: statusCode, mediaType, bytes, digest: sha256(bytes) };
}

/** @param name `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@DIGEST`, of a registry without TLS */
export function getManifest(name: string): Promise<Answer> {
	const [, host = '', repository = '', reference = ''] =
		/^([^/]+)\/([^@]+?)[:@]((?:sha256:)?[^:]+)$/.exec(name) ?? [];
	return get(`http://${host}/v2/${repository}/manifests/${reference}`, manifestAccept);
}

/** @param repository `HOST/REPOSITORY` */
export function getBlob(repository: string, digest: string): Promise<Answer> {
	const [, host = '', path = ''] = /^([^/]+)\/(.+)$/.exec(repository) ?? [];
	return get(`http://${host}/v2/${path}/blobs/${digest}`, '*/*');
}

/** Where a tag points, asked of the registry; undefined where it says 404. */
export async function tagAt(name: string): Promise<string | undefined> {
	const { status, digest } = await getManifest(name);
	if (status !== 200 && status !== 404) throw new Error(`${name}: ${status}`);
	return status === 200 ? digest : undefined;
}

export async function allTags(repository: string): Promise<readonly string[]> {
	const [, host = '', path = ''] = /^([^/]+)\/(.+)$/.exec(repository) ?? [];
	const { statusCode, body } = await request(`http://${host}/v2/${path}/tags/list`);
	const list = (await body.json()) as { tags?: string[] | null };
	return statusCode === 200 ? (list.tags ?? []) : [];
}

interface ManifestJson {
	readonly config: { readonly digest: string };
	readonly layers: readonly { readonly digest: string }[];
}

interface IndexJson {
	readonly manifests: readonly {
		readonly digest: string;
		readonly mediaType: string;
		readonly platform: { readonly os: string; readonly architecture: string };
		readonly annotations?: Readonly<Record<string, string>>;
	}[];
}

export function asIndex({ bytes }: Pick<Answer, 'bytes'>): IndexJson {
	return JSON.parse(bytes.toString()) as IndexJson;
}

export function architecturesIn(index: Pick<Answer, 'bytes'>): readonly string[] {
	return asIndex(index).manifests.map(({ platform }) => platform.architecture);
}

export interface ReadPayload {
	/** text by path */
	readonly files: ReadonlyMap<string, string>;
	readonly labels: Readonly<Record<string, string>>;
	readonly diffIds: readonly string[];
	/** of the tar inside the payload layer */
	readonly tarDigest: string;
}

/** The release image's config and its last layer, unpacked. @param name by digest */
export async function payloadOf(name: string): Promise<ReadPayload> {
	const repository = name.replace(/[@:](?:sha256:)?[^:/]+$/, '');
	const manifest = JSON.parse((await getManifest(name)).bytes.toString()) as ManifestJson;
	const config = JSON.parse(
		(await getBlob(repository, manifest.config.digest)).bytes.toString(),
	) as { config: { Labels: Record<string, string> }; rootfs: { diff_ids: string[] } };
	const layer = await getBlob(repository, manifest.layers.at(-1)?.digest ?? '');
	const tar = gunzipSync(layer.bytes);
	const entries = await unpackTar(tar);
	const decoder = new TextDecoder();
	return {
		files: new Map(entries.map(({ header, data }) => [header.name, decoder.decode(data)])),
		labels: config.config.Labels,
		diffIds: config.rootfs.diff_ids,
		tarDigest: sha256(tar),
	};
}

/** Which digest a component has in the payload of an image. */
export function componentsIn({ files }: ReadPayload): ReadonlyMap<string, string> {
	const stream = JSON.parse(files.get('release-manifests/image-references') ?? '') as {
		spec: { tags: { name: string; from: { name: string } }[] };
	};
	return new Map(stream.spec.tags.map(({ name, from }) => [name, from.name]));
}

/** `repository:tag` to the digest that it is to have, in plan order. */
export function plannedTags(plan: Plan): ReadonlyMap<string, string> {
	const tags = new Map<string, string>();
	for (const step of plan.steps) {
		if (step.kind !== 'tag' || step.content === undefined) continue;
		const name = `${formatRepository(repositoryAt(plan, step.to))}:${step.tag}`;
		tags.set(name, contentAt(plan, step.content).digest);
	}
	return tags;
}

/** An image that has nothing to do with the release, under a tag. */
export async function pushOther(
	host: string,
	repository: string,
	tag: string,
	what = 'another image',
): Promise<Pushed> {
	const pusher = new Pusher(host);
	const config = await pusher.pushBlob(repository, jsonBytes({ rootfs: {}, what }));
	const mediaType = 'application/vnd.oci.image.manifest.v1+json';
	const bytes = jsonBytes({ schemaVersion: 2, mediaType, config, layers: [] });
	const pushed = await pusher.pushManifest(repository, bytes, mediaType, tag);
	await pusher.close();
	return pushed;
}

/** What of the release's own pullspecs is still named in a payload. */
export function oldPullspecsIn(
	{ files }: ReadPayload,
	{ pullspecs }: SmallRelease,
): readonly string[] {
	return [...files].flatMap(([file, text]) =>
		[...pullspecs.values()].flatMap((pullspec) =>
			text.includes(pullspec) ? [`${file} names ${pullspec}`] : [],
		),
	);
}

/** Every tag of the plan points where it is to, as the registries themselves say. */
export async function expectTags(plan: Plan): Promise<void> {
	const planned = plannedTags(plan);
	expect(await tagsNow(plan)).toEqual(planned);
}

export async function expectNoTags(plan: Plan): Promise<void> {
	expect(await tagsNow(plan)).toEqual(new Map());
}

/** Those of a plan's tags that are there, and where they point. */
export async function tagsNow(plan: Plan): Promise<ReadonlyMap<string, string>> {
	const found = new Map<string, string>();
	for (const name of plannedTags(plan).keys()) {
		const digest = await tagAt(name);
		if (digest !== undefined) found.set(name, digest);
	}
	return found;
}
