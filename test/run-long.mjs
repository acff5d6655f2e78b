#!/usr/bin/env node
/**
 * `npm run test:long`: every campaign in full: the unit tests that take their counts from ESPALIER_LONG, of which
 * `npm test` runs a tenth. `npm run test:long -- crashes` runs those whose path contains that word.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const unit = join(root, 'test', 'unit');
/** A campaign asks for the variable itself or through test/support/long.ts, maybe in a module beside it. */
const asks = /ESPALIER_LONG|support\/long\.ts/;

function sourceOf(path) {
	const text = readFileSync(path, 'utf8');
	const beside = [...text.matchAll(/from '(\.\/[\w-]+\.ts)'/g)].map(([, name]) =>
		readFileSync(join(dirname(path), name), 'utf8'),
	);
	return [text, ...beside].join('\n');
}

function campaigns() {
	return readdirSync(unit, { recursive: true })
		.filter((name) => name.endsWith('.test.ts'))
		.map((name) => join(unit, name))
		.filter((path) => asks.test(sourceOf(path)));
}

function run(args) {
	return new Promise((resolve) => {
		const env = { ...process.env, ESPALIER_LONG: '1' };
		const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env });
		child.on('error', () => resolve(127));
		child.on('close', (code) => resolve(code ?? 1));
	});
}

const words = process.argv.slice(2);
const chosen = campaigns().filter(
	(path) => words.length === 0 || words.some((word) => path.includes(word)),
);
if (chosen.length === 0) {
	process.stderr.write(`There is no campaign “${words.join(' ')}”.\n`);
	process.exit(1);
}
const scratch = mkdtempSync(join(tmpdir(), 'espalier-long-'));
const file = join(scratch, 'report.json');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const reporters = ['--reporter', 'verbose', '--reporter', 'json', '--outputFile.json', file];
// One after the other: they measure, and wait for each other's processes otherwise.
const order = ['--project', 'unit', '--no-file-parallelism'];
const code = await run([vitest, 'run', ...order, ...reporters, ...chosen]);
const counts = { passed: 0, failed: 0, skipped: 0 };
try {
	const report = JSON.parse(readFileSync(file, 'utf8'));
	counts.passed = report.numPassedTests;
	counts.failed = report.numFailedTests;
	counts.skipped = report.numPendingTests + report.numTodoTests;
} catch {
	// Without a report the runner itself failed, which its code says.
}
rmSync(scratch, { recursive: true, force: true });
// A runner that ended badly without a failed test has failed all the same.
if (code !== 0 && counts.failed === 0) counts.failed = 1;
process.stdout.write(
	`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
