/**
 * `npm run bench:publish`: how long planning and publishing a pruned release takes on loopback, beside skopeo, and
 * how much memory a run of 1 GiB needs. Prints a table; asserts nothing. Needs docker-registry, skopeo, the genuine
 * fixtures and a built program.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { makeHome, program, type Home } from '../support/espalier-process.ts';
import { pushFullRelease } from '../support/full-release.ts';
import { pushHeavyRelease } from '../support/heavy-release.ts';
import { skopeo } from '../support/skopeo.ts';

const rounds = 3;
const MiB = 1024 * 1024;

interface Finished {
	readonly ms: number;
	readonly peakMiB: number;
	readonly stdout: string;
}

/** The peak of resident memory so far, as the kernel has it. */
function peakMiB(pid: number): number {
	try {
		const status = readFileSync(`/proc/${pid}/status`, 'utf8');
		return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
	} catch {
		return 0;
	}
}

function espalier(home: Home, ...args: readonly string[]): Promise<Finished> {
	const startedAt = performance.now();
	const child = spawn(process.execPath, [program, ...args], { env: home.env });
	let stdout = '';
	let stderr = '';
	let peak = 0;
	const watch = setInterval(() => (peak = Math.max(peak, peakMiB(child.pid ?? 0))), 20);
	child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
	child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
	return new Promise((resolve, reject) =>
		child.once('close', (code) => {
			clearInterval(watch);
			if (code === 0) resolve({ ms: performance.now() - startedAt, peakMiB: peak, stdout });
			else reject(new Error(`espalier ${args.join(' ')} ended with ${code}: ${stderr}`));
		}),
	);
}

function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(name: string, runs: readonly Finished[]): void {
	const times = runs.map(({ ms }) => (ms / 1000).toFixed(2)).join(', ');
	const seconds = (median(runs.map(({ ms }) => ms)) / 1000).toFixed(2);
	const peak = Math.max(...runs.map(({ peakMiB: each }) => each)).toFixed(0);
	process.stdout.write(`| ${name} | ${seconds} s (${times}) | ${peak} MiB |\n`);
}

async function fullRelease(home: Home): Promise<void> {
	const source = await startDockerRegistry();
	const { reference } = await pushFullRelease(source.host, 'docker');
	const audits: Finished[] = [];
	for (let round = 0; round < rounds; round += 1) {
		audits.push(await espalier(home, 'audit', reference));
	}
	report('audit alone', audits);
	for (const selfContained of [false, true]) {
		const what = selfContained ? 'self-contained' : 'changed components only';
		const plans: Finished[] = [];
		const runs: Finished[] = [];
		const repeats: Finished[] = [];
		for (let round = 0; round < rounds; round += 1) {
			const target = await startDockerRegistry();
			const file = join(home.folder, `plan-${round}.json`);
			const to = ['--to', `${target.host}/pruned/parts`];
			const release = ['--release', `${target.host}/pruned/release:4.20.0`];
			const flags = selfContained ? ['--self-contained'] : [];
			const choice = [reference, '--drop-placeholders', ...flags, ...to, ...release];
			plans.push(await espalier(home, 'plan', 'prune', ...choice, '--no-estimate', '-o', file));
			runs.push(await espalier(home, 'run', file));
			repeats.push(await espalier(home, 'run', file));
			await target.stop();
		}
		report(`plan prune, audit included (${what})`, plans);
		report(`run into a second registry (${what})`, runs);
		report(`the same run again (${what})`, repeats);
	}
	await source.stop();
}

async function heavyRelease(home: Home): Promise<void> {
	const source = await startDockerRegistry();
	const reference = await pushHeavyRelease({ host: source.host, layers: 32, layerBytes: 32 * MiB });
	const target = await startDockerRegistry();
	const file = join(home.folder, 'heavy.json');
	const to = ['--to', `${target.host}/heavy/components`];
	const release = ['--release', `${target.host}/heavy/release:4.20.0`];
	const keep = ['--keep', 'linux/amd64,linux/arm64', '--self-contained'];
	await espalier(home, 'plan', 'prune', reference, ...keep, ...to, ...release, '-o', file);
	report('run of 1 GiB into a second registry', [await espalier(home, 'run', file)]);
	await target.stop();
	const other = await startDockerRegistry();
	const indexes = new Set(
		[...readFileSync(file, 'utf8').matchAll(/heavy\/components@(sha256:\w{64})"/g)].map(
			([, digest]) => digest,
		),
	);
	const startedAt = performance.now();
	for (const digest of indexes) {
		await skopeo(
			home.folder,
			'copy',
			'--all',
			'--src-tls-verify=false',
			'--dest-tls-verify=false',
			`docker://${source.host}/heavy/components@${digest}`,
			`docker://${other.host}/heavy/components:${digest?.slice(7, 19)}`,
		);
	}
	report('skopeo copy --all of the same components, one after the other', [
		{ ms: performance.now() - startedAt, peakMiB: 0, stdout: '' },
	]);
	await other.stop();
	await source.stop();
}

const home = await makeHome();
try {
	process.stdout.write(`| loopback | median of ${rounds} | peak RSS |\n| --- | --- | --- |\n`);
	await fullRelease(home);
	await heavyRelease(home);
} finally {
	await home.remove();
}
