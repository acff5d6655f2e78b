import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { audit } from '../../../proxy/cli/audit.ts';
import { plan } from '../../../proxy/cli/plan.ts';
import { runCommand } from '../../../proxy/cli/run.ts';
import { undoCommand } from '../../../proxy/cli/undo.ts';
import { withRunLock } from '../../../proxy/cli/run-lock.ts';
import { demoReference } from '../../../proxy/demo/demo-release.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { parseReceipt } from '../../../shared/plan/receipt.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { smallPlan, source, target } from '../plan/small-plan.ts';

const mainModule = fileURLToPath(new URL('../../../proxy/main.ts', import.meta.url));

let folder: string;
/** Planning only reads, so that all may use one. */
const sharedStore = mkdtempSync(join(tmpdir(), 'espalier-publish-store-'));
afterAll(() => {
	rmSync(sharedStore, { recursive: true });
});
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-publish-'));
	for (const name of ['XDG_DATA_HOME', 'HOME', 'DOCKER_CONFIG']) vi.stubEnv(name, folder);
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true, force: true });
});
const file = (name: string) => join(folder, name);

interface Finished {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs a command in this process, to its end. */
async function espalier(
	command: 'plan' | 'run' | 'undo' | 'audit',
	...args: readonly string[]
): Promise<Finished> {
	const printed = { stdout: '', stderr: '' };
	const stdout = { write: (text: string) => (printed.stdout += text) };
	const stderr = { write: (text: string) => (printed.stderr += text) };
	const interruption = { until: new AbortController().signal, by: () => undefined };
	const commands = {
		plan: () => plan(args, { stdout, stderr }),
		run: () => runCommand(args, { stdout, stderr, interruption }),
		undo: () => undoCommand(args, { stdout, stderr }),
		audit: () => audit(args, { stdout, stderr }),
	};
	return { code: await commands[command](), ...printed };
}

const published = 'store/demo/pruned-release:1';
const goal = ['--to', 'store/demo/pruned', '--release', published] as const;
const common = ['--store', sharedStore] as const;

function planDemo(...more: readonly string[]): Promise<Finished> {
	return espalier('plan', 'prune', demoReference, ...goal, ...common, ...more);
}

describe.skipIf(process.platform !== 'linux')('publishing the demo release pruned', () => {
	it('plans, runs, verifies, does nothing the second time, and can be undone', async () => {
		const args = [demoReference, ...goal, '--drop-placeholders', '-o', file('plan.json')];
		const planned = await espalier('plan', 'prune', ...args);
		expect(planned).toMatchObject({ code: 0, stderr: '' });
		expect(planned.stdout).toContain('2 of 13 components lose 5 children; the release becomes');
		expect(planned.stdout).toContain('vsphere-csi-driver  loses linux/arm64, linux/ppc64le');
		expect(planned.stdout).toContain('What it costs now\n');
		expect(planned.stdout).toContain(`Run it:  espalier run ${file('plan.json')}\n`);

		const ran = await espalier('run', file('plan.json'), '--receipt', file('receipt.json'));
		expect(ran.code).toBe(0);
		expect(ran.stderr).toMatch(/^Plan sha256:/);
		expect(ran.stdout).toContain('Verified: 10 manifests and 3 tags read back, all as planned.');
		const receipt = parseReceipt(readFileSync(file('receipt.json'), 'utf8'));
		expect(receipt.blobs.copied).toEqual({ count: 0, bytes: 0 });
		expect(receipt.blobs.mounted.count).toBeGreaterThan(0);

		const again = await espalier('run', file('plan.json'));
		expect(again.code).toBe(0);
		expect(again.stdout).toContain('0 manifests pushed, 10 there already');

		const { stdout } = await espalier('audit', published, '--json');
		expect(JSON.parse(stdout)).toMatchObject({ totals: { cells: { placeholder: 0 } } });

		const undo = await espalier('undo', file('receipt.json'), '-o', file('undo.json'));
		expect(undo).toMatchObject({ code: 0, stderr: '' });
		expect(undo.stdout).toContain(`removed  ${published} `);
		expect(await espalier('run', file('undo.json'))).toMatchObject({ code: 0 });
		expect(await espalier('audit', published)).toMatchObject({ code: 1 });
		expect(readdirSync(file('espalier/runs'))).toEqual([]);
	}, 60_000);

	it('makes the same plan however it is asked for, and prints it where no file is named', async () => {
		const preset = await planDemo('--drop-placeholders');
		expect(preset.stderr).toContain('2 of 13 components lose 5 children');
		const read = await parsePlan(preset.stdout, hashOf);
		expect(printPlan(read)).toBe(preset.stdout);
		expect(await planDemo('--drop-placeholders', '--no-estimate', '-o', '-')).toMatchObject({
			stdout: preset.stdout,
		});
		const cell = 'aws-ebs-csi-driver@linux/s390x';
		// It is dropped already, so naming it changes nothing; toggling it keeps it.
		expect(await planDemo('--drop-placeholders', '--drop', cell)).toMatchObject({
			stdout: preset.stdout,
		});
		const kept = await planDemo('--drop-placeholders', '--toggle', cell);
		expect(kept.stderr).toContain('aws-ebs-csi-driver  loses linux/ppc64le\n');
		const single = await planDemo('--drop', cell, '--tag-template=');
		expect(single.stderr).toContain('1 of 13 components loses 1 child;');
		expect(single.stderr).toContain('Tags, moved last (1)\n');
	}, 60_000);

	it('is told as Markdown for a pull request', async () => {
		const { code, stdout, stderr } = await planDemo('--drop-placeholders', '--markdown');
		expect(code).toBe(0);
		expect(stdout).toMatch(/^## Prune store\/demo\/release:4\.20\.0-demo\n/);
		expect(stderr).toBe('');
	});

	it.each([
		[['--drop', 'nobody@amd64'], /the release has no component “nobody”/],
		[['--drop', 'etcd@riscv64'], /--drop etcd@linux\/riscv64: it does not list linux\/riscv64/],
		[['--drop', 'etcd@amd64', '--exclude', 'etc*'], /among those that --exclude leaves alone/],
		[
			[
				'--drop-placeholders',
				...['--drop', '--toggle'].flatMap((flag) => [flag, 'vsphere-csi-driver@arm64']),
			],
			/--toggle says that it stays/,
		],
		[['--drop-placeholders', '--self-contained'], /cluster-autoscaler for linux\/arm64/],
		[['--keep', 'riscv64'], /It would leave nothing of/],
	])('is refused with the reason, and nothing is written: %j', async (args, message) => {
		const { code, stdout, stderr } = await planDemo(...args, '-o', file('plan.json'));
		expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
		expect(stderr).toMatch(message);
		expect(stderr).toContain('nothing was written.\n');
		expect(existsSync(file('plan.json'))).toBe(false);
	});

	it('needs a release that is there', async () => {
		const args = ['store/demo/nothing:1', ...goal, ...common, '--drop-placeholders'] as const;
		const { code, stderr } = await espalier('plan', 'prune', ...args);
		expect(code).toBe(1);
		expect(stderr).toMatch(/^No such repository/);
	});
});

describe('espalier run of a file', () => {
	it.each([
		['{}', /It is something else, not “espalier\/plan\/v1”/],
		['{', /It is not JSON/],
		['{"schema":"espalier/receipt/v1"}', /It is a receipt: “espalier undo”/],
	])('is refused where it is no plan: %s', async (text, message) => {
		writeFileSync(file('plan.json'), text);
		const { code, stderr } = await espalier('run', file('plan.json'));
		expect(code).toBe(1);
		expect(stderr).toMatch(/^This is not a plan that can be run\. /);
		expect(stderr).toMatch(message);
	});

	it('is refused where somebody changed it', async () => {
		const text = printPlan(await smallPlan()).replace('"tag":"v1"', '"tag":"v2"');
		writeFileSync(file('plan.json'), text);
		const { code, stderr } = await espalier('run', file('plan.json'));
		expect(code).toBe(1);
		expect(stderr).toContain('it was changed.');
	});

	it('is refused before anything is done where the receipt could not be written', async () => {
		writeFileSync(file('plan.json'), printPlan(await smallPlan()));
		const running = espalier('run', file('plan.json'), '--receipt', file('nowhere/receipt.json'));
		await expect(running).rejects.toThrow('cannot be written: it is not there');
	});

	it('is refused while another run of the same plan goes on', async () => {
		const small = await smallPlan();
		writeFileSync(file('plan.json'), printPlan(small));
		const { code, stderr } = await withRunLock(small.id, () => espalier('run', file('plan.json')));
		expect(code).toBe(1);
		expect(stderr).toContain('This plan is being run already. Process');
		expect(stderr).toContain(String(process.pid));
	});
});

describe('espalier undo of a file', () => {
	it('is refused where it is no receipt', async () => {
		writeFileSync(file('receipt.json'), printPlan(await smallPlan()));
		const { code, stderr } = await espalier('undo', file('receipt.json'), '-o', file('undo.json'));
		expect(code).toBe(1);
		expect(stderr).toContain('It is a plan, not a receipt');
		expect(existsSync(file('undo.json'))).toBe(false);
	});

	it('says so where nothing was moved, and writes nothing', async () => {
		const small = await smallPlan();
		const none = { count: 0, bytes: 0 };
		const digest = hashOf('sha256', new Uint8Array());
		const receipt = {
			schema: 'espalier/receipt/v1',
			plan: small.id,
			subject: small.subject,
			startedAt: '2026-01-01T00:00:00.000Z',
			finishedAt: '2026-01-01T00:00:01.000Z',
			blobs: { existed: none, mounted: none, copied: none, uploaded: none },
			manifests: [],
			tags: [{ repository: 'a.test/b', tag: 'v1', before: digest, after: digest, moved: false }],
		};
		writeFileSync(file('receipt.json'), JSON.stringify(receipt));
		const undo = await espalier('undo', file('receipt.json'), '-o', file('undo.json'));
		expect(undo).toEqual({
			code: 0,
			stdout: '',
			stderr: 'That run moved no tag, so there is nothing to undo.\n',
		});
		expect(existsSync(file('undo.json'))).toBe(false);
	});
});

describe.skipIf(process.platform !== 'linux')('the process of a run', () => {
	it.each([
		['SIGINT', 130],
		['SIGTERM', 143],
	] as const)(
		'ends after %s with %i, and leaves no lock',
		async (signal, exitCode) => {
			// A registry that takes requests and never answers.
			const silent = createServer(() => undefined).listen(0, '127.0.0.1');
			await once(silent, 'listening');
			const { port } = silent.address() as AddressInfo;
			try {
				const registry = `127.0.0.1:${port}`;
				const repositories = [source, { ...target, registry }];
				writeFileSync(file('plan.json'), printPlan(await smallPlan({ repositories })));
				const child = spawn(
					process.execPath,
					['--import', 'tsx', mainModule, 'run', file('plan.json')],
					{ env: { ...process.env, XDG_DATA_HOME: folder } },
				);
				let printed = '';
				const asked = once(silent, 'request');
				child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
				const ended = once(child, 'close');
				await asked;
				expect(readdirSync(file('espalier/runs'))).toHaveLength(1);
				child.kill(signal);
				expect(await ended).toEqual([exitCode, null]);
				expect(printed).toContain('Stopped.\nKnown to be at the target: 0 of 2 blobs');
				expect(printed).toContain(
					`No tag was moved.\nGo on with the same command:\n  espalier run`,
				);
				expect(readdirSync(file('espalier/runs'))).toEqual([]);
			} finally {
				silent.closeAllConnections();
				silent.close();
			}
		},
		60_000,
	);
});
