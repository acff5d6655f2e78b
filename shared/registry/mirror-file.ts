/**
 * Files of mirrors: ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy of OpenShift, several in one
 * file or in a List, and registries.conf of version 2 (containers-registries.conf(5)). What is not followed is named.
 */
import { parse as parseTomlText, TomlError } from 'smol-toml';
import { LineCounter, parseAllDocuments } from 'yaml';
import * as z from 'zod';
import {
	joinRules,
	readPlace,
	readWildcard,
	type Mirror,
	type MirrorRule,
	type NamedMirrors,
} from './mirror-rules.ts';
import { ProblemError } from './problem.ts';

/** Genuine ones of whole catalogs have 250 KB. */
export const mostMirrorCharacters = 4 * 1024 * 1024;

interface Found {
	readonly rules: MirrorRule[];
	readonly notes: string[];
}

function refuse(reason: string, cause?: unknown): never {
	throw new ProblemError({ code: 'mirrors-invalid', origin: 'content', reason }, { cause });
}

/** One entry of a file, to say where it is when something is wrong with it. */
interface Entry {
	/** such as “line 12” */
	readonly where: string;
	readonly value: unknown;
}

function shapeOf<S extends z.ZodType>(
	schema: S,
	{ where, value }: Entry,
	what: string,
): z.output<S> {
	const read = schema.safeParse(value);
	if (read.success) return read.data;
	const [issue] = read.error.issues;
	const path = issue?.path.join('.') ?? '';
	return refuse(`${where}: ${what} cannot be read: ${path && `${path}: `}${issue?.message ?? ''}.`);
}

function placeOf(text: string, { where }: Entry, field: string): string {
	const place = readPlace(text);
	if (place !== undefined) return place;
	return refuse(
		`${where}: “${text}” as ${field} is neither a registry nor a path in one, such as registry.example/team.`,
	);
}

function sourceOf(text: string, entry: Entry, field: string): string {
	return readWildcard(text) ?? placeOf(text, entry, field);
}

function noteUnknown(value: object, known: readonly string[], entry: Entry, notes: string[]): void {
	for (const key of Object.keys(value)) {
		if (!known.includes(key)) notes.push(`${entry.where}: “${key}” is not known and not followed.`);
	}
}

const openshiftEntry = z.looseObject({
	source: z.string(),
	mirrors: z.array(z.string()).nullish(),
	mirrorSourcePolicy: z.enum(['', 'AllowContactingSource', 'NeverContactSource']).optional(),
});

interface SetKind {
	readonly apiVersion: string;
	readonly field: string;
	readonly pulls: Mirror['pulls'];
}

const setKinds = new Map<string, SetKind>([
	[
		'ImageDigestMirrorSet',
		{ apiVersion: 'config.openshift.io/v1', field: 'imageDigestMirrors', pulls: 'digest' },
	],
	[
		'ImageTagMirrorSet',
		{ apiVersion: 'config.openshift.io/v1', field: 'imageTagMirrors', pulls: 'tag' },
	],
	[
		'ImageContentSourcePolicy',
		{
			apiVersion: 'operator.openshift.io/v1alpha1',
			field: 'repositoryDigestMirrors',
			pulls: 'digest',
		},
	],
]);

const kindsInWords = [...setKinds.keys()].join(', ');

function openshiftRule(entry: Entry, { pulls, field }: SetKind, notes: string[]): MirrorRule {
	const read = shapeOf(openshiftEntry, entry, `an entry of ${field}`);
	noteUnknown(read, Object.keys(openshiftEntry.shape), entry, notes);
	const source = sourceOf(read.source, entry, 'source');
	return {
		source,
		location: source,
		mirrors: (read.mirrors ?? []).map((mirror) => ({
			location: placeOf(mirror, entry, 'mirror'),
			pulls,
		})),
		contactsSource: read.mirrorSourcePolicy !== 'NeverContactSource',
	};
}

/** One resource, and how to find the line of what is in it. */
interface Resource {
	readonly value: unknown;
	readonly lineOf: (path: readonly (string | number)[]) => string;
}

const resourceSchema = z.looseObject({
	apiVersion: z.string(),
	kind: z.string(),
	spec: z.looseObject({}).nullish(),
});

function addResource(resource: Resource, { rules, notes }: Found): boolean {
	const here: Entry = { where: resource.lineOf([]), value: resource.value };
	const { apiVersion, kind, spec } = shapeOf(resourceSchema, here, 'a resource');
	const known = setKinds.get(kind);
	if (!known) {
		notes.push(
			`${here.where}: a ${kind} says nothing of mirrors that is known here, and is not followed.`,
		);
		return false;
	}
	if (known.apiVersion !== apiVersion) {
		return refuse(
			`${here.where}: ${kind} of “${apiVersion}” is not known; that of ${known.apiVersion} is.`,
		);
	}
	const content = spec ?? {};
	noteUnknown(content, [known.field], here, notes);
	const list: Entry = { where: here.where, value: content[known.field] ?? [] };
	const entries = shapeOf(z.array(z.unknown()), list, known.field);
	for (const [at, value] of entries.entries()) {
		const where = resource.lineOf(['spec', known.field, at]);
		rules.push(openshiftRule({ where, value }, known, notes));
	}
	return true;
}

const listSchema = z.looseObject({
	kind: z.string().endsWith('List'),
	items: z.array(z.unknown()),
});

/** `oc get -o yaml` wraps what it prints in a List. */
function resourcesIn(resource: Resource): readonly Resource[] {
	const list = listSchema.safeParse(resource.value);
	if (!list.success) return [resource];
	return list.data.items.map((value, at) => ({
		value,
		lineOf: (path) => resource.lineOf(['items', at, ...path]),
	}));
}

function nodeOffset(node: unknown): number | undefined {
	return z.looseObject({ range: z.array(z.number()) }).safeParse(node).data?.range[0];
}

function parseYaml(text: string): readonly Resource[] {
	const lines = new LineCounter();
	return parseAllDocuments(text, { lineCounter: lines, logLevel: 'silent' }).flatMap((document) => {
		const [error] = document.errors;
		if (error) {
			const line = error.linePos?.[0].line;
			const [what = ''] = error.message.split('\n');
			return refuse(
				`It is not YAML: ${what.replace(/ at line .*$/, '')}, line ${line ?? 1}.`,
				error,
			);
		}
		const lineOf = (path: readonly (string | number)[]) => {
			const offset = nodeOffset(document.getIn(path, true)) ?? nodeOffset(document.contents) ?? 0;
			return `Line ${lines.linePos(offset).line}`;
		};
		const value = plainValue(document);
		// Nothing between two “---”.
		return value === null ? [] : resourcesIn({ value, lineOf });
	});
}

/** Aliases are bounded by the library; what goes beyond throws. */
function plainValue(document: ReturnType<typeof parseAllDocuments>[number]): unknown {
	try {
		return document.toJS({ maxAliasCount: 100 });
	} catch (cause) {
		const reason = cause instanceof Error ? cause.message : String(cause);
		return refuse(`It is YAML that is not read: ${reason}.`, cause);
	}
}

function readOpenshift(text: string): Found {
	const found: Found = { rules: [], notes: [] };
	const resources = parseYaml(text);
	const used = resources.map((resource) => addResource(resource, found)).filter(Boolean);
	if (used.length === 0) {
		const kinds = found.notes.length > 0 ? ` ${found.notes.join(' ')}` : '';
		refuse(`There is no ${kindsInWords} in it.${kinds}`);
	}
	return found;
}

const tomlMirror = z.looseObject({
	location: z.string(),
	insecure: z.boolean().optional(),
	'pull-from-mirror': z.enum(['', 'all', 'digest-only', 'tag-only']).optional(),
});

const tomlRegistry = z.looseObject({
	prefix: z.string().optional(),
	location: z.string().optional(),
	insecure: z.boolean().optional(),
	blocked: z.boolean().optional(),
	'mirror-by-digest-only': z.boolean().optional(),
	mirror: z.array(z.unknown()).optional(),
});

const tomlFile = z.looseObject({
	registry: z.array(z.unknown()).optional(),
	'unqualified-search-registries': z.array(z.string()).optional(),
});

const pullsOf = { '': 'all', all: 'all', 'digest-only': 'digest', 'tag-only': 'tag' } as const;

function noteInsecure(place: string, { where }: Entry, notes: string[]): void {
	notes.push(
		`${where}: insecure = true is not followed for ${place}: certificates are always checked, and a registry without TLS is named by --plain-http ${place.split('/')[0] ?? place}.`,
	);
}

function tomlMirrorOf(entry: Entry, digestsOnly: boolean, notes: string[]): Mirror {
	const read = shapeOf(tomlMirror, entry, 'a [[registry.mirror]]');
	noteUnknown(read, Object.keys(tomlMirror.shape), entry, notes);
	const location = placeOf(read.location, entry, 'location');
	if (read.insecure) noteInsecure(location, entry, notes);
	const pulls = read['pull-from-mirror'];
	if (digestsOnly && pulls) {
		refuse(`${entry.where}: pull-from-mirror and mirror-by-digest-only exclude each other.`);
	}
	return { location, pulls: digestsOnly ? 'digest' : pullsOf[pulls ?? ''] };
}

/** A prefix alone, a location alone, or one that stands for the other. */
function tomlSource(entry: Entry, { prefix = '', location = '' }: z.infer<typeof tomlRegistry>) {
	if (prefix === '' && location === '') {
		return refuse(`${entry.where}: a [[registry]] has neither prefix nor location.`);
	}
	const source = sourceOf(prefix || location, entry, prefix ? 'prefix' : 'location');
	if (source.startsWith('*.') && location !== '' && location !== prefix) {
		return refuse(`${entry.where}: a [[registry]] for “${source}” cannot have a location.`);
	}
	const isElsewhere = location !== '' && !source.startsWith('*.');
	return { source, location: isElsewhere ? placeOf(location, entry, 'location') : source };
}

function tomlRule(entry: Entry, notes: string[]): MirrorRule {
	const read = shapeOf(tomlRegistry, entry, 'a [[registry]]');
	noteUnknown(read, Object.keys(tomlRegistry.shape), entry, notes);
	const { source, location } = tomlSource(entry, read);
	const named: Entry = { ...entry, where: `The [[registry]] “${source}”` };
	if (read.insecure) noteInsecure(location, named, notes);
	const digestsOnly = read['mirror-by-digest-only'] ?? false;
	const mirrors = (read.mirror ?? []).map((value) =>
		tomlMirrorOf({ ...named, value }, digestsOnly, notes),
	);
	return { source, location, mirrors, contactsSource: !read.blocked };
}

function parseToml(text: string): unknown {
	try {
		return parseTomlText(text);
	} catch (cause) {
		if (!(cause instanceof TomlError)) throw cause;
		const [what = ''] = cause.message.split('\n');
		return refuse(
			`It is not TOML: ${what.replace(/^Invalid TOML document: /, '')}, line ${cause.line}, column ${cause.column}.`,
			cause,
		);
	}
}

function readRegistriesConf(text: string): Found {
	const found: Found = { rules: [], notes: [] };
	const whole: Entry = { where: 'registries.conf', value: parseToml(text) };
	const read = shapeOf(tomlFile, whole, 'the file');
	if ('registries' in read) {
		refuse('It is a registries.conf of version 1; version 2 has [[registry]] for each of them.');
	}
	const { registry = [], 'unqualified-search-registries': searched, ...rest } = read;
	if (searched) {
		found.notes.push(
			'unqualified-search-registries is not followed: references name their registry.',
		);
	}
	noteUnknown(rest, [], whole, found.notes);
	for (const [at, value] of registry.entries()) {
		found.rules.push(tomlRule({ where: `[[registry]] number ${at + 1}`, value }, found.notes));
	}
	if (found.rules.length === 0) refuse('There is no [[registry]] in it.');
	return found;
}

/** Resources name their kind; TOML has tables and assignments. */
function isToml(text: string): boolean {
	return (
		!/^[ \t]*["']?(?:apiVersion|kind)["']?[ \t]*:/m.test(text) &&
		/^[ \t]*(?:\[|[\w-]+[ \t]*=)/m.test(text)
	);
}

/** True for what `parseMirrorFile` might read, told from plans and receipts by its beginning. */
export function looksLikeMirrors(text: string): boolean {
	const begins = text.slice(0, 64 * 1024);
	return (
		isToml(begins.trimStart().startsWith('{') ? '' : begins) ||
		/^[ \t]*["']?apiVersion["']?[ \t]*:/m.test(begins) ||
		/^\s*\{\s*"(?:apiVersion|kind|items)"\s*:/.test(begins)
	);
}

/**
 * Reads a file of mirrors.
 * @param name what links call it
 * @throws ProblemError `mirrors-invalid`, with the line where there is one
 */
export function parseMirrorFile(text: string, name: string): NamedMirrors {
	if (text.length > mostMirrorCharacters) {
		refuse(
			`It has ${text.length} characters; no file of mirrors has more than ${mostMirrorCharacters}.`,
		);
	}
	if (text.trim() === '') refuse('The file is empty.');
	const { rules, notes } = isToml(text) ? readRegistriesConf(text) : readOpenshift(text);
	const joined = joinRules(rules);
	if (joined.length === 0) refuse('Its sets of mirrors are empty: there is nothing to follow.');
	return { name, rules: joined, notes };
}
