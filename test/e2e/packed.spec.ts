import { expect, test } from '@playwright/test';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { coverageReportSchema } from '../../shared/report/coverage-report.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

test('a packed tarball, installed into an empty folder, works without this project and without a network', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'espalier-packed-'));
	try {
		// What prepack builds is there already.
		await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
		const [tarball] = await readdir(folder);
		expect((await stat(join(folder, tarball ?? ''))).size).toBeLessThan(1.5 * 1024 * 1024);
		const empty = join(folder, 'empty');
		await mkdir(empty);
		await writeFile(join(empty, 'package.json'), '{}');
		await run(
			'npm',
			['install', '--offline', '--no-audit', '--no-fund', join(folder, tarball ?? '')],
			{ cwd: empty },
		);
		expect(
			(await readdir(join(empty, 'node_modules'))).filter((name) => !name.startsWith('.')),
		).toEqual(['espalier']);
		const args = [
			'--no-install',
			'espalier',
			'audit',
			'store/demo/release:4.20.0-demo',
			'--store',
			join(folder, 'store'),
			'--json',
		];
		const { stdout } = await run('npx', args, { cwd: empty });
		const report = coverageReportSchema.parse(JSON.parse(stdout));
		expect(report.totals.cells).toEqual({
			built: 40,
			placeholder: 5,
			missing: 1,
			broken: 1,
			mismatch: 1,
			extra: 1,
			unchecked: 4,
			exempt: 0,
		});
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
});
