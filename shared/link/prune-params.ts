/** What is chosen for pruning, as parameters of a link. Defaults are left out; `prune` says that there is a choice. */
import * as z from 'zod';
import { parsePlatform, type PlatformKey } from '../oci/platform.ts';
import { defaultTagTemplate, emptyDraft, type PruneDraft } from '../release/prune-fields.ts';
import type { PrunePreset, PruneSelection } from '../release/prune-selection.ts';

type Toggled = PruneSelection['toggled'][number];

const list = z.codec(z.string(), z.array(z.string()), {
	decode: (text) => text.split(',').filter(Boolean),
	encode: (items) => items.join(','),
});

const platforms = z.codec(z.string(), z.array(z.custom<PlatformKey>()), {
	decode: (text, context) =>
		text.split(',').flatMap((part): PlatformKey[] => {
			const platform = parsePlatform(part);
			if (platform) return [platform];
			context.issues.push({ code: 'custom', message: 'not a platform', input: part });
			return [];
		}),
	encode: (keys) => keys.join(','),
});

/** `etcd@linux/s390x`: a component's cell */
const cells = z.codec(z.string(), z.array(z.custom<Toggled>()), {
	decode: (text, context) =>
		text.split(',').flatMap((part): Toggled[] => {
			const [component = '', ...rest] = part.split('@');
			const platform = parsePlatform(rest.join('@'));
			if (platform && component) return [{ component, platform }];
			context.issues.push({ code: 'custom', message: 'not a cell', input: part });
			return [];
		}),
	encode: (toggled) =>
		toggled.map(({ component, platform }) => `${component}@${platform}`).join(','),
});

const yes = z.codec(z.literal('1'), z.literal(true), {
	decode: () => true as const,
	encode: () => '1' as const,
});

/** In a link an empty parameter is no parameter, so that none has a name. */
const noTags = 'none';

/** The order of keys is the order in links. */
export const pruneShape = {
	prune: z.enum(['none', 'placeholders', 'platforms']).optional(),
	mode: z.enum(['sparse', 'whole']).optional(),
	keep: platforms.optional(),
	only: list.optional(),
	except: list.optional(),
	toggle: cells.optional(),
	to: z.string().min(1).optional(),
	release: z.string().min(1).optional(),
	tags: z.string().min(1).optional(),
	self: yes.optional(),
	attached: z.literal('no').optional(),
	version: z.string().min(1).optional(),
	rewrite: yes.optional(),
};

export type PruneParams = z.infer<z.ZodObject<typeof pruneShape>>;

function presetOf({ prune, keep = [] }: PruneParams): PrunePreset {
	if (prune === 'platforms') return { kind: 'platforms', keep };
	return { kind: prune ?? 'none' };
}

/** Undefined where nothing is being pruned. */
export function draftOf(params: PruneParams): PruneDraft | undefined {
	if (params.prune === undefined) return undefined;
	const { only = [], except = [], toggle = [], tags = defaultTagTemplate } = params;
	return {
		mode: params.mode ?? 'prune',
		selection: { preset: presetOf(params), components: only, exclude: except, toggled: toggle },
		to: params.to ?? '',
		release: params.release ?? '',
		tagTemplate: tags === noTags ? '' : tags,
		selfContained: params.self ?? false,
		attachments: params.attached !== 'no',
		version: params.version ?? '',
		rewriteVersion: params.rewrite ?? false,
	};
}

/** All parameters, those that are left out as undefined: to be laid over others. */
export function pruneParams(draft: PruneDraft | undefined): {
	readonly [Key in keyof PruneParams]-?: PruneParams[Key] | undefined;
} {
	const all = draft ?? emptyDraft;
	const { mode, selection, to, release, tagTemplate, version, rewriteVersion } = all;
	const { selfContained, attachments } = all;
	const { preset, components, exclude, toggled } = selection;
	return {
		prune: draft && preset.kind,
		mode: mode === 'prune' ? undefined : mode,
		keep: preset.kind === 'platforms' && preset.keep.length > 0 ? [...preset.keep] : undefined,
		only: components.length > 0 ? [...components] : undefined,
		except: exclude.length > 0 ? [...exclude] : undefined,
		toggle: toggled.length > 0 ? [...toggled] : undefined,
		to: to || undefined,
		release: release || undefined,
		tags: tagTemplate === defaultTagTemplate ? undefined : tagTemplate || noTags,
		self: selfContained || undefined,
		attached: attachments ? undefined : 'no',
		version: version || undefined,
		rewrite: rewriteVersion || undefined,
	};
}
