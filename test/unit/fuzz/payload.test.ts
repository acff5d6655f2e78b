import fc from 'fast-check';
import { packTar } from 'modern-tar';
import { describe, expect, it } from 'vitest';
import { parseImageReferences } from '../../../shared/release/image-references.ts';
import { manifestsNaming } from '../../../shared/release/naming-manifests.ts';
import { isManifestFile, payloadFileName } from '../../../shared/release/payload.ts';
import { rewritePayload } from '../../../shared/release/payload-rewrite.ts';
import { indexPullspecs } from '../../../shared/release/pullspec-index.ts';
import { hexRuns, PullspecScan } from '../../../shared/release/pullspec-scan.ts';
import { parseReleaseMetadata } from '../../../shared/release/release-metadata.ts';
import { findVersion, toMentions } from '../../../shared/release/version-mentions.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import {
	bytesOf,
	damagedJson,
	damagedText,
	expectTyped,
	expectTypedLater,
	hostileText,
	isPolluted,
	runs,
} from '../../support/arbitraries.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { expectLinear } from './growth.ts';

const digests = [1, 2, 3].map((byte) => hashOf('sha256', Uint8Array.of(byte)));
const [oldDigest = '', newDigest = '', otherDigest = ''] = digests;
const before = `quay.io/acme/parts@${oldDigest}`;
const after = `registry.test/pruned@${newDigest}`;

const referencesJson = {
	kind: 'ImageStream',
	apiVersion: 'image.openshift.io/v1',
	metadata: { name: '4.20.0', creationTimestamp: '2026-01-01T00:00:00Z' },
	spec: {
		tags: [
			{
				name: 'etcd',
				annotations: {
					'io.openshift.build.versions': 'kubernetes=1.33.0,__proto__=x',
					'io.openshift.build.source-location': 'https://github.com/acme/etcd',
				},
				from: { kind: 'DockerImage', name: before },
			},
			{ name: 'other', from: { kind: 'DockerImage', name: `quay.io/acme/parts@${otherDigest}` } },
		],
	},
};
const metadataJson = {
	kind: 'cincinnati-metadata-v0',
	version: '4.20.0',
	previous: ['4.19.1'],
	next: [],
	metadata: { url: 'https://x.test', 'release.openshift.io/architecture': 'multi' },
};
const yaml = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: etcd
  namespace: openshift
  annotations:
    include.release.openshift.io/self-managed-high-availability: "true"
    capability.openshift.io/name: A+B
spec: &anchor
  image: ${before}
---
other: *anchor
`;

describe('image-references of anybody', () => {
	it('name components with names of their own, or are refused with a sentence', () => {
		const text = fc.oneof(
			damagedJson(referencesJson),
			damagedText(fc.constant(JSON.stringify(referencesJson))),
		);
		fc.assert(
			fc.property(text, (each) => {
				const read = expectTyped(() => parseImageReferences(each));
				if (read instanceof ProblemError) {
					expect(read.problem.code).toBe('payload-invalid');
					expect(read.problem.reason.length).toBeLessThan(1000);
				} else {
					const names = read.components.map(({ name }) => name);
					expect(new Set(names).size).toBe(names.length);
					for (const { name, versions } of read.components) {
						expect(name).toMatch(/^[\w.-]+$/);
						expect(Object.getPrototypeOf(versions)).toBe(Object.prototype);
					}
				}
				expect(isPolluted()).toBe(false);
			}),
			runs(1500),
		);
	});
});

describe('release-metadata of anybody', () => {
	it('is read, or refused with a sentence', () => {
		fc.assert(
			fc.property(damagedJson(metadataJson), (each) => {
				const read = expectTyped(() => parseReleaseMetadata(each));
				if (read instanceof ProblemError) expect(read.problem.code).toBe('payload-invalid');
				else expect(read.version).toMatch(/\d+\.\d+\.\d+/);
				expect(isPolluted()).toBe(false);
			}),
			runs(1000),
		);
	});
});

describe('a manifest file of anybody', () => {
	it('names what it names, or is told by its file name alone', () => {
		const text = fc.oneof(damagedText(fc.constant(yaml)), hostileText);
		fc.assert(
			fc.property(text, (each) => {
				const naming = manifestsNaming({ name: 'a.yaml', bytes: bytesOf(each) }, before);
				expect(naming.length).toBeGreaterThan(0);
				expect(isPolluted()).toBe(false);
			}),
			runs(300),
		);
	});

	it.each([
		['in brackets', '['.repeat(5000) + ']'.repeat(5000)],
		['in brackets that are never closed', '{['.repeat(5000)],
		['in dashes', '- '.repeat(3000)],
		['in question marks', '? '.repeat(3000)],
		['in lines', Array.from({ length: 2000 }, (_, at) => `${' '.repeat(at)}a:`).join('\n')],
	])('is told by its name where it is nested deeper than anything genuine, %s', (_, text) => {
		const bytes = bytesOf(`${text} # ${before}`);
		expect(manifestsNaming({ name: 'a.yaml', bytes }, before)).toMatchObject([
			{ file: 'a.yaml', kind: '' },
		]);
	});

	it('does not fill the memory with aliases of aliases', () => {
		const levels = Array.from({ length: 30 }, (_, at) => {
			const items = Array.from({ length: 9 }, () => `*a${at}`).join(', ');
			return `a${at + 1}: &a${at + 1} [${items}]`;
		});
		const text = `kind: X\nmetadata: {name: x}\na0: &a0 lol\n${levels.join('\n')}\nb: ${before}\n`;
		expect(manifestsNaming({ name: 'a.yaml', bytes: bytesOf(text) }, before)).toHaveLength(1);
	});

	it('has a path inside of the folder, whatever it is called', () => {
		fc.assert(
			fc.property(hostileText, (path) => {
				const name = payloadFileName(`release-manifests/${path}`);
				if (name !== undefined) expect(`release-manifests/${path}`.endsWith(name)).toBe(true);
				isManifestFile(path);
			}),
			runs(500),
		);
	});
});

describe('a payload of anybody', () => {
	async function archiveOf(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
		return packTar(
			Object.entries(files).map(([name, text]) => {
				const body = bytesOf(text);
				return { header: { name: `release-manifests/${name}`, size: body.length }, body };
			}),
		);
	}

	it('is rewritten so that no old digest is left, or refused', async () => {
		const changes = {
			pullspecs: new Map([
				[before, after],
				[`quay.io/acme/parts@${otherDigest}`, `quay.io/acme/parts@${otherDigest}`],
			]),
			rename: { from: '4.20.0', to: '4.20.0-pruned', everywhere: true },
		};
		const text = damagedText(fc.constant(`${yaml} ${before} ${oldDigest} v4.20.0 4.20.0-rc.1`));
		await fc.assert(
			fc.asyncProperty(
				text,
				damagedJson(referencesJson),
				fc.boolean(),
				async (file, references, whole) => {
					const archive = await archiveOf({
						'image-references': whole ? JSON.stringify(referencesJson) : references,
						'release-metadata': JSON.stringify(metadataJson),
						'a.yaml': file,
					});
					const made = await expectTypedLater(() => rewritePayload(archive, changes));
					if (made instanceof ProblemError) return;
					const all = new TextDecoder('latin1').decode(made.archive);
					expect(all).not.toContain(oldDigest.slice('sha256:'.length));
				},
			),
			runs(150),
		);
	});

	const hex = oldDigest.slice('sha256:'.length);

	it.each<[string, (n: number) => string]>([
		['versions on one line', (n) => '4.20.0 '.repeat(n)],
		['versions on lines', (n) => '4.20.0\n'.repeat(n)],
		['versions beside pullspecs', (n) => `4.20.0 ${before}\n`.repeat(n / 10)],
		['lines', (n) => '\n'.repeat(n)],
		['marks', (n) => '@sha256:'.repeat(n)],
		['long names', (n) => `${'a'.repeat(300)}@sha256:`.repeat(n / 300)],
		['digits', (n) => 'a'.repeat(n * 4)],
		['runs of digits', (n) => `${hex}a `.repeat(n / 8)],
	])('is searched in linear time with very many %s', (_, make) => {
		const many = Array.from({ length: 500 }, (_unused, at) => `quay.io/r${at}@${oldDigest}`);
		const scan = new PullspecScan([before, ...many]);
		const search = (text: string) => {
			const hits = [...scan.find(text)];
			const spans = findVersion(text, '4.20.0', hits);
			toMentions(bytesOf(text), text, spans);
			indexPullspecs({ files: [{ name: 'a', bytes: bytesOf(text) }] } as never);
			return [...hexRuns(text)];
		};
		expectLinear(make, search, 20_000);
	});

	it('is rewritten in linear time where many components have one digest', async () => {
		const times: number[] = [];
		for (const count of [150, 1200]) {
			const pullspecs = new Map(
				Array.from({ length: count }, (_, at) => {
					const name = `${'x'.repeat(100)}/${at.toString().padStart(5, '0')}@${oldDigest}`;
					return [`quay.io/${name}`, `other.test/${name}`] as const;
				}),
			);
			const archive = await archiveOf({ 'a.yaml': `${hex} ${hex}00\n`.repeat(count * 2) });
			const from = performance.now();
			await rewritePayload(archive, { pullspecs });
			times.push(performance.now() - from);
		}
		const [short = 0, long = 0] = times;
		expect(long).toBeLessThan(Math.max(short * 30, 400));
	});

	it('may name its version more often than a call has arguments', async () => {
		const archive = await archiveOf({
			'image-references': JSON.stringify({ ...referencesJson, spec: { tags: [] } }),
			'release-metadata': JSON.stringify(metadataJson),
			'a.yaml': '4.20.0 '.repeat(200_000),
		});
		const rename = { from: '4.20.0', to: '4.20.1', everywhere: true };
		const made = await rewritePayload(archive, { pullspecs: new Map(), rename });
		expect(made.mentions.length).toBe(200_000);
	});
});
