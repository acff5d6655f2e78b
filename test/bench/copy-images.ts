/**
 * `npm run bench:copy`: copies whole indexes side by side with skopeo, and with crane, regctl, oras and oc where they
 * are found: to another registry, inside one registry, and once more where all is there already; without and with
 * 50 ms of round trip. Prints Markdown; asserts nothing. Needs docker-registry, skopeo and a built program.
 */
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashBytes } from '../../proxy/hashing.ts';
import { openOwnRegistries } from '../../proxy/server/own-registries.ts';
import { Documents } from '../../shared/index/documents.ts';
import type { Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { makePlan } from '../../shared/plan/make-plan.ts';
import { printPlan } from '../../shared/plan/plan-file.ts';
import { startDelayProxy } from '../support/delay-proxy.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { makeHome, program, type Home } from '../support/espalier-process.ts';
import { isInstalled } from '../support/programs.ts';
import { jsonBytes, Pusher, type Pushed } from '../support/push.ts';
import { subjectOf } from '../unit/plan/small-plan.ts';

const MiB = 1024 * 1024;
const KiB = 1024;
const repository = 'bench/image';
const tag = 'v1';
const ticksPerSecond = 100;

interface Shape {
	readonly name: string;
	/** sizes of layers that all platforms share, and of those that each has for itself */
	readonly shared: readonly number[];
	readonly own: readonly number[];
	readonly rounds: number;
}

const many: Shape = {
	name: '97 blobs and 7 manifests, 14 MiB',
	shared: [8 * MiB],
	own: Array.from({ length: 15 }, () => 64 * KiB),
	rounds: 5,
};
const large: Shape = {
	name: '37 blobs, 424 MiB',
	shared: [8 * MiB],
	own: [48 * MiB, 16 * MiB, 4 * MiB, MiB, KiB * 256],
	rounds: 3,
};
const architectures = ['amd64', 'arm64', 'ppc64le', 's390x', 'riscv64', '386'];

async function pushIndex(host: string, { shared, own }: Shape): Promise<Digest> {
	const pusher = new Pusher(host, { connections: 4 });
	const layer = (bytes: number) =>
		pusher.pushBlob(repository, randomFillSync(new Uint8Array(bytes)), mediaTypes.ociLayerGzip);
	try {
		const common: Pushed[] = [];
		for (const bytes of shared) common.push(await layer(bytes));
		const manifests: object[] = [];
		for (const architecture of architectures) {
			const layers = [...common];
			for (const bytes of own) layers.push(await layer(bytes));
			const platform = { os: 'linux', architecture };
			const diffIds = layers.map(({ digest }) => digest);
			const config = await pusher.pushBlob(
				repository,
				jsonBytes({ ...platform, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
				mediaTypes.ociConfig,
			);
			const mediaType = mediaTypes.ociManifest;
			const image = jsonBytes({ schemaVersion: 2, mediaType, config, layers });
			manifests.push({ ...(await pusher.pushManifest(repository, image, mediaType)), platform });
		}
		const mediaType = mediaTypes.ociIndex;
		const index = jsonBytes({ schemaVersion: 2, mediaType, manifests });
		return (await pusher.pushManifest(repository, index, mediaType, tag)).digest;
	} finally {
		await pusher.close();
	}
}

interface Cost {
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakMiB: number;
	/** how many of each verb the target was asked */
	readonly requests: string;
}

/** What the kernel has counted of a process so far. */
function usage(pid: number): { readonly cpuSeconds: number; readonly peakMiB: number } | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
		const [utime = 0, stime = 0] = stat
			.slice(stat.lastIndexOf(')') + 2)
			.split(' ')
			.slice(11, 13)
			.map(Number);
		const status = readFileSync(`/proc/${pid}/status`, 'utf8');
		const peakMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
		return { cpuSeconds: (utime + stime) / ticksPerSecond, peakMiB };
	} catch {
		return undefined;
	}
}

function countByVerb(requests: readonly string[]): string {
	const counts = new Map<string, number>();
	for (const request of requests) {
		const verb = request.split(' ')[0] ?? '';
		counts.set(verb, (counts.get(verb) ?? 0) + 1);
	}
	const parts = [...counts].toSorted().map(([verb, count]) => `${count} ${verb}`);
	return parts.join(', ') || 'none';
}

async function measure(
	home: Home,
	[command = '', ...args]: readonly string[],
	log: readonly string[],
): Promise<Cost> {
	const asked = log.length;
	const startedAt = performance.now();
	const child = spawn(command, args, { env: home.env, stdio: ['ignore', 'ignore', 'pipe'] });
	let last = { cpuSeconds: 0, peakMiB: 0 };
	const watch = setInterval(() => (last = usage(child.pid ?? 0) ?? last), 10);
	let complaint = '';
	child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
	const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
	const seconds = (performance.now() - startedAt) / 1000;
	clearInterval(watch);
	if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${complaint}`);
	return { seconds, ...last, requests: countByVerb(log.slice(asked)) };
}

interface Copy {
	readonly from: string;
	readonly fromRepository: string;
	readonly to: string;
	readonly toRepository: string;
	readonly digest: Digest;
}

/** How long planning takes is part of what a copy takes; making the plan file is not. */
async function planCopy(home: Home, copy: Copy): Promise<{ file: string; seconds: number }> {
	const startedAt = performance.now();
	const settings = { plainHttp: [], authorities: new Map(), trustedRealms: [] };
	const registries = await openOwnRegistries({ registries: settings }, []);
	try {
		const from = { registry: copy.from, repository: copy.fromRepository };
		const to = { registry: copy.to, repository: copy.toRepository };
		const { digest } = copy;
		const plan = await makePlan(
			{ registries, hash: hashBytes, documents: new Documents() },
			{
				subject: subjectOf(`${copy.to}/${copy.toRepository}:${tag}`, digest),
				roots: [{ digest, to, from }],
				manifests: [],
				blobs: [],
				tags: [{ ...to, tag, digest }],
			},
		);
		const seconds = (performance.now() - startedAt) / 1000;
		const file = join(home.folder, `plan-${plan.id.slice(7, 19)}.json`);
		await writeFile(file, printPlan(plan));
		return { file, seconds };
	} finally {
		await registries.close();
	}
}

type Tool = (home: Home, copy: Copy, log: readonly string[]) => Promise<Cost>;

const espalier: Tool = async (home, copy, log) => {
	const asked = log.length;
	const { file, seconds } = await planCopy(home, copy);
	const cost = await measure(home, [process.execPath, program, 'run', file], log);
	return { ...cost, seconds: seconds + cost.seconds, requests: countByVerb(log.slice(asked)) };
};

function foreign(command: (copy: Copy) => readonly string[]): Tool {
	return (home, copy, log) => measure(home, command(copy), log);
}

const source = (copy: Copy) => `${copy.from}/${copy.fromRepository}@${copy.digest}`;
const target = (copy: Copy) => `${copy.to}/${copy.toRepository}:${tag}`;

const skopeoCopy = ['skopeo', '--insecure-policy', 'copy', '--all', '--preserve-digests'];
const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];

const tools: ReadonlyMap<string, Tool> = new Map([
	['espalier', espalier],
	[
		'skopeo',
		foreign((copy) => [
			...skopeoCopy,
			...plain,
			`docker://${source(copy)}`,
			`docker://${target(copy)}`,
		]),
	],
	['crane', foreign((copy) => ['crane', 'cp', '--insecure', source(copy), target(copy)])],
	['regctl', foreign((copy) => ['regctl', 'image', 'copy', source(copy), target(copy)])],
	[
		'oras',
		foreign((copy) => [
			'oras',
			'cp',
			'--from-plain-http',
			'--to-plain-http',
			source(copy),
			target(copy),
		]),
	],
	[
		'oc',
		foreign((copy) => [
			'oc',
			'image',
			'mirror',
			'--insecure',
			'--keep-manifest-list=true',
			`${source(copy)}=${target(copy)}`,
		]),
	],
]);

function median(costs: readonly Cost[]): Cost {
	const sorted = costs.toSorted((a, b) => a.seconds - b.seconds);
	const middle = sorted[Math.floor(sorted.length / 2)];
	if (!middle) throw new Error('nothing was measured');
	return { ...middle, peakMiB: Math.max(...costs.map(({ peakMiB }) => peakMiB)) };
}

function print(cells: readonly string[]): void {
	process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

function printCost(what: readonly string[], cost: Cost): void {
	const { seconds, cpuSeconds, peakMiB, requests } = cost;
	const numbers = [seconds.toFixed(2), cpuSeconds.toFixed(2), peakMiB.toFixed(0), requests];
	print([...what, ...numbers]);
}

async function compare(home: Home, shape: Shape, roundTripMs: number): Promise<void> {
	const from = await startDockerRegistry({ inMemory: true });
	const digest = await pushIndex(from.host, shape);
	const farFrom = await startDelayProxy(from.host, roundTripMs);
	const near = roundTripMs === 0;
	for (const [name, tool] of tools) {
		if (name !== 'espalier' && !isInstalled(name)) continue;
		const costs: Record<'cold' | 'mount' | 'repeat', Cost[]> = { cold: [], mount: [], repeat: [] };
		for (let round = 0; round < shape.rounds; round += 1) {
			const to = await startDockerRegistry({ inMemory: true, accessLog: true });
			const farTo = await startDelayProxy(to.host, roundTripMs);
			const host = near ? to.host : farTo.host;
			const place = { to: host, toRepository: repository, digest };
			const cold = { ...place, from: near ? from.host : farFrom.host, fromRepository: repository };
			costs.cold.push(await tool(home, cold, to.requests));
			costs.repeat.push(await tool(home, cold, to.requests));
			const inside = { ...place, from: host, fromRepository: repository };
			costs.mount.push(await tool(home, { ...inside, toRepository: 'bench/other' }, to.requests));
			await farTo.stop();
			await to.stop();
		}
		for (const [job, measured] of Object.entries(costs)) {
			printCost([shape.name, `${roundTripMs} ms`, job, name], median(measured));
		}
	}
	await farFrom.stop();
	await from.stop();
}

const home = await makeHome();
try {
	print(['job', 'round trip', 'case', 'tool', 'seconds', 'CPU s', 'peak MiB', 'target requests']);
	print(Array.from({ length: 8 }, () => '---'));
	await compare(home, many, 0);
	await compare(home, many, 50);
	await compare(home, large, 0);
} finally {
	await home.remove();
}
