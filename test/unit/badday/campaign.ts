/** One release, planned once and published again and again through registries that have bad days. */
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { realPace, type Pace } from '../../../proxy/upstream/retry.ts';
import { manifestAccept } from '../../../shared/oci/media-type.ts';
import { contentAt, repositoryAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import type { Registries } from '../../../shared/registry/registries.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import {
	seededRandom,
	startFaultyRegistry,
	type FaultyRegistry,
} from '../../support/faulty-registry.ts';
import { sha256 } from '../../support/push.ts';
import { pushSmallRelease, smallVersion } from '../../support/small-release.ts';
import { planFor, pushOther, targetRepository } from '../publish/publishing.ts';
import { readerWith } from '../upstream/scripted-server.ts';

/** Waits are this much shorter, and the clock that they are measured by as much faster. */
const speed = 25;
const quick = {
	connectMs: 1_000,
	headersMs: 500,
	bodyMs: 400,
	answerMs: 600,
	uploadStallMs: 400,
	uploadAnswerMs: 500,
};

function quickPace(seed: number): Pace {
	const begun = Date.now();
	return {
		clock: () => begun + (Date.now() - begun) * speed,
		wait: (ms, signal) => realPace.wait(ms / speed, signal),
		random: seededRandom(`pace ${seed}`),
	};
}

interface OpenPort {
	readonly registries: Registries;
	close(): Promise<void>;
}

/** The port straight to the registries, as commands have it. */
function openPort(seed: number, timeouts?: typeof quick): OpenPort {
	const pace = quickPace(seed);
	const reader = readerWith({ pace, ...(timeouts && { timeouts }) });
	const writer = new Transfer({ reader, targetOf: () => reader.target, pace });
	const registries: Registries = {
		readManifests: (requests, options) => reader.readManifests(requests, options),
		readConfigs: (requests, options) => reader.readConfigs(requests, options),
		exists: (requests, options) => reader.exists(requests, options),
		readBlob: (one, options) => reader.readBlob(one, options),
		tags: (repository, options) => reader.tags(repository, options),
		referrers: (subject, options) => reader.referrers(subject, options),
		repositories: (registry, options) => reader.repositories(registry, options),
		copyBlobs: (copies, options) => writer.copyBlobs(copies, options),
		putBlobs: (uploads, options) => writer.putBlobs(uploads, options),
		pushManifests: (pushes, options) => writer.pushManifests(pushes, options),
		moveTags: (moves, options) => writer.moveTags(moves, options),
	};
	return { registries, close: () => reader.close() };
}

/** A plan, and where its target really is. */
interface Scene {
	readonly plan: Plan;
	readonly target: FaultyRegistry;
	/** the registry itself */
	readonly host: string;
}

/** How a seed went. */
export interface Report {
	readonly seed: number;
	/** `verified`, or the code of the problem that stopped it */
	readonly outcome: string;
	readonly reason: string;
	readonly isMoved: boolean;
	readonly requests: number;
	readonly faults: number;
	readonly ms: number;
	/** what must not be; empty where all is well */
	readonly violations: readonly string[];
	readonly story: readonly string[];
}

const mostMs = 30_000;
const mirror = /^\/v2\/mirror\//;

/** Every digest's place in the plan. */
function namesIn({ contents }: Plan): ReadonlyMap<string, string> {
	return new Map(contents.map(({ digest, mediaType }, at) => [digest, `#${at} ${mediaType}`]));
}

interface Found {
	readonly status: number;
	readonly digest: string;
}

async function statusAndDigest(url: string): Promise<Found> {
	const { statusCode, body } = await request(url, { headers: { accept: manifestAccept } });
	return { status: statusCode, digest: sha256(Buffer.from(await body.arrayBuffer())) };
}

export class Campaign {
	readonly #registries: readonly DockerRegistry[];
	readonly #fronts: readonly FaultyRegistry[];
	readonly #scenes: readonly Scene[];

	private constructor(parts: {
		registries: readonly DockerRegistry[];
		fronts: readonly FaultyRegistry[];
		scenes: readonly Scene[];
	}) {
		this.#registries = parts.registries;
		this.#fronts = parts.fronts;
		this.#scenes = parts.scenes;
	}

	/** Two registries, a release in the first, and a plan for each of them as the target. */
	static async open(): Promise<Campaign> {
		const registries = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		const [source, target] = registries;
		const names = new Map<string, string>();
		const nameOf = (digest: string): string => names.get(digest) ?? 'something';
		const fronts = await Promise.all([
			startFaultyRegistry(source.host, { name: 'source', nameOf }),
			startFaultyRegistry(target.host, { name: 'target', nameOf }),
		]);
		const [near, far] = fronts;
		const { reference } = await pushSmallRelease({ host: source.host, layerBytes: 70_000 });
		const named = reference.replace(source.host, near.host);
		const port = openPort(0);
		const scenes: Scene[] = [];
		for (const [front, { host }] of [[far, target] as const, [near, source] as const]) {
			await pushOther(host, targetRepository, smallVersion);
			const plan = await planFor(port.registries, named, {
				host: front.host,
				selfContained: false,
			});
			scenes.push({ plan, target: front, host });
			for (const [digest, name] of namesIn(plan)) names.set(digest, name);
		}
		await port.close();
		return new Campaign({ registries, fronts, scenes });
	}

	async close(): Promise<void> {
		await Promise.all(this.#fronts.map((front) => front.stop()));
		await Promise.all(this.#registries.map((registry) => registry.stop()));
	}

	/** One bad day, and a good one after it. */
	async run(seed: number): Promise<Report> {
		const scene = this.#scenes[seed % this.#scenes.length];
		if (!scene) throw new Error('no scene');
		const { host, plan } = scene;
		const place = `seed${seed}`;
		for (const { front } of this.#fronts) {
			front.rename = (path) => path.replace(mirror, `/v2/${place}/mirror/`);
		}
		const before = await pushOther(host, `${place}/${targetRepository}`, smallVersion);
		const begun = performance.now();
		for (const front of this.#fronts) front.sicken(seed);
		const requestsBefore = this.#requests();
		const bad = new Run(plan);
		const violations = await this.#publish(bad, openPort(seed, quick));
		const ms = Math.round(performance.now() - begun);
		const story = this.#fronts.flatMap((front) => front.story);
		for (const front of this.#fronts) front.heal();
		const requests = this.#requests() - requestsBefore;
		const { outcome } = bad;
		const problem = outcome?.kind === 'failed' ? outcome.problem : undefined;
		const look = new Look(scene, place, before.digest);
		violations.push(...(await look.afterwards(outcome?.kind === 'verified')));
		const isMoved = look.wasMoved;
		if (problem?.code === 'internal') violations.push(`internal: ${problem.reason}`);
		if (bad.defect !== undefined) violations.push(`a defect: ${String(problem?.reason)}`);
		const good = new Run(plan);
		violations.push(...(await this.#publish(good, openPort(seed))));
		if (good.outcome?.kind !== 'verified') {
			violations.push(`the rerun: ${JSON.stringify(good.outcome)}`);
		}
		violations.push(...(await look.afterwards(true)));
		return {
			seed,
			outcome: problem?.code ?? outcome?.kind ?? 'nothing',
			reason: problem?.reason ?? '',
			isMoved,
			...{ requests, faults: story.length, ms, violations, story },
		};
	}

	#requests(): number {
		return this.#fronts.reduce((sum, { front }) => sum + front.answered.length, 0);
	}

	/** @returns what was wrong with how it ended */
	async #publish(run: Run, port: OpenPort): Promise<string[]> {
		const violations: string[] = [];
		const stop = new AbortController();
		const work = (async () => {
			for await (const _ of runPlan(port.registries, run, { signal: stop.signal }));
			return 'ended';
		})();
		const timer = setTimeout(() => stop.abort(), mostMs);
		const how = await Promise.race([work, delay(mostMs + 2_000, 'hung', { ref: false })]);
		clearTimeout(timer);
		if (how !== 'ended' || run.outcome?.kind === 'stopped') violations.push(`it hung: ${how}`);
		await port.close();
		for (let waited = 0; waited < 100 && this.#connections() > 0; waited += 1) await delay(10);
		if (this.#connections() > 0) violations.push(`${this.#connections()} sockets are left`);
		return violations;
	}

	#connections(): number {
		return this.#fronts.reduce((sum, { front }) => sum + front.connections, 0);
	}
}

/** What the target really has, asked of the registry itself. */
class Look {
	readonly #scene: Scene;
	readonly #place: string;
	readonly #before: string;
	wasMoved = false;

	constructor(scene: Scene, place: string, before: string) {
		this.#scene = scene;
		this.#place = place;
		this.#before = before;
	}

	/** @returns what must not be */
	async afterwards(isVerified: boolean): Promise<string[]> {
		const { plan } = this.#scene;
		const tags = await this.#tags();
		const root = stepsOf(plan, 'tag').at(-1);
		this.wasMoved = tags.some(({ step, is }) => step === root && is === 'new');
		// What lies there under no tag is looked at after the rerun.
		const isShown = isVerified || tags.some(({ is }) => is === 'new');
		const contents = isShown ? await this.#contents() : new Map<string, Found>();
		const wrong = [...contents].flatMap(([key, { status, digest }]) =>
			status === 200 && !key.endsWith(digest) ? [`${key} is ${digest}`] : [],
		);
		const missing = [...contents].filter(([, { status }]) => status !== 200);
		for (const { name, is } of tags) {
			if (is === 'other') wrong.push(`${name} is somewhere else`);
			if (is === 'new' && missing.length > 0) {
				wrong.push(`${name} has moved, and ${missing.length} parts are missing`);
			}
			if (isVerified && is !== 'new') wrong.push(`verified, and ${name} was not moved`);
		}
		if (isVerified && missing.length > 0) wrong.push(`verified, and ${missing.length} are missing`);
		return wrong;
	}

	/** By `repository@digest`, everything that the plan puts there. */
	async #contents(): Promise<ReadonlyMap<string, Found>> {
		const { plan, host } = this.#scene;
		const found = new Map<string, Promise<Found>>();
		for (const step of plan.steps) {
			if (step.kind === 'tag') continue;
			const { digest } = contentAt(plan, step.content);
			const { repository } = repositoryAt(plan, step.to);
			const kind = step.kind === 'manifest' ? 'manifests' : 'blobs';
			const url = `http://${host}/v2/${this.#place}/${repository}/${kind}/${digest}`;
			found.set(`${repository}@${digest}`, statusAndDigest(url));
		}
		const entries = [...found].map(async ([key, work]) => [key, await work] as const);
		return new Map(await Promise.all(entries));
	}

	async #tags() {
		const { plan, host } = this.#scene;
		const root = stepsOf(plan, 'tag').at(-1);
		return Promise.all(
			stepsOf(plan, 'tag').map(async (step) => {
				const { repository } = repositoryAt(plan, step.to);
				const name = `${repository}:${step.tag}`;
				const url = `http://${host}/v2/${this.#place}/${repository}/manifests/${step.tag}`;
				const { status, digest } = await statusAndDigest(url);
				const planned = step.content === undefined ? '' : contentAt(plan, step.content).digest;
				const was = step === root ? digest === this.#before : status === 404;
				const is = digest === planned ? 'new' : was ? 'old' : 'other';
				return { step, name, is };
			}),
		);
	}
}
