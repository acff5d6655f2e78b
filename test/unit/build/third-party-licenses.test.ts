import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Plugin } from 'vite';
import { afterAll, expect, it } from 'vitest';
import { thirdPartyLicenses } from '../../../.config/third-party-licenses.ts';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'espalier-licenses-'));
afterAll(() => rmSync(folder, { recursive: true }));

function entry(code: string): Plugin {
	return {
		name: 'entry',
		resolveId: (id) => (id.endsWith('entry.js') ? join(root, 'entry.js') : undefined),
		load: (id) => (id === join(root, 'entry.js') ? code : undefined),
	};
}

async function bundle(below: string, code: string, plugin: Plugin): Promise<void> {
	await build({
		configFile: false,
		root,
		logLevel: 'silent',
		plugins: [entry(code), plugin],
		build: {
			outDir: join(folder, below),
			minify: false,
			lib: { entry: 'entry.js', formats: ['es'], fileName: 'entry' },
		},
	});
}

function written(path: string): string {
	return readFileSync(join(folder, path, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
}

function named(text: string): readonly string[] {
	return [...text.matchAll(/^(\S+) \d\S*\nLicence: (.+)$/gm)].map(
		([, name, id]) => `${name} ${id}`,
	);
}

it('the licences of what is bundled are written down, in one order, with their texts', async () => {
	const page = "export { gzipSync } from 'fflate'; export { readKeys } from 'openpgp';";
	await bundle('web', page, thirdPartyLicenses().page());
	const first = written('web');
	expect(named(first)).toEqual(['fflate MIT', 'openpgp LGPL-3.0+']);
	for (const text of [
		'Arjun Barrett',
		'GNU LESSER GENERAL PUBLIC LICENSE',
		'TERMS AND CONDITIONS',
	]) {
		expect(first).toContain(text);
	}
	expect(first).not.toContain(root);
	await bundle('web', page, thirdPartyLicenses().page());
	expect(written('web')).toBe(first);

	// The program's build adds what the page brings along, each package once.
	const program = "export { unzipSync } from 'fflate'; export { parse } from 'yaml';";
	await bundle('proxy', program, thirdPartyLicenses().program());
	expect(named(written('.'))).toEqual(['fflate MIT', 'openpgp LGPL-3.0+', 'yaml ISC']);
	expect(written('.')).toContain('TERMS AND CONDITIONS');
});

it('only what is bundled is written down', async () => {
	await bundle('bare/proxy', 'export const nothing = 1;', thirdPartyLicenses().program());
	expect(named(written('bare'))).toEqual([]);
	expect(written('bare')).not.toContain('GNU');
});
