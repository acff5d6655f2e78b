import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface StartScript {
	isNewEnough(version: string): boolean;
	installedAll(lock: object, record: object): boolean;
	needsInstall(root: string): boolean;
	needsBuild(root: string): boolean;
	stampBuild(root: string): void;
	stampInstall(root: string): void;
}

// A plain script without types: what it exports is said above.
const script: unknown = await import(new URL('../../../proxy/start.mjs', import.meta.url).href);
const start = script as StartScript;

let root: string;
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), 'espalier-start-'));
});
afterEach(() => {
	rmSync(root, { recursive: true });
});

function write(path: string, text: string): void {
	mkdirSync(join(root, path, '..'), { recursive: true });
	writeFileSync(join(root, path), text);
}

describe('the version of Node', () => {
	it.each([
		['v20.19.0', true],
		['v20.20.2', true],
		['v22.0.0', true],
		['v20.18.3', false],
		['v18.20.0', false],
	])('%s', (version, enough) => {
		expect(start.isNewEnough(version)).toBe(enough);
	});
});

describe('dependencies', () => {
	const lock = (version: string) =>
		JSON.stringify({
			packages: {
				'': { name: 'espalier' },
				'node_modules/a': { version, integrity: `sha512-${version}` },
				'node_modules/b-win32': { version: '1.0.0', optional: true },
			},
		});
	const record = (version: string) =>
		JSON.stringify({
			packages: { 'node_modules/a': { version, integrity: `sha512-${version}` } },
		});

	it('are installed where there are none', () => {
		write('package-lock.json', lock('1.0.0'));
		expect(start.needsInstall(root)).toBe(true);
	});

	it('are left alone where somebody else installed what the lock file says', () => {
		write('package-lock.json', lock('1.0.0'));
		write('node_modules/.package-lock.json', record('1.0.0'));
		expect(start.needsInstall(root)).toBe(false);
	});

	it('are installed again where the lock file says something else, and not twice', () => {
		write('package-lock.json', lock('1.0.0'));
		write('node_modules/.package-lock.json', record('1.0.0'));
		start.stampInstall(root);
		write('package-lock.json', lock('1.0.1'));
		expect(start.needsInstall(root)).toBe(true);
		write('node_modules/.package-lock.json', record('1.0.1'));
		start.stampInstall(root);
		expect(start.needsInstall(root)).toBe(false);
	});

	it('are installed where an installation was cut short', () => {
		write('package-lock.json', lock('1.0.0'));
		write('node_modules/a/package.json', '{}');
		expect(start.needsInstall(root)).toBe(true);
	});
});

describe('the build', () => {
	function built(): void {
		write('web/index.html', '<html>');
		write('proxy/main.ts', 'main');
		write('shared/oci/digest.ts', 'digest');
		write('package.json', '{}');
		write('dist/web/index.html', 'built');
		write('dist/proxy/main.js', 'built');
		start.stampBuild(root);
	}

	it('is made where there is none', () => {
		write('proxy/main.ts', 'main');
		expect(start.needsBuild(root)).toBe(true);
	});

	it('is left alone where nothing changed but times', () => {
		built();
		expect(start.needsBuild(root)).toBe(false);
		utimesSync(join(root, 'proxy/main.ts'), 1, 1);
		write('README.md', 'read me');
		expect(start.needsBuild(root)).toBe(false);
	});

	it.each([
		['changed', () => write('shared/oci/digest.ts', 'other')],
		['added', () => write('web/ui/new.svelte', 'new')],
		[
			'renamed',
			() => {
				rmSync(join(root, 'proxy/main.ts'));
				write('proxy/other.ts', 'main');
			},
		],
		['removed', () => rmSync(join(root, 'shared'), { recursive: true })],
	])('is made again where a source was %s', (_, change) => {
		built();
		change();
		expect(start.needsBuild(root)).toBe(true);
	});

	it('is made again where a part is missing or came about otherwise', () => {
		built();
		utimesSync(join(root, 'dist/proxy/main.js'), 1, 1);
		expect(start.needsBuild(root)).toBe(true);
		start.stampBuild(root);
		rmSync(join(root, 'dist/web'), { recursive: true });
		expect(start.needsBuild(root)).toBe(true);
	});
});
