import { describe, expect, it } from 'vitest';
import { pruneCommand, shellWord } from '../../../shared/link/prune-command.ts';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { draftOf, pruneParams } from '../../../shared/link/prune-params.ts';
import { emptyDraft, withMode, type PruneDraft } from '../../../shared/release/prune-fields.ts';

const arm64 = parsePlatform('linux/arm64')!;
const filled: PruneDraft = {
	...emptyDraft,
	to: 'registry.test/acme/parts',
	release: 'registry.test/acme/release:1',
};

describe('a word for a shell', () => {
	it.each([
		['quay.io/acme/release:4.20.0-multi', 'quay.io/acme/release:4.20.0-multi'],
		['a@sha256:0', 'a@sha256:0'],
		['aws-*', "'aws-*'"],
		['{version}__{component}', "'{version}__{component}'"],
		['', "''"],
		["it's; rm -rf $HOME `x`", String.raw`'it'\''s; rm -rf $HOME ${'`x`'}'`],
		['two\nlines', "'two\nlines'"],
	])('%j is %s', (text, word) => expect(shellWord(text)).toBe(word));
});

describe('the command for a selection', () => {
	it('leaves out what is as usual', () => {
		expect(pruneCommand('quay.io/acme/release:1', filled)).toBe(
			'espalier plan prune quay.io/acme/release:1 --to=registry.test/acme/parts --release=registry.test/acme/release:1 --drop-placeholders -o plan.json',
		);
	});

	it('says everything that was chosen', () => {
		const draft: PruneDraft = {
			...filled,
			selection: {
				preset: { kind: 'platforms', keep: [arm64] },
				components: ['aws-*'],
				exclude: ['etcd'],
				toggled: [{ component: 'cli', platform: arm64 }],
			},
			tagTemplate: '',
			selfContained: true,
			version: '4.20.0-acme.1',
			rewriteVersion: true,
		};
		expect(pruneCommand('r/x:1', draft)).toBe(
			"espalier plan prune r/x:1 --to=registry.test/acme/parts --release=registry.test/acme/release:1 --keep linux/arm64 --components='aws-*' --exclude=etcd --toggle=cli@linux/arm64 --tag-template='' --version=4.20.0-acme.1 --rewrite-version --self-contained -o plan.json",
		);
	});

	it('names another way than to prune, and makes of its link the same choice again', () => {
		const sparse: PruneDraft = { ...filled, mode: 'sparse' };
		expect(pruneCommand('r/x:1', sparse)).toContain('--mode sparse --drop-placeholders');
		const whole = withMode({ ...sparse, version: '4.20.1' }, 'whole');
		expect(pruneCommand('r/x:1', whole)).toMatch(/--mode whole -o plan\.json$/);
		expect(withMode(whole, 'prune').selection).toEqual(filled.selection);
		for (const draft of [filled, sparse, whole]) {
			const { prune, ...params } = pruneParams(draft);
			const given = Object.entries(params).filter(([, value]) => value !== undefined);
			expect(draftOf({ prune, ...Object.fromEntries(given) })).toEqual(draft);
		}
		expect(pruneParams(filled).mode).toBeUndefined();
	});

	it('says that attachments stay behind only where they do', () => {
		const draft: PruneDraft = { ...filled, attachments: false };
		expect(pruneCommand('r/x:1', draft)).toMatch(/ --no-attachments -o plan\.json$/);
		expect(pruneParams(draft).attached).toBe('no');
		expect(pruneParams(filled).attached).toBeUndefined();
		expect(draftOf({ prune: 'placeholders', attached: 'no' })?.attachments).toBe(false);
		expect(draftOf({ prune: 'placeholders' })?.attachments).toBe(true);
	});

	it('has no flag for a preset where cells are chosen one by one', () => {
		const selection = { ...emptyDraft.selection, preset: { kind: 'none' as const } };
		expect(pruneCommand('r/x:1', { ...filled, selection })).not.toContain('drop');
	});
});
