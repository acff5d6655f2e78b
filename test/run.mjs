#!/usr/bin/env node
/**
 * `npm test`: makes sure that everything is there, then runs all checks and tests, fast ones first.
 * `npm test -- unit` runs one part: check, unit or e2e.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareBuild, prepareDependencies } from '../proxy/start.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'espalier-test-'));

/** What the tests meet besides Node: any of the programs will do; the package is Debian's. */
const tools = [
	{
		programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
		package: 'chromium',
		use: 'the page',
	},
	{ programs: ['docker-registry'], package: 'docker-registry', use: 'a real registry' },
	{ programs: ['skopeo'], package: 'skopeo', use: 'a foreign client' },
];

function say(text) {
	process.stdout.write(`${text}\n`);
}

function isOnPath(program) {
	return (process.env.PATH ?? '')
		.split(delimiter)
		.some((folder) => existsSync(join(folder, program)));
}

function missingTools() {
	const named = process.env.CHROMIUM ? ['chromium'] : [];
	return tools.filter(
		({ programs, package: name }) => !programs.some(isOnPath) && !named.includes(name),
	);
}

function run(command, args, options = {}) {
	return new Promise((resolve) => {
		const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
		child.on('error', () => resolve(127));
		child.on('close', (code) => resolve(code ?? 1));
	});
}

/** apt, where it is there and we may use it without asking for a password. */
function aptCommand() {
	if (!isOnPath('apt-get')) return undefined;
	if (process.getuid?.() === 0) return ['apt-get'];
	const maySudo = isOnPath('sudo') && spawnSync('sudo', ['-n', 'true']).status === 0;
	return maySudo ? ['sudo', '-n', 'apt-get'] : undefined;
}

async function installTools() {
	const wanted = missingTools();
	if (wanted.length === 0) return;
	const apt = aptCommand();
	if (apt) {
		const [program, ...before] = apt;
		const packages = wanted.map((tool) => tool.package);
		say(`Installing ${packages.join(', ')} …`);
		const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
		const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
		await run(program, [...before, 'update', '-qq'], quiet);
		await run(
			program,
			[...before, 'install', '-y', '-qq', '--no-install-recommends', ...packages],
			quiet,
		);
	}
	for (const tool of missingTools()) {
		say(
			`Not installed: ${tool.programs[0]} (${tool.use}). Tests that need it are skipped. Debian, Ubuntu: apt-get install ${tool.package}`,
		);
	}
}

const script = (path) => join(root, 'node_modules', path);

async function check() {
	const commands = [
		[script('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
		[script('eslint/bin/eslint.js'), '-c', '.config/eslint.config.js', '--max-warnings', '0', '.'],
		[
			script('svelte-check/bin/svelte-check'),
			'--tsconfig',
			'./tsconfig.json',
			'--fail-on-warnings',
			'--output',
			'human',
		],
		[script('typescript/bin/tsc'), '--noEmit'],
	];
	let failed = 0;
	const waiting = [...commands];
	const worker = async () => {
		for (let args = waiting.shift(); args; args = waiting.shift()) {
			failed += Number((await run(process.execPath, args)) !== 0);
		}
	};
	await Promise.all([worker(), worker()]);
	return { passed: commands.length - failed, failed, skipped: 0 };
}

function readReport(path) {
	return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** A runner that ended badly without a failed test has failed all the same. */
function counted(code, counts) {
	const isLost = counts === undefined || (code !== 0 && counts.failed === 0);
	return isLost
		? { passed: counts?.passed ?? 0, failed: 1, skipped: counts?.skipped ?? 0 }
		: counts;
}

async function vitest(projects) {
	const path = join(scratch, `vitest-${projects.join('-')}.json`);
	const chosen = projects.flatMap((project) => ['--project', project]);
	const reporters = ['--reporter', 'dot', '--reporter', 'json', '--outputFile.json', path];
	const code = await run(process.execPath, [
		script('vitest/vitest.mjs'),
		'run',
		...chosen,
		...reporters,
	]);
	const report = readReport(path);
	return counted(
		code,
		report && {
			passed: report.numPassedTests,
			failed: report.numFailedTests,
			skipped: report.numPendingTests + report.numTodoTests,
		},
	);
}

async function playwright() {
	const path = join(scratch, 'playwright.json');
	const env = { ...process.env, PLAYWRIGHT_JSON_OUTPUT_NAME: path };
	const args = [script('@playwright/test/cli.js'), 'test', '--reporter', 'list,json'];
	const code = await run(process.execPath, args, { env });
	const stats = readReport(path)?.stats;
	return counted(
		code,
		stats && {
			passed: stats.expected,
			failed: stats.unexpected + stats.flaky,
			skipped: stats.skipped,
		},
	);
}

const parts = {
	check,
	unit: () => vitest(['unit', 'runes']),
	browser: () => vitest(['browser']),
	e2e: playwright,
};

await prepareDependencies(root);
await installTools();
await prepareBuild(root);

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
	process.stderr.write(
		`There is no part “${unknown.join(' ')}”; there are ${Object.keys(parts).join(', ')}.\n`,
	);
	process.exit(1);
}
const total = { passed: 0, failed: 0, skipped: 0 };
for (const [name, part] of Object.entries(parts)) {
	if (asked.length > 0 && !asked.includes(name)) continue;
	say(`\n== ${name}`);
	const startedAt = Date.now();
	const counts = await part();
	say(
		`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped in ${Math.round((Date.now() - startedAt) / 1000)} s`,
	);
	for (const key of Object.keys(total)) total[key] += counts[key];
}
rmSync(scratch, { recursive: true, force: true });
say(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
