/** Rules that say where to read instead of where a name points: what clusters and container engines are told of mirrors. */
import * as z from 'zod';
import {
	formatRepository,
	isRegistry,
	isRepositoryName,
	storeRegistry,
	type Repository,
} from '../oci/reference.ts';

/** A registry, or repositories below a path of one; for a source also `*.example.com`, every host below that. */
const placeSchema = z.string().min(1).max(600);

const mirrorSchema = z.strictObject({
	location: placeSchema,
	/** what is asked for there: by digest, by tag, or both */
	pulls: z.enum(['all', 'digest', 'tag']),
});

export const mirrorRuleSchema = z.strictObject({
	source: placeSchema,
	/** where the source itself is: other than its name says only where registries.conf has a `location` beside a `prefix` */
	location: placeSchema,
	/** best first */
	mirrors: z.array(mirrorSchema).readonly(),
	/** false: the mirrors or nothing (`NeverContactSource`, `blocked`) */
	contactsSource: z.boolean(),
});

/** One name that is mirrored; of all rules, only that with the longest matching source counts. */
export type MirrorRule = Readonly<z.infer<typeof mirrorRuleSchema>>;
export type Mirror = MirrorRule['mirrors'][number];

/** The rules in force. They may change between two calls. */
export interface MirrorRules {
	readonly rules: readonly MirrorRule[];
}

/** Rules under the name that links carry, as the server hands them to the page. */
export const namedMirrorsSchema = z.object({
	name: z.string().min(1),
	rules: z.array(mirrorRuleSchema).readonly(),
	/** what of the file is not followed, as sentences */
	notes: z.array(z.string()).readonly(),
});
export type NamedMirrors = Readonly<z.infer<typeof namedMirrorsSchema>>;

export type AskedBy = 'digest' | 'tag';

/** So many places are asked for one thing, the source included. */
const mostPlaces = 8;
/** So many sources of one copy, over all its repositories. */
const mostSources = 16;

/** A source or location in one spelling, the host in lower case; undefined for anything else. */
export function readPlace(text: string): string | undefined {
	const [host = '', ...path] = text.replace(/\/$/, '').split('/');
	const isHost = host === storeRegistry || isRegistry(host);
	if (!isHost || (path.length > 0 && !isRepositoryName(path.join('/')))) return undefined;
	return [host.toLowerCase(), ...path].join('/');
}

/** `*.example.com`: hosts below a domain, whatever their depth. */
export function readWildcard(text: string): string | undefined {
	return text.startsWith('*.') && isRegistry(text.slice(2)) ? text.toLowerCase() : undefined;
}

/** How much of a repository's full name a source stands for; 0 for none of it. Paths end only where a part of them ends. */
function matchedLength(source: string, { registry, repository }: Repository): number {
	if (source.startsWith('*.')) return registry.endsWith(source.slice(1)) ? registry.length : 0;
	const name = `${registry}/${repository}`;
	return name === source || name.startsWith(`${source}/`) ? source.length : 0;
}

/** The rule for a repository: that of the longest source (containers-registries.conf(5), “prefix”). */
export function ruleFor({ rules }: MirrorRules, repository: Repository): MirrorRule | undefined {
	const matching = rules.filter(({ source }) => matchedLength(source, repository) > 0);
	const rank = ({ source }: MirrorRule) => source.length - (source.startsWith('*.') ? 0.5 : 0);
	return matching.reduce<MirrorRule | undefined>(
		(best, rule) => (best && rank(best) >= rank(rule) ? best : rule),
		undefined,
	);
}

/** The same repository at another location; undefined where that leaves no name of one. */
function relocated(
	{ source }: MirrorRule,
	location: string,
	repository: Repository,
): Repository | undefined {
	const rest = formatRepository(repository).slice(matchedLength(source, repository));
	const [registry = '', ...path] = `${location}${rest}`.split('/');
	const name = path.join('/');
	return isRepositoryName(name) ? { registry, repository: name } : undefined;
}

function isSame(one: Repository, other: Repository): boolean {
	return formatRepository(one) === formatRepository(other);
}

function withoutRepeats(places: readonly Repository[]): readonly Repository[] {
	return places.filter((place, at) => places.findIndex((other) => isSame(place, other)) === at);
}

function mirrorPlaces(
	rules: MirrorRules,
	repository: Repository,
	isWanted: (mirror: Mirror) => boolean,
): readonly Repository[] {
	const rule = ruleFor(rules, repository);
	if (!rule) return [];
	return rule.mirrors.filter(isWanted).flatMap((mirror) => {
		const place = relocated(rule, mirror.location, repository);
		// A mirror may itself be below a name that is not to be contacted.
		return place && ruleFor(rules, place)?.contactsSource !== false ? [place] : [];
	});
}

/** The repository itself, where it may be contacted: the very object, unless it is elsewhere than its name says. */
function sourcePlaces(rules: MirrorRules, repository: Repository): readonly Repository[] {
	const rule = ruleFor(rules, repository);
	if (!rule) return [repository];
	if (!rule.contactsSource) return [];
	if (rule.location === rule.source) return [repository];
	const place = relocated(rule, rule.location, repository);
	return place ? [place] : [];
}

export interface PlacesOptions {
	readonly by: AskedBy;
	/**
	 * Whether a tag of the repository was answered at a mirror: what hangs below a tag is by digest,
	 * and is where the tag was, also where that mirror is otherwise for tags only.
	 */
	readonly answeredTag?: ((mirror: Repository) => boolean) | undefined;
}

/**
 * Where to read something of a repository, in order: mirrors, then the repository itself.
 * Empty where it may not be contacted and nothing stands in for it.
 */
export function readingPlaces(
	rules: MirrorRules,
	repository: Repository,
	{ by, answeredTag = () => false }: PlacesOptions,
): readonly Repository[] {
	const mirrors = mirrorPlaces(rules, repository, ({ pulls }) => pulls === 'all' || pulls === by);
	const tagged =
		by === 'digest'
			? mirrorPlaces(rules, repository, ({ pulls }) => pulls === 'tag').filter(answeredTag)
			: [];
	const source = sourcePlaces(rules, repository);
	const before = [...mirrors, ...tagged].slice(0, mostPlaces - source.length);
	return withoutRepeats([...before, ...source]);
}

/**
 * From where to copy into `to`, in order: before each source its mirrors, behind it those for tags only, as what is
 * copied may hang below a tag. A source that is the target itself stays: it says that nothing has to come from elsewhere.
 */
export function copySources(
	rules: MirrorRules,
	from: readonly Repository[],
	to: Repository,
): readonly Repository[] {
	if (from.some((source) => isSame(source, to))) return from;
	const places = from.flatMap((source) => [
		...mirrorPlaces(rules, source, ({ pulls }) => pulls !== 'tag'),
		...sourcePlaces(rules, source),
		...mirrorPlaces(rules, source, ({ pulls }) => pulls === 'tag'),
	]);
	return withoutRepeats(places)
		.filter((place) => !isSame(place, to))
		.slice(0, mostSources);
}

function joinMirrors(mirrors: readonly Mirror[]): readonly Mirror[] {
	const joined = new Map<string, Mirror>();
	for (const mirror of mirrors) {
		const known = joined.get(mirror.location);
		const pulls = known && known.pulls !== mirror.pulls ? 'all' : mirror.pulls;
		joined.set(mirror.location, { ...mirror, pulls });
	}
	return [...joined.values()];
}

/**
 * Rules for the same source as one, as clusters do with several mirror sets: mirrors in the order of their first
 * mention; one that forbids to contact the source decides for all.
 */
export function joinRules(rules: readonly MirrorRule[]): readonly MirrorRule[] {
	const joined = new Map<string, MirrorRule>();
	for (const rule of rules) {
		const known = joined.get(rule.source);
		joined.set(
			rule.source,
			known
				? {
						source: rule.source,
						location: known.location === known.source ? rule.location : known.location,
						mirrors: joinMirrors([...known.mirrors, ...rule.mirrors]),
						contactsSource: known.contactsSource && rule.contactsSource,
					}
				: { ...rule, mirrors: joinMirrors(rule.mirrors) },
		);
	}
	return [...joined.values()];
}

/** What no file's own name has. */
const betweenNames = '/';

/** The files that these rules are of. */
export function mirrorFileNames({ name }: NamedMirrors): readonly string[] {
	return name.split(betweenNames);
}

/** Several files as one, under all their names. */
export function joinNamedMirrors(files: readonly NamedMirrors[]): NamedMirrors | undefined {
	if (files.length === 0) return undefined;
	return {
		name: files.map(({ name }) => name).join(betweenNames),
		rules: joinRules(files.flatMap(({ rules }) => rules)),
		notes: files.flatMap(({ notes }) => notes),
	};
}
