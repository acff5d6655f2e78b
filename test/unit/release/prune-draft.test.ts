import { describe, expect, it } from 'vitest';
import { readDraft } from '../../../shared/release/prune-draft.ts';
import { emptyDraft, type PruneDraft } from '../../../shared/release/prune-fields.ts';

const whole: PruneDraft = {
	...emptyDraft,
	to: 'registry.test/acme/parts',
	release: 'registry.test/acme/release:1',
};

function issuesOf(changes: Partial<PruneDraft>): readonly string[] {
	const read = readDraft({ ...whole, ...changes });
	return read.ok ? [] : read.issues.map(({ field, reason }) => `${field}: ${reason}`);
}

describe('what was chosen so far', () => {
	it('is a choice where every field is right', () => {
		const read = readDraft(whole);
		expect(read.ok && read.choices).toMatchObject({
			repository: { registry: 'registry.test', repository: 'acme/parts' },
			release: { registry: 'registry.test', repository: 'acme/release', tag: '1' },
			version: undefined,
		});
	});

	it.each<[string, Partial<PruneDraft>, RegExp]>([
		['no target', { to: ' ' }, /^to: Say where component images go/],
		['a target with a tag', { to: 'registry.test/acme/parts:1' }, /^to: .*has a tag or digest/],
		[
			'a target that is a registry alone',
			{ to: '127.0.0.1:36835' },
			/^to: The repository is missing: write 127\.0\.0\.1:36835\/NAME\.$/,
		],
		[
			'a release that is a registry alone',
			{ release: 'quay.io' },
			/^release: The repository is missing: write quay\.io\/NAME:TAG\.$/,
		],
		[
			'a target that names no registry',
			{ to: 'out' },
			/^to: “out” names no registry.*docker\.io\/library\/out/,
		],
		[
			'a release that names no registry',
			{ release: 'acme/out:1' },
			/^release: .*docker\.io\/acme\/out/,
		],
		['a release without tag', { release: 'registry.test/acme/release' }, /^release: .*has no tag/],
		[
			'a release by digest',
			{ release: `registry.test/acme/release@sha256:${'0'.repeat(64)}` },
			/^release: .*only known afterwards/,
		],
		['a template with unknown names', { tagTemplate: '{x}' }, /^tagTemplate: “\{x\}”/],
		[
			'a template that makes no tag',
			{ tagTemplate: '/{component}' },
			/^tagTemplate: .*is not a tag/,
		],
		['a version that is none', { version: '4.20' }, /^version: “4\.20” is not a semantic version/],
		['rewriting without a version', { rewriteVersion: true }, /^version: .*needs a new version/],
		[
			'no platform to keep',
			{ selection: { ...whole.selection, preset: { kind: 'platforms', keep: [] } } },
			/^keep: Choose at least one/,
		],
	])('has an issue with %s', (_, changes, issue) => {
		const issues = issuesOf(changes);
		expect(issues).toHaveLength(1);
		expect(issues[0]).toMatch(issue);
	});

	it('takes Docker Hub where it is named, and a version with build metadata', () => {
		expect(issuesOf({ to: 'docker.io/acme/parts', version: '4.20.0+acme.1' })).toEqual([]);
	});

	it('tells all issues at once', () => {
		expect(issuesOf({ to: '', release: '', version: 'x' })).toHaveLength(3);
	});
});
