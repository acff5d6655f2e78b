/** What `espalier plan prune` is told. */
import { parsePlatform, type PlatformKey } from '../../shared/oci/platform.ts';
import type { Reference } from '../../shared/oci/reference.ts';
import { readDraft, type DraftField } from '../../shared/release/prune-draft.ts';
import {
	defaultTagTemplate,
	pruneModes,
	type PruneDraft,
	type PruneMode,
} from '../../shared/release/prune-fields.ts';
import type { PruneChoices } from '../../shared/release/prune-release.ts';
import type { PrunePreset, PruneSelection } from '../../shared/release/prune-selection.ts';
import { parseFlags } from './arguments.ts';
import {
	readRegistrySettings,
	registryFlags,
	writeRegistryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import { readPlatforms, readReference } from './release-arguments.ts';
import { UsageError } from './usage.ts';

/** A component and one platform of it. */
export type NamedCell = PruneSelection['toggled'][number];

export interface PlanPruneArguments {
	readonly reference: Reference;
	readonly choices: PruneChoices;
	/** to be dropped whatever the preset says */
	readonly drops: readonly NamedCell[];
	/** where the plan goes; undefined for standard output */
	readonly file: string | undefined;
	readonly markdown: boolean;
	readonly estimate: boolean;
	readonly store: string | undefined;
	readonly registries: RegistrySettings;
	/** what a further command needs, to reach the same registries */
	readonly surroundings: readonly string[];
}

const flags = {
	...registryFlags,
	to: { type: 'string' },
	release: { type: 'string' },
	mode: { type: 'string' },
	'drop-placeholders': { type: 'boolean' },
	keep: { type: 'string', multiple: true },
	components: { type: 'string', multiple: true },
	exclude: { type: 'string', multiple: true },
	drop: { type: 'string', multiple: true },
	toggle: { type: 'string', multiple: true },
	'tag-template': { type: 'string' },
	version: { type: 'string' },
	'rewrite-version': { type: 'boolean' },
	'self-contained': { type: 'boolean' },
	'no-attachments': { type: 'boolean' },
	output: { type: 'string', short: 'o' },
	markdown: { type: 'boolean' },
	'no-estimate': { type: 'boolean' },
	store: { type: 'string' },
	help: { type: 'boolean', short: 'h' },
} as const;

function parse(args: readonly string[]) {
	return parseFlags({ args: [...args], options: flags, allowPositionals: true });
}
type Values = ReturnType<typeof parse>['values'];

function readCells(flag: string, texts: readonly string[] = []): readonly NamedCell[] {
	return texts.map((text) => {
		const at = text.lastIndexOf('@');
		const component = text.slice(0, Math.max(at, 0));
		const platform = parsePlatform(text.slice(at + 1));
		if (component !== '' && platform) return { component, platform };
		throw new UsageError(
			`“${text}” after --${flag} is not a component and a platform, such as etcd@linux/s390x.`,
		);
	});
}

function readMode({ mode = 'prune' }: Values): PruneMode {
	const known = pruneModes.find((each) => each === mode);
	if (known) return known;
	throw new UsageError(`“${mode}” after --mode is none: there are prune, sparse and whole.`);
}

function readPreset(values: Values, mode: PruneMode): PrunePreset {
	const { keep, drop, toggle } = values;
	if (values['drop-placeholders'] && keep) {
		throw new UsageError('Either --drop-placeholders or --keep, not both.');
	}
	if (values['drop-placeholders']) return { kind: 'placeholders' };
	if (keep) {
		const platforms: readonly PlatformKey[] = readPlatforms('keep', keep);
		return { kind: 'platforms', keep: [...new Set(platforms)] };
	}
	if (drop && mode === 'whole') {
		throw new UsageError(
			'--mode whole copies everything: leave --drop out, or choose another mode.',
		);
	}
	if (drop || toggle || mode === 'whole') return { kind: 'none' };
	throw new UsageError(
		'What is to go? Give --drop-placeholders, --keep PLATFORMS or --drop COMPONENT@PLATFORM.',
	);
}

/** Globs have no commas in them. */
function splitList(texts: readonly string[] = []): readonly string[] {
	return texts.flatMap((text) => text.split(',')).filter(Boolean);
}

const flagOf: Readonly<Record<DraftField, string>> = {
	mode: '--mode',
	keep: '--keep',
	to: '--to',
	release: '--release',
	tagTemplate: '--tag-template',
	version: '--version',
};

function readChoices(values: Values): PruneChoices {
	const mode = readMode(values);
	const draft: PruneDraft = {
		mode,
		selection: {
			preset: readPreset(values, mode),
			components: splitList(values.components),
			exclude: splitList(values.exclude),
			toggled: readCells('toggle', values.toggle),
		},
		to: values.to ?? '',
		release: values.release ?? '',
		tagTemplate: values['tag-template'] ?? defaultTagTemplate,
		selfContained: values['self-contained'] ?? false,
		attachments: values['no-attachments'] !== true,
		version: values.version ?? '',
		rewriteVersion: values['rewrite-version'] ?? false,
	};
	if (values.version === '') {
		throw new UsageError('--version needs a version; without the flag it stays.');
	}
	const read = readDraft(draft);
	if (read.ok) return read.choices;
	throw new UsageError(
		read.issues.map(({ field, reason }) => `${flagOf[field]}: ${reason}`).join('\n'),
	);
}

/** Undefined where only help was asked for. @throws UsageError */
export function readPlanPruneArguments(args: readonly string[]): PlanPruneArguments | undefined {
	const { values, positionals } = parse(args);
	if (values.help) return undefined;
	const reference = readReference(positionals);
	const { markdown = false, output, store } = values;
	if (output === '') throw new UsageError('--output needs the name of a file, or “-”.');
	if (markdown && output === '-') {
		throw new UsageError('--markdown goes to standard output; give the plan a file with --output.');
	}
	return {
		reference,
		choices: readChoices(values),
		drops: readCells('drop', values.drop),
		file: output === '-' ? undefined : output,
		markdown,
		estimate: values['no-estimate'] !== true,
		store,
		registries: readRegistrySettings(values),
		surroundings: [
			...(store === undefined ? [] : ['--store', store]),
			...writeRegistryFlags(values),
		],
	};
}
