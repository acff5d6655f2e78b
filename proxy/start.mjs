#!/usr/bin/env node
/**
 * Starts Espalier from a fresh clone: installs what is missing, builds what is out of date, and runs it.
 * Runs before anything is installed, so it imports nothing but Node's own modules.
 *
 *   node proxy/start.mjs serve …   what `npm start` does
 *   node proxy/start.mjs dev       what `npm run dev` does: hot reload for the page, restart for the proxy
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
	mkdirSync,
	readdirSync,
	readFileSync,
	realpathSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const oldestNode = [20, 19];
const sources = [
	'web',
	'proxy',
	'shared',
	'vite.config.ts',
	'tsconfig.json',
	'package.json',
	'package-lock.json',
];
const outputs = ['dist/web/index.html', 'dist/proxy/main.js'];
const installStamp = 'node_modules/.espalier-install';
const buildStamp = 'dist/.build';
const devPorts = { page: 4765, proxy: 4764 };

/** True for `v20.19.0` and everything later. */
export function isNewEnough(version) {
	const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
	return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

function readIfThere(path) {
	try {
		return readFileSync(path);
	} catch {
		return undefined;
	}
}

function hashOf(bytes) {
	return createHash('sha256').update(bytes).digest('hex');
}

/** True where npm's own record of what it installed has every package of the lock file in its version. */
export function installedAll(lock, record) {
	return Object.entries(lock.packages ?? {}).every(([path, wanted]) => {
		const found = record.packages?.[path];
		// What belongs to other systems is not installed.
		if (path === '' || (wanted.optional && !found)) return true;
		return found?.version === wanted.version && found?.integrity === wanted.integrity;
	});
}

/** Dependencies are there when the stamp of the last installation, or else npm's record, matches the lock file. */
export function needsInstall(root) {
	const lock = readIfThere(join(root, 'package-lock.json'));
	const record = readIfThere(join(root, 'node_modules/.package-lock.json'));
	if (!lock || !record) return true;
	if (readIfThere(join(root, installStamp))?.toString() === hashOf(lock)) return false;
	return !installedAll(JSON.parse(lock.toString()), JSON.parse(record.toString()));
}

export function stampInstall(root) {
	const lock = readFileSync(join(root, 'package-lock.json'));
	writeFileSync(join(root, installStamp), hashOf(lock));
}

function listFiles(path) {
	const entry = statSync(path, { throwIfNoEntry: false });
	if (!entry) return [];
	if (!entry.isDirectory()) return [path];
	return readdirSync(path, { withFileTypes: true })
		.filter(({ name }) => name !== 'node_modules')
		.sort((one, other) => (one.name < other.name ? -1 : 1))
		.flatMap((child) =>
			child.isDirectory() ? listFiles(join(path, child.name)) : [join(path, child.name)],
		);
}

/** Names and contents of everything that the build reads: a checkout that only touches times builds nothing. */
export function fingerprintSources(root) {
	const hash = createHash('sha256');
	for (const path of sources.flatMap((source) => listFiles(join(root, source)))) {
		const content = readFileSync(path);
		hash
			.update(`${relative(root, path).split(sep).join('/')}\0${content.length}\0`)
			.update(content);
	}
	return hash.digest('hex');
}

/** What the build made, as it was then: a build by hand, or half a build, does not pass for this one. */
function fingerprintOutputs(root) {
	const times = outputs.map((output) => {
		const entry = statSync(join(root, output), { throwIfNoEntry: false });
		return entry ? String(entry.mtimeMs) : undefined;
	});
	return times.includes(undefined) ? undefined : times.join(' ');
}

function describeBuild(root) {
	const made = fingerprintOutputs(root);
	return made && `${fingerprintSources(root)}\n${made}\n`;
}

/** True where a source differs from what was built, or where there is no whole build. */
export function needsBuild(root) {
	const stamp = readIfThere(join(root, buildStamp))?.toString();
	return stamp === undefined || stamp !== describeBuild(root);
}

export function stampBuild(root) {
	mkdirSync(join(root, 'dist'), { recursive: true });
	writeFileSync(join(root, buildStamp), describeBuild(root) ?? '');
}

function say(text) {
	process.stdout.write(`${text}\n`);
}

/** Runs a command to its end; what it printed is shown only where it fails. */
function runQuietly(command, args, options) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
		const printed = [];
		child.stdout.on('data', (chunk) => printed.push(chunk));
		child.stderr.on('data', (chunk) => printed.push(chunk));
		child.on('error', reject);
		child.on('close', (code) => {
			if (code === 0) return resolve();
			process.stderr.write(Buffer.concat(printed));
			reject(new Error(`“${[command, ...args].join(' ')}” failed.`));
		});
	});
}

async function install(root) {
	say('Installing dependencies (npm ci) …');
	// npm is a script of the command shell on Windows.
	const shell = process.platform === 'win32';
	await runQuietly('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, shell });
	stampInstall(root);
}

function vite(root, args) {
	const script = join(root, 'node_modules/vite/bin/vite.js');
	return runQuietly(process.execPath, [script, 'build', ...args], { cwd: root });
}

async function build(root) {
	say('Building …');
	await vite(root, []);
	// It writes the licences of both, and so comes after the page.
	await vite(root, ['--ssr', 'proxy/main.ts']);
	stampBuild(root);
}

function devCommands(root, passedOn) {
	const bin = (path) => join(root, 'node_modules', path);
	const { page, proxy } = devPorts;
	return [
		[bin('vite/bin/vite.js'), '--port', String(page), '--strictPort', '--clearScreen', 'false'],
		[
			bin('tsx/dist/cli.mjs'),
			...['watch', '--clear-screen=false', 'proxy/main.ts'],
			...['serve', '--port', String(proxy), '--no-open', ...passedOn],
		],
	];
}

/** The page and the proxy, each in its process, until one of them ends or Ctrl+C. */
function develop(root, passedOn) {
	const env = {
		...process.env,
		ESPALIER_DEV_PORT: String(devPorts.proxy),
		ESPALIER_DEV_ORIGIN: `http://localhost:${devPorts.page}`,
		ESPALIER_DEV_TOKEN: randomBytes(32).toString('base64url'),
	};
	const children = devCommands(root, passedOn).map((args) =>
		spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] }),
	);
	const endAll = () => children.forEach((child) => child.kill('SIGTERM'));
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, endAll);
	const ends = children.map(
		(child) =>
			new Promise((resolve) => {
				child.on('close', (code) => {
					process.exitCode ||= code ?? 0;
					endAll();
					resolve();
				});
			}),
	);
	return Promise.all(ends);
}

/** Refuses an old Node, and installs dependencies where they are missing or out of date. */
export async function prepareDependencies(root) {
	if (!isNewEnough(process.version)) {
		throw new Error(
			`Espalier needs Node ${oldestNode.join('.')} or later; this is ${process.version}. Get a newer one from https://nodejs.org.`,
		);
	}
	if (needsInstall(root)) await install(root);
	else if (!readIfThere(join(root, installStamp))) stampInstall(root);
}

/** Builds where a source has changed since. */
export async function prepareBuild(root) {
	if (needsBuild(root)) await build(root);
}

async function start(root, [command = 'serve', ...rest]) {
	await prepareDependencies(root);
	if (command === 'dev') return develop(root, rest);
	await prepareBuild(root);
	await import(pathToFileURL(join(root, 'dist/proxy/main.js')).href);
}

const isProgram =
	process.argv[1] !== undefined &&
	realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url));
if (isProgram) {
	const root = dirname(dirname(fileURLToPath(import.meta.url)));
	try {
		await start(root, process.argv.slice(2));
	} catch (error) {
		process.stderr.write(`${error.message}\n`);
		process.exitCode = 1;
	}
}
