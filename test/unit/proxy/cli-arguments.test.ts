import { describe, expect, it } from 'vitest';
import { chooseCommand } from '../../../proxy/cli/arguments.ts';
import { readRunArguments, readUndoArguments } from '../../../proxy/cli/plan-arguments.ts';
import { readPlanPruneArguments } from '../../../proxy/cli/plan-prune-arguments.ts';
import { plan } from '../../../proxy/cli/plan.ts';
import { commandLine } from '../../../proxy/cli/shell-words.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';

const target = ['quay.io/acme/release:1', '--to', 'a.test/parts', '--release', 'a.test/release:2'];
const read = (...more: readonly string[]) => readPlanPruneArguments([...target, ...more])!;

describe('the commands on plans', () => {
	it.each([
		[['plan', 'prune', 'a'], { name: 'plan', rest: ['prune', 'a'] }],
		[['plan', 'prune', '--help'], { name: 'plan', rest: ['prune', '--help'] }],
		[['run', 'plan.json'], { name: 'run', rest: ['plan.json'] }],
		[['run', '-h'], { name: 'run', rest: ['-h'] }],
		[['undo', 'receipt.json'], { name: 'undo', rest: ['receipt.json'] }],
	])('are chosen by %j', (argv, command) => {
		expect(chooseCommand(argv)).toEqual(command);
	});

	it('need a kind of plan that there is', async () => {
		const output = { stdout: { write: () => 0 }, stderr: { write: () => 0 } };
		await expect(plan([], output)).rejects.toThrow('Which plan?');
		await expect(plan(['merge'], output)).rejects.toThrow('There is no plan “merge”');
	});

	it.each([readPlanPruneArguments, readRunArguments, readUndoArguments])(
		'explain themselves whatever else is said: %o',
		(readArguments) => {
			expect(readArguments(['--help'])).toBeUndefined();
			expect(readArguments(['x', '-h'])).toBeUndefined();
		},
	);
});

describe('plan prune', () => {
	it('drops placeholders everywhere unless told otherwise', () => {
		expect(read('--drop-placeholders')).toEqual({
			reference: { registry: 'quay.io', repository: 'acme/release', tag: '1' },
			choices: {
				selection: { preset: { kind: 'placeholders' }, components: [], exclude: [], toggled: [] },
				repository: { registry: 'a.test', repository: 'parts' },
				release: { registry: 'a.test', repository: 'release', tag: '2' },
				tagTemplate: '{version}__{component}',
				selfContained: false,
				version: undefined,
				rewriteVersion: false,
			},
			drops: [],
			file: undefined,
			markdown: false,
			estimate: true,
			store: undefined,
			registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] },
			surroundings: [],
		});
	});

	it('keeps platforms, within components and cells, with every flag', () => {
		const selecting = ['--keep', 'linux/amd64,arm64', '--keep', 'amd64', '--components', 'aws-*,b'];
		const cells = ['--exclude', 'c*', '--drop', 'd@s390x', '--toggle', 'e@linux/arm/v7'];
		const target = ['--tag-template=', '--version', '4.20.0-x.1', '--rewrite-version'];
		const rest = ['--self-contained', '-o', 'plan.json', '--markdown', '--no-estimate'];
		const found = read(...selecting, ...cells, ...target, ...rest);
		expect(found.choices).toMatchObject({
			selection: {
				preset: { kind: 'platforms', keep: ['linux/amd64', 'linux/arm64'] },
				components: ['aws-*', 'b'],
				exclude: ['c*'],
				toggled: [{ component: 'e', platform: 'linux/arm/v7' }],
			},
			tagTemplate: '',
			version: '4.20.0-x.1',
			rewriteVersion: true,
			selfContained: true,
		});
		expect(found.drops).toEqual([{ component: 'd', platform: 'linux/s390x' }]);
		expect(found).toMatchObject({ file: 'plan.json', markdown: true, estimate: false });
	});

	it('takes attachments along unless it is told not to', () => {
		expect(read('--drop-placeholders').choices.attachments).not.toBe(false);
		expect(read('--drop-placeholders', '--no-attachments').choices.attachments).toBe(false);
	});

	it('may be of single cells alone', () => {
		expect(read('--drop', 'etcd@s390x').choices.selection.preset).toEqual({ kind: 'none' });
	});

	it('hands on what the next command needs to reach the same registries', () => {
		const found = read('--drop-placeholders', '--store', '/my store', '--plain-http', 'a.test');
		expect(found.surroundings).toEqual(['--store', '/my store', '--plain-http', 'a.test']);
		expect(commandLine(['espalier', 'run', "it's.json", ...found.surroundings])).toBe(
			String.raw`espalier run 'it'\''s.json' --store '/my store' --plain-http a.test`,
		);
	});

	it('writes to standard output where the file is “-”', () => {
		expect(read('--drop-placeholders', '-o', '-').file).toBeUndefined();
	});

	it.each([
		[[], /What is to go\?/],
		[['--drop-placeholders', '--keep', 'amd64'], /not both/],
		[['--keep', ''], /“” after --keep/],
		[['--keep', 'linux/a b'], /“linux\/a b” after --keep is not a platform/],
		[['--drop', 'etcd'], /“etcd” after --drop is not a component and a platform/],
		[['--drop', '@amd64'], /“@amd64” after --drop/],
		[['--toggle', 'etcd@'], /“etcd@” after --toggle/],
		[['--drop-placeholders', '--to', ''], /--to: Say where component images go/],
		[['--drop-placeholders', '--to', 'a.test/b:1'], /--to: “a\.test\/b:1” has a tag/],
		[['--drop-placeholders', '--release', 'a.test/b'], /--release: .*no tag/],
		[['--drop-placeholders', '--version', 'new'], /--version: “new” is not a semantic version/],
		[['--drop-placeholders', '--rewrite-version'], /--version: Rewriting/],
		[['--drop-placeholders', '--tag-template', '{x}'], /--tag-template: /],
		[['--drop-placeholders', '--markdown', '-o', '-'], /--markdown goes to standard output/],
		[['--drop-placeholders', '-o', ''], /needs the name of a file/],
		[['--drop-placeholders', 'more'], /“more” is too much/],
		[['--drop-everything'], /Unknown option '--drop-everything'/],
	])('refuses %j', (args, message) => {
		expect(() => read(...args)).toThrow(UsageError);
		expect(() => read(...args)).toThrow(message);
	});

	it('says everything that is wrong at once', () => {
		const args = ['quay.io/a:1', '--drop-placeholders', '--version', 'x'];
		expect(() => readPlanPruneArguments(args)).toThrow(/--to: .*\n--release: .*\n--version: /);
	});
});

describe('run and undo', () => {
	it('take a file, and where to write', () => {
		expect(readRunArguments(['plan.json', '--receipt', 'r.json', '--store', 's'])).toMatchObject({
			file: 'plan.json',
			receipt: 'r.json',
			store: 's',
			surroundings: ['--store', 's'],
		});
		expect(readUndoArguments(['r.json', '-o', 'undo.json'])).toMatchObject({
			file: 'r.json',
			output: 'undo.json',
		});
		expect(readUndoArguments(['r.json', '-o', '-'])).toMatchObject({ output: undefined });
	});

	it.each([
		[() => readRunArguments([]), /Which plan\?/],
		[() => readRunArguments(['a', 'b']), /One plan at a time; “b”/],
		[() => readRunArguments(['a', '--receipt', '']), /--receipt needs/],
		[() => readRunArguments(['a', '--keep', 'b']), /Unknown option/],
		[() => readUndoArguments([]), /Which receipt\?/],
		[() => readUndoArguments(['a', 'b']), /One receipt at a time/],
		[() => readUndoArguments(['a', '-o', '']), /--output needs/],
	])('refuse %o', (act, message) => {
		expect(act).toThrow(UsageError);
		expect(act).toThrow(message);
	});
});
