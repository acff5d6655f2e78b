import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readTar } from '../../../shared/archive/tar.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { parsePayload } from '../../../shared/release/payload.ts';
import { rewritePayload, type Renaming } from '../../../shared/release/payload-rewrite.ts';
import { findVersion } from '../../../shared/release/version-mentions.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	fixture,
	fixturesMissing,
	payloadLayer412,
	skippedWithoutFixtures,
} from '../../support/fixtures.ts';
import { packLayer, textBytes, type LayerFile } from '../../support/release-maker.ts';

function digest(text: string) {
	return hashOf('sha256', textBytes(text));
}

const repository = 'quay.io/acme/parts';
const etcd = `${repository}@${digest('etcd')}`;
const pod = `${repository}@${digest('pod')}`;
const newEtcd = `${repository}@${digest('new etcd')}`;
const moved = `registry.example:5000/a/much/longer/name@${digest('etcd')}`;

function references(components: Readonly<Record<string, string>>, name = '4.20.0'): LayerFile {
	const stream = {
		kind: 'ImageStream',
		apiVersion: 'image.openshift.io/v1',
		metadata: { name },
		spec: {
			tags: Object.entries(components).map(([component, pullspec]) => ({
				name: component,
				from: { kind: 'DockerImage', name: pullspec },
			})),
		},
	};
	return { name: 'image-references', text: JSON.stringify(stream, null, 2) };
}

function metadata(version = '4.20.0'): LayerFile {
	const release = { kind: 'cincinnati-metadata-v0', version, previous: ['4.20.0-rc.1', '4.19.9'] };
	return { name: 'release-metadata', text: JSON.stringify(release, null, 2) };
}

async function archiveOf(...files: readonly LayerFile[]): Promise<Uint8Array> {
	return (await packLayer('oci', files)).tar;
}

async function textsOf(archive: Uint8Array): Promise<Record<string, string>> {
	const entries = await readTar(archive, 100);
	const files = entries.filter(({ type }) => type === 'file');
	return Object.fromEntries(
		files.map(({ name, bytes }) => [
			name.replace('release-manifests/', ''),
			Buffer.from(bytes).toString('latin1'),
		]),
	);
}

function replacing(...pairs: readonly (readonly [string, string])[]) {
	return { pullspecs: new Map(pairs) };
}

function refusalOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no refusal',
		(error: unknown) => `${problemOf(error).code}: ${problemOf(error).reason}`,
	);
}

describe('a payload with new pullspecs', () => {
	it.each([
		['in quotes', (pullspec: string) => `image: "${pullspec}"\n`],
		['after a blank, up to a line’s end', (pullspec: string) => `image: ${pullspec}\n`],
		['after an equals sign', (pullspec: string) => `--image=${pullspec} --v=2`],
		['at the very beginning and end', (pullspec: string) => pullspec],
		['several times, side by side', (pullspec: string) => `${pullspec},${pullspec};${pullspec}`],
		['beside what is no UTF-8', (pullspec: string) => `\xff\xfe${pullspec}\xe9`],
	])('has them %s', async (_, write) => {
		const text = write(etcd);
		const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
		const { tar } = await packLayer('oci', [{ name: 'a.yaml', text: 'x'.repeat(bytes.length) }]);
		tar.set(bytes, 1024);
		const rewritten = await rewritePayload(tar, replacing([etcd, newEtcd]));
		expect(await textsOf(rewritten.archive)).toEqual({ 'a.yaml': write(newEtcd) });
		const replacements = text.split(etcd).length - 1;
		expect(rewritten.files).toEqual([{ name: 'a.yaml', replacements }]);
	});

	it('has files of another length where repositories differ', async () => {
		const archive = await archiveOf(
			references({ etcd, pod }),
			{ name: 'a.yaml', text: `image: ${etcd}\nother: ${pod}\n` },
			{ name: 'b.yaml', text: 'nothing' },
		);
		const { archive: made, leftovers } = await rewritePayload(
			archive,
			replacing([etcd, moved], [pod, pod]),
		);
		expect(await textsOf(made)).toEqual({
			'image-references': references({ etcd: moved, pod }).text,
			'a.yaml': `image: ${moved}\nother: ${pod}\n`,
			'b.yaml': 'nothing',
		});
		expect(leftovers).toEqual([]);
	});

	it('knows digests of both kinds', async () => {
		const long = `${repository}@${hashOf('sha512', textBytes('etcd'))}`;
		const archive = await archiveOf({ name: 'a.yaml', text: `${long} ${etcd}` });
		const rewritten = await rewritePayload(archive, replacing([long, pod], [etcd, newEtcd]));
		expect(await textsOf(rewritten.archive)).toEqual({ 'a.yaml': `${pod} ${newEtcd}` });
	});

	it('tells one digest in two repositories apart', async () => {
		const other = `quay.io/acme/others@${digest('etcd')}`;
		const archive = await archiveOf({ name: 'a.yaml', text: `${etcd} ${other}` });
		const rewritten = await rewritePayload(archive, replacing([etcd, newEtcd], [other, other]));
		expect(await textsOf(rewritten.archive)).toEqual({ 'a.yaml': `${newEtcd} ${other}` });
	});

	it('is the very same archive where nothing is to be replaced', async () => {
		const archive = await archiveOf(references({ pod }), { name: 'a.yaml', text: pod });
		const rewritten = await rewritePayload(archive, replacing([pod, pod], [etcd, newEtcd]));
		expect(rewritten).toEqual({ archive, files: [], mentions: [], leftovers: [] });
		expect(rewritten.archive).toBe(archive);
	});

	it.each([
		['in another repository', `x${etcd}`],
		['below another repository', `mirror.example/${etcd}`],
		['with a tag between', etcd.replace('@', ':4.20@')],
		['without repository', digest('etcd')],
		['with a dash', digest('etcd').replace(':', '-')],
		['in capitals', digest('etcd').toUpperCase()],
		['as a part of more digits', `${etcd}00`],
	])('is refused where the old digest is left %s', async (_, text) => {
		const archive = await archiveOf({ name: 'a.yaml', text: `${etcd} ${text}` });
		expect(await refusalOf(rewritePayload(archive, replacing([etcd, newEtcd])))).toBe(
			`payload-invalid: The payload's a.yaml still names ${digest('etcd')}, the old digest of ${etcd}, in a form that cannot be replaced.`,
		);
	});

	it.each([
		['with a mark, least first', '\uFEFF', false],
		['with a mark, most first', '\uFEFF', true],
		['without a mark, least first', '', false],
		['without a mark, most first', '', true],
	])('is refused where the old digest is left in UTF-16 %s', async (_, mark, isBigEndian) => {
		const bytes = Buffer.from(`${mark}image: ${etcd}\n`, 'utf16le');
		if (isBigEndian) bytes.swap16();
		const { tar } = await packLayer('oci', [{ name: 'a.yaml', text: 'x'.repeat(bytes.length) }]);
		tar.set(bytes, 1024);
		expect(await refusalOf(rewritePayload(tar, replacing([etcd, newEtcd], [pod, pod])))).toContain(
			`payload-invalid: The payload's a.yaml still names ${digest('etcd')}, the old digest of`,
		);
		const rewritten = await rewritePayload(tar, replacing([etcd, moved]));
		expect(rewritten.leftovers).toEqual([{ file: 'a.yaml', digest: digest('etcd') }]);
		expect((await rewritePayload(tar, replacing([pod, newEtcd]))).leftovers).toEqual([]);
	});

	it('tells of a moved image’s digest in another form, without refusing it', async () => {
		const archive = await archiveOf({ name: 'a.yaml', text: `${etcd} ${digest('etcd')}` });
		const { archive: made, leftovers } = await rewritePayload(archive, replacing([etcd, moved]));
		expect(await textsOf(made)).toEqual({ 'a.yaml': `${moved} ${digest('etcd')}` });
		expect(leftovers).toEqual([{ file: 'a.yaml', digest: digest('etcd') }]);
	});

	it('is refused where image-references writes a pullspec in a form of its own', async () => {
		const { name, text } = references({ etcd });
		const archive = await archiveOf({ name, text: text.replaceAll('/', '\\/') });
		expect(await refusalOf(rewritePayload(archive, replacing([etcd, moved])))).toContain(
			"payload-invalid: The payload's image-references writes",
		);
	});
});

describe('a payload with a new version', () => {
	const files = [
		references({ etcd, pod }),
		metadata(),
		{ name: 'a.yaml', text: `image: ${etcd}\nversion: "4.20.0"\nrc: 4.20.0-rc.1\n` },
	];
	const rename: Renaming = { from: '4.20.0', to: '4.20.0-acme.1', everywhere: false };

	it('has it in its two structured places, and tells of the others', async () => {
		const archive = await archiveOf(...files);
		const rewritten = await rewritePayload(archive, { pullspecs: new Map(), rename });
		expect(await textsOf(rewritten.archive)).toEqual({
			'image-references': references({ etcd, pod }, '4.20.0-acme.1').text,
			'release-metadata': metadata('4.20.0-acme.1').text,
			'a.yaml': files[2]!.text,
		});
		expect(rewritten.mentions).toEqual([
			{ file: 'a.yaml', line: 2, text: 'version: "4.20.0"', rewritten: false },
		]);
		expect(rewritten.files).toEqual([]);
	});

	it('has it everywhere when asked, with new pullspecs in one go', async () => {
		const archive = await archiveOf(...files);
		const rewritten = await rewritePayload(archive, {
			pullspecs: new Map([[etcd, moved]]),
			rename: { ...rename, everywhere: true },
		});
		expect((await textsOf(rewritten.archive))['a.yaml']).toBe(
			`image: ${moved}\nversion: "4.20.0-acme.1"\nrc: 4.20.0-rc.1\n`,
		);
		expect(rewritten.mentions.map((mention) => mention.rewritten)).toEqual([true]);
	});

	it('never has it inside a pullspec, whether that changes or stays', async () => {
		const stays = `quay.io/acme/4.20.0@${digest('stays')}`;
		const goes = `quay.io/acme/4.20.0@${digest('goes')}`;
		const comes = `quay.io/acme/4.20.0@${digest('comes')}`;
		const archive = await archiveOf({ name: 'a.yaml', text: `${stays} ${goes}` });
		const rewritten = await rewritePayload(archive, {
			pullspecs: new Map([
				[stays, stays],
				[goes, comes],
			]),
			rename: { ...rename, everywhere: true },
		});
		expect(await textsOf(rewritten.archive)).toEqual({ 'a.yaml': `${stays} ${comes}` });
		expect(rewritten.mentions).toEqual([]);
	});

	it('leaves what the two special files say of the past', async () => {
		const past = JSON.stringify({ ...JSON.parse(metadata().text), url: 'https://x/4.20.0' });
		const archive = await archiveOf({ name: 'release-metadata', text: past });
		const rewritten = await rewritePayload(archive, {
			pullspecs: new Map(),
			rename: { ...rename, everywhere: true },
		});
		const [text = ''] = Object.values(await textsOf(rewritten.archive));
		expect(JSON.parse(text)).toMatchObject({ version: '4.20.0-acme.1', url: 'https://x/4.20.0' });
		expect(rewritten.mentions).toMatchObject([{ file: 'release-metadata', rewritten: false }]);
	});

	it.each(['constructor', '__proto__', 'toString'])(
		'takes a file for what it is that is called %s',
		async (name) => {
			const archive = await archiveOf({ name, text: 'version: 4.20.0\n' });
			const rewritten = await rewritePayload(archive, { pullspecs: new Map(), rename });
			expect(rewritten.mentions).toEqual([
				{ file: name, line: 1, text: 'version: 4.20.0', rewritten: false },
			]);
		},
	);

	it('is refused where a special file could be read in two ways', async () => {
		const text = '{"version":"1.0.0","version":"4.20.0"}';
		const archive = await archiveOf({ name: 'release-metadata', text });
		expect(await refusalOf(rewritePayload(archive, { pullspecs: new Map(), rename }))).toBe(
			'malformed: The payload\'s release-metadata cannot be edited: it has "version" twice.',
		);
	});

	it('shows a long line around the place', async () => {
		const text = `\n\n${'a '.repeat(500)}4.20.0${' b'.repeat(500)}\n`;
		const archive = await archiveOf({ name: 'a.yaml', text });
		const { mentions } = await rewritePayload(archive, { pullspecs: new Map(), rename });
		expect(mentions).toMatchObject([{ line: 3 }]);
		expect(mentions[0]?.text).toContain(' 4.20.0 ');
		expect(mentions[0]?.text.length).toBeLessThanOrEqual(200);
	});
});

describe('the version 4.12.0', () => {
	it.each([
		'4.12.0',
		'v4.12.0',
		'"4.12.0"',
		'4.12.0,',
		'release-4.12.0',
		'4.12.0.',
		'4.12.0_x',
		'4.12.0\n',
	])('is named by %j', (text) => expect(findVersion(text, '4.12.0')).toHaveLength(1));

	it.each([
		'14.12.0',
		'1.4.12.0',
		'4.12.01',
		'4.12.0-rc.8',
		'4.12.0+build',
		'4.12.0.1',
		'4.12.0a',
		'4x12.0',
	])('is not named by %j', (text) => expect(findVersion(text, '4.12.0')).toEqual([]));
});

interface RewriteCase {
	readonly from?: string;
	readonly to?: string;
	readonly size: number;
	readonly sha256: string;
	readonly occurrences: number;
	readonly touched: readonly string[];
}

describe.skipIf(fixturesMissing)(
	`the genuine 4.12.0 payload, rewritten (skipped: ${skippedWithoutFixtures})`,
	() => {
		const cases = fixturesMissing
			? []
			: Object.entries(
					(
						JSON.parse(readFileSync(fixture('cases', 'payload-rewrite.json'), 'utf8')) as {
							cases: Record<string, RewriteCase>;
						}
					).cases,
				);
		const readArchive = async () => new Uint8Array(gunzipSync(await readFile(payloadLayer412)));
		const componentsOf = async (archive: Uint8Array) =>
			parsePayload([await readTar(archive, 1000)]).imageReferences.components;

		it.each(cases)('is byte for byte what it should be: %s', async (_, expected) => {
			const archive = await readArchive();
			const { from, to } = expected;
			const components = await componentsOf(archive);
			const pullspecs = new Map(
				components.map(({ pullspec }) => [pullspec, pullspec === from && to ? to : pullspec]),
			);
			const rewritten = await rewritePayload(archive, { pullspecs });
			expect(rewritten.archive).toHaveLength(expected.size);
			expect(hashOf('sha256', rewritten.archive)).toBe(`sha256:${expected.sha256}`);
			expect(rewritten.files.map(({ name }) => name)).toEqual(expected.touched);
			const count = rewritten.files.reduce((sum, { replacements }) => sum + replacements, 0);
			expect(count).toBe(expected.occurrences);
		});

		it('names all 183 components anew in 564 places, and 116 times its version in 91 manifests', async () => {
			const archive = await readArchive();
			const components = await componentsOf(archive);
			const pullspecs = new Map(
				components.map(({ pullspec }) => [pullspec, `quay.io/acme/parts@${digest(pullspec)}`]),
			);
			const rename = { from: '4.12.0', to: '4.12.0-acme.1', everywhere: true };
			const rewritten = await rewritePayload(archive, { pullspecs, rename });
			const count = rewritten.files.reduce((sum, { replacements }) => sum + replacements, 0);
			expect(count).toBe(564);
			expect(rewritten.mentions).toHaveLength(116);
			expect(new Set(rewritten.mentions.map(({ file }) => file)).size).toBe(91);
			expect(rewritten.leftovers).toEqual([]);
			const now = parsePayload([await readTar(rewritten.archive, 1000)]);
			expect(now.metadata).toMatchObject({ version: '4.12.0-acme.1' });
			expect(now.imageReferences.name).toBe('4.12.0-acme.1');
			expect(now.imageReferences.components.map(({ pullspec }) => pullspec)).toEqual([
				...pullspecs.values(),
			]);
			expect(hashOf('sha256', rewritten.archive)).toBe(
				'sha256:48aaefed9bc3cfad7de3c579092c10f11b590b9608095c2ff5e6a1f62a84a959',
			);
		});
	},
);
