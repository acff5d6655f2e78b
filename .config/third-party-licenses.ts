/** Writes down the licences of what is bundled: beside the page, and for the page and the program together. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin, Rolldown } from 'vite';

const fileName = 'THIRD-PARTY-LICENSES.txt';
const line = `\n\n${'='.repeat(80)}\n\n`;

const heading = [
	'What others wrote and Espalier brings along in its bundles, with their licences.',
	'The source of each package is what the npm package of that name and version holds.',
].join('\n');

/** LGPL-3.0 §4b: its text goes with that of the GPL, which such packages leave out. */
const gplName = 'GNU General Public License 3.0, which the LGPL-3.0 above refers to';

/** The folder of the package that a module is of; undefined for our own and for what the bundler makes up. */
function packageFolder(moduleId: string): string | undefined {
	return /^[^\0?]*\/node_modules\/(?:@[^/]+\/)?[^/@]+(?=\/)/.exec(
		moduleId.replaceAll('\\', '/'),
	)?.[0];
}

interface Manifest {
	readonly name: string;
	readonly version: string;
	readonly license: string;
}

/** @throws Error for a package that does not say its licence, so that none comes along unnoticed */
function readManifest(folder: string): Manifest {
	const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
	const { name, version, license } = manifest as Partial<Manifest>;
	if (name === undefined || version === undefined || typeof license !== 'string') {
		throw new Error(`The package ${name ?? folder} does not say its licence.`);
	}
	return { name, version, license };
}

function licenceTexts(folder: string): readonly string[] {
	return readdirSync(folder)
		.filter((name) => /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i.test(name))
		.sort()
		.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());
}

function section(folder: string): string {
	const { name, version, license } = readManifest(folder);
	const texts = licenceTexts(folder);
	if (texts.length === 0) throw new Error(`The package ${name} has no licence text.`);
	return [`${name} ${version}\nLicence: ${license}`, ...texts].join('\n\n');
}

function inOrder(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

function gplSection(sections: readonly string[]): readonly string[] {
	if (!sections.some((one) => /^Licence: LGPL-3\.0/m.test(one))) return [];
	const text = readFileSync(join(import.meta.dirname, 'GPL-3.0.txt'), 'utf8').trim();
	return [`${gplName}\n\n${text}`];
}

function fileText(sections: Iterable<string>): string {
	const packages = [...new Set(sections)].sort(inOrder);
	return `${[heading, ...packages, ...gplSection(packages)].join(line)}\n`;
}

/** The packages that such a file names. */
function sectionsIn(path: string): readonly string[] {
	if (!existsSync(path)) return [];
	const sections = readFileSync(path, 'utf8').trimEnd().split(line).slice(1);
	return sections.filter((one) => !one.startsWith(gplName));
}

function foldersIn(bundle: Rolldown.OutputBundle): readonly string[] {
	return Object.values(bundle).flatMap((output) =>
		output.type === 'chunk' ? output.moduleIds.flatMap((id) => packageFolder(id) ?? []) : [],
	);
}

export interface ThirdPartyLicenses {
	/** of the page: writes the file into its folder */
	readonly page: () => Plugin;
	/** of its workers: what they bundle goes into the page's file */
	readonly worker: () => Plugin;
	/** of the program, after the page: writes the file for both into the folder above */
	readonly program: () => Plugin;
}

export function thirdPartyLicenses(): ThirdPartyLicenses {
	const folders = new Set<string>();
	const collect = (bundle: Rolldown.OutputBundle) => {
		for (const folder of foldersIn(bundle)) folders.add(folder);
	};
	const name = 'third-party-licenses';
	return {
		page: () => ({
			name,
			apply: 'build',
			generateBundle(_, bundle) {
				collect(bundle);
				this.emitFile({ type: 'asset', fileName, source: fileText([...folders].map(section)) });
			},
		}),
		worker: () => ({ name, generateBundle: (_, bundle) => collect(bundle) }),
		program: () => ({
			name,
			apply: 'build',
			writeBundle({ dir }, bundle) {
				collect(bundle);
				const above = dirname(dir ?? 'dist/proxy');
				const page = sectionsIn(join(above, 'web', fileName));
				writeFileSync(join(above, fileName), fileText([...page, ...[...folders].map(section)]));
			},
		}),
	};
}
