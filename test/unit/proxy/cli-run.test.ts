import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carryOut } from '../../../proxy/cli/run.ts';
import { RunProgress } from '../../../proxy/cli/run-progress.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { parseReceipt } from '../../../shared/plan/receipt.ts';
import { FakeRegistries } from '../../support/fake-registries.ts';
import { smallImage, smallPlan, source, target } from '../plan/small-plan.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-run-'));
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});

const image = smallImage();

function registriesWithSource(): FakeRegistries {
	const registries = new FakeRegistries();
	registries.putBlob(source, image.layer.bytes);
	registries.putManifest(source, image.image);
	return registries;
}

const args = (more: { receipt?: string; surroundings?: readonly string[] } = {}) => ({
	file: 'my plan.json',
	receipt: undefined,
	deep: false,
	store: undefined,
	registries: { plainHttp: [], authorities: new Map<string, string>(), trustedRealms: [] },
	surroundings: [],
	...more,
});

function context() {
	const stop = new AbortController();
	const printed = { stdout: '', stderr: '' };
	let by: NodeJS.Signals | undefined;
	return {
		printed,
		given: {
			stdout: { write: (text: string) => (printed.stdout += text) },
			stderr: { write: (text: string) => (printed.stderr += text) },
			interruption: { until: stop.signal, by: () => by },
		},
		interrupt: (signal: NodeJS.Signals) => {
			by = signal;
			stop.abort();
		},
	};
}

describe('espalier run', () => {
	it('ends well where everything was verified, with a receipt and the way back', async () => {
		const { given, printed } = context();
		const receipt = join(folder, 'receipt.json');
		const plan = await smallPlan();
		const surroundings = ['--plain-http', 'registry.test'];
		const code = await carryOut(
			registriesWithSource(),
			plan,
			args({ receipt, surroundings }),
			given,
		);
		expect(code).toBe(0);
		expect(printed.stdout).toContain('Verified: 2 manifests and 1 tag read back, all as planned.');
		expect(printed.stdout).toContain(
			`espalier undo ${receipt} --output undo.json --plain-http registry.test\n`,
		);
		expect(printed.stderr).toMatch(/^Looking what is there.*\nCopying.*\n/);
		expect(parseReceipt(readFileSync(receipt, 'utf8'))).toMatchObject({
			plan: plan.id,
			tags: [{ tag: 'v1', before: 'absent', after: image.index.digest }],
		});
	});

	it('the second time copies nothing and moves nothing', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await carryOut(registries, plan, args(), context().given);
		registries.written.length = 0;
		const { given, printed } = context();
		expect(await carryOut(registries, plan, args(), given)).toBe(0);
		expect(registries.written).toEqual([]);
		expect(printed.stdout).toContain('0 manifests pushed, 2 there already');
	});

	it.each([
		['SIGINT', 130],
		['SIGTERM', 143],
	] as const)('stopped by %s says what is there, and how to go on', async (signal, exitCode) => {
		const registries = registriesWithSource();
		const { given, printed, interrupt } = context();
		registries.beforeWrite = async ({ kind }) => {
			if (kind === 'manifest') interrupt(signal);
		};
		const receipt = join(folder, 'receipt.json');
		const code = await carryOut(registries, await smallPlan(), args({ receipt }), given);
		expect(code).toBe(exitCode);
		expect(printed.stdout).toBe('');
		expect(printed.stderr).toContain(
			[
				'Stopped.',
				'Known to be at the target: 2 of 2 blobs, 0 of 2 manifests.',
				'No tag was moved.',
				'Go on with the same command:',
				`  espalier run 'my plan.json' --receipt ${receipt}`,
				'',
			].join('\n'),
		);
		expect(() => readFileSync(receipt)).toThrow();
	});

	it('names what failed, and what to do about it', async () => {
		const registries = registriesWithSource();
		registries.failWrites = ({ kind }) =>
			kind === 'manifest'
				? { code: 'denied', origin: 'registry', reason: 'It says no.', registry: target.registry }
				: undefined;
		const { given, printed } = context();
		expect(await carryOut(registries, await smallPlan(), args(), given)).toBe(1);
		expect(printed.stdout).toBe('');
		expect(printed.stderr).toContain(
			`Access denied:\n  registry.test/acme/pruned@${image.image.digest}\n    It says no.\n  - `,
		);
		expect(printed.stderr).toContain('No tag was moved.\nGo on with the same command:\n');
	});

	it('leaves a tag that somebody moved, and names both digests', async () => {
		const registries = registriesWithSource();
		registries.putManifest(target, image.image, 'v1');
		const { given, printed } = context();
		expect(await carryOut(registries, await smallPlan(), args(), given)).toBe(1);
		expect(printed.stderr).toContain('Somebody else was faster:\n  registry.test/acme/pruned:v1\n');
		expect(printed.stderr).toContain(`now it points to ${image.image.digest}`);
		expect(printed.stderr).toMatch(/This plan is out of date: plan again\.\n$/);
		expect(registries.tagOf(target, 'v1')).toBe(image.image.digest);
	});

	it('fails where a receipt was asked for and could not be written', async () => {
		const receipt = join(folder, 'nowhere', 'receipt.json');
		const { given, printed } = context();
		const running = carryOut(registriesWithSource(), await smallPlan(), args({ receipt }), given);
		await expect(running).rejects.toThrow('cannot be written: it is not there');
		expect(printed.stdout).toContain('Verified:');
	});
});

describe('progress', () => {
	async function shown(
		stream: { isTTY?: boolean; columns?: number },
		show: (progress: RunProgress, run: Run, pass: (ms: number) => void) => void,
	): Promise<string> {
		let text = '';
		let now = 0;
		const write = (more: string) => (text += more);
		const progress = new RunProgress({ write, ...stream }, () => now);
		const run = new Run(await smallPlan());
		show(progress, run, (ms) => (now += ms));
		return text;
	}

	it('is a line at every phase and every few seconds where there is no terminal', async () => {
		const text = await shown({}, (progress, run, pass) => {
			run.phase = 'checking';
			progress.show(run);
			run.phase = 'copying';
			for (let step = 0; step < 12; step += 1) {
				progress.show(run);
				pass(1_000);
			}
			progress.end();
		});
		expect(text.match(/^Looking/gm)).toHaveLength(1);
		expect(text.match(/^Copying/gm)).toHaveLength(3);
		expect(text).not.toContain('\u001b');
	});

	it('is one line that is drawn again, at most four times a second, and fits', async () => {
		const text = await shown({ isTTY: true, columns: 20 }, (progress, run, pass) => {
			run.phase = 'copying';
			for (let step = 0; step < 100; step += 1) {
				progress.show(run);
				pass(10);
			}
			progress.end();
		});
		const lines = text.split('\r').slice(1);
		expect(lines).toHaveLength(5);
		expect(lines.at(-1)).toBe('\u001b[K');
		expect(text).not.toContain('\n');
		for (const line of lines) expect(line.replace('\u001b[K', '').length).toBeLessThan(20);
	});
});
