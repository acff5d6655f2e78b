import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { audit } from '../../../proxy/cli/audit.ts';
import { plan } from '../../../proxy/cli/plan.ts';
import { runCommand } from '../../../proxy/cli/run.ts';
import { undoCommand } from '../../../proxy/cli/undo.ts';
import { coverageReportSchema } from '../../../shared/report/coverage-report.ts';
import { parsePlan } from '../../../shared/plan/plan-file.ts';
import {
	freePort,
	hasDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../../support/docker-registry.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	componentCount,
	componentRepository,
	placeholderCount,
	pushSmallRelease,
	releaseRepository,
	smallVersion,
	type SmallRelease,
} from '../../support/small-release.ts';

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-mirrors-'));
	for (const name of ['XDG_DATA_HOME', 'HOME', 'DOCKER_CONFIG']) vi.stubEnv(name, folder);
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
	writeFileSync(join(folder, name), text);
	return join(folder, name);
}

async function espalier(
	command: 'audit' | 'plan' | 'run' | 'undo',
	...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
	const printed = { stdout: '', stderr: '' };
	const stdout = { write: (text: string) => (printed.stdout += text) };
	const stderr = { write: (text: string) => (printed.stderr += text) };
	const interruption = { until: new AbortController().signal, by: () => undefined };
	const commands = {
		audit: () => audit(args, { stdout, stderr }),
		plan: () => plan(args, { stdout, stderr }),
		run: () => runCommand(args, { stdout, stderr, interruption }),
		undo: () => undoCommand(args, { stdout, stderr }),
	};
	return { code: await commands[command](), ...printed };
}

const policy = 'config.openshift.io/v1';

/** A set of mirrors for the whole of a registry. */
function mirrorSet(kind: 'Digest' | 'Tag', source: string, mirror: string): string {
	const entry = { source, mirrors: [mirror], mirrorSourcePolicy: 'NeverContactSource' };
	const spec = { [`image${kind}Mirrors`]: [entry] };
	return JSON.stringify({ apiVersion: policy, kind: `Image${kind}MirrorSet`, spec });
}

describe.skipIf(!hasDockerRegistry)('a release behind a firewall', () => {
	let mirror: DockerRegistry;
	let target: DockerRegistry;
	let release: SmallRelease;
	/** Nobody listens there. */
	let unreachable: string;
	let asked: string;

	beforeAll(async () => {
		[mirror, target] = await Promise.all([startDockerRegistry(), startDockerRegistry()]);
		unreachable = `127.0.0.1:${await freePort()}`;
		release = await pushSmallRelease({ host: mirror.host, named: unreachable });
		asked = `${unreachable}/${releaseRepository}:${smallVersion}`;
	}, 60_000);
	afterAll(async () => {
		await Promise.all([mirror.stop(), target.stop()]);
	});

	function mirrorFlags(): readonly string[] {
		const idms = write('idms.yaml', mirrorSet('Digest', unreachable, mirror.host));
		const itms = write('itms.yaml', mirrorSet('Tag', unreachable, mirror.host));
		return ['--mirrors', idms, '--mirrors', itms];
	}

	it('cannot be read without mirrors', async () => {
		expect(await espalier('audit', asked)).toMatchObject({ code: 1, stdout: '' });
	});

	it('is read whole at its mirror, and the report says where', async () => {
		const { code, stdout, stderr } = await espalier('audit', asked, '--json', ...mirrorFlags());
		expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
		const { totals, components } = coverageReportSchema.parse(JSON.parse(stdout));
		expect(totals.cells['placeholder']).toBe(placeholderCount);
		expect(totals.cells['unchecked']).toBe(0);
		const place = `${mirror.host}/${componentRepository}`;
		expect(components.map(({ readFrom }) => readFrom)).toEqual(components.map(() => place));
		expect(components[0]?.platforms[0]).toMatchObject({ readFrom: place });
		// It is still named as the payload names it.
		expect(components[0]?.reference).toContain(unreachable);
		const text = await espalier('audit', asked, ...mirrorFlags());
		expect(text.stdout).toContain(
			`Mirror: ${componentCount} of ${componentCount} components were read at ${place}.\n`,
		);
	});

	it('is read below its tag where the tag was, also with mirrors for tags alone', async () => {
		const itms = write('itms.yaml', mirrorSet('Tag', unreachable, mirror.host));
		const { code, stdout } = await espalier('audit', asked, '--json', '--mirrors', itms);
		expect(code).toBe(0);
		const { release: read, totals } = coverageReportSchema.parse(JSON.parse(stdout));
		expect(read.digest).toBe(release.root.digest);
		// Components are elsewhere, and nobody said where.
		expect(totals.cells['unchecked']).toBe(componentCount * 4);
	});

	it('is planned by its own names, published from the mirror, and undone', async () => {
		const planFile = join(folder, 'plan.json');
		const receipt = join(folder, 'receipt.json');
		const published = `${target.host}/pruned/release:1`;
		const goal = ['--to', `${target.host}/pruned/parts`, '--release', published];
		const planned = await espalier(
			'plan',
			...['prune', asked, ...goal, '--drop-placeholders', '--self-contained', '-o', planFile],
			...mirrorFlags(),
		);
		expect(planned).toMatchObject({ code: 0, stderr: '' });
		expect(planned.stdout).toMatch(
			/Run it: {2}espalier run .* --mirrors .*idms\.yaml --mirrors .*itms/,
		);
		const { repositories } = await parsePlan(readFileSync(planFile, 'utf8'), hashOf);
		expect([...new Set(repositories.map(({ registry }) => registry))].toSorted()).toEqual(
			[unreachable, target.host].toSorted(),
		);

		expect(await espalier('run', planFile)).toMatchObject({ code: 1 });
		const ran = await espalier('run', planFile, '--receipt', receipt, ...mirrorFlags());
		expect(ran.code).toBe(0);
		expect(ran.stdout).toContain('all as planned');
		const { code, stdout } = await espalier('audit', published, '--json');
		expect(code).toBe(0);
		const { totals } = coverageReportSchema.parse(JSON.parse(stdout));
		expect(totals.cells).toMatchObject({ placeholder: 0, unchecked: 0, broken: 0 });

		const undo = await espalier('undo', receipt, '-o', join(folder, 'undo.json'), ...mirrorFlags());
		expect(undo).toMatchObject({ code: 0 });
	}, 60_000);

	it('names all the places where nothing was found', async () => {
		const other = `127.0.0.1:${await freePort()}`;
		const idms = write('idms.yaml', mirrorSet('Digest', unreachable, other));
		const { code, stderr } = await espalier(
			'audit',
			`${unreachable}/${releaseRepository}@${release.root.digest}`,
			'--mirrors',
			idms,
		);
		expect(code).toBe(1);
		expect(stderr).toContain(`in this order: ${other}/${releaseRepository} (`);
	});
});

describe('--mirrors', () => {
	it('says what of a file is not followed', async () => {
		const conf = `unqualified-search-registries = ["a.io"]\n[[registry]]\nlocation = "b.io"\n`;
		const file = write('registries.conf', conf);
		const { stderr } = await espalier('audit', '127.0.0.1:1/a:1', '--mirrors', file);
		expect(stderr).toContain('registries.conf: unqualified-search-registries is not followed');
	});

	it.each([
		['a file that is not there', undefined, /“.*none” after --mirrors cannot be read/],
		['a file that is none of mirrors', 'hello', /“.*none” after --mirrors cannot be used\. /],
	])('refuses %s', async (_, text, expected) => {
		const file = text === undefined ? join(folder, 'none') : write('none', text);
		await expect(espalier('audit', 'a.io/a:1', '--mirrors', file)).rejects.toThrow(expected);
	});
});
