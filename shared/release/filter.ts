/**
 * The filter of the matrix, one grammar for page, links and command line:
 * `name:aws-* status:placeholder,broken arch:s390x -status:built etcd`.
 * Space is AND, comma is OR, `-` in front is NOT; a bare word is a part of the name.
 */
import { parsePlatform, type PlatformKey } from '../oci/platform.ts';
import { statuses, type Cell, type ComponentCoverage, type Status } from './coverage.ts';

interface CellTerm {
	readonly negated: boolean;
	readonly matches: (cell: Cell) => boolean;
}

interface ComponentTerm {
	readonly negated: boolean;
	readonly matches: (row: ComponentCoverage) => boolean;
}

/** A component is shown when its own terms hold, and one of its cells fulfils all terms about cells at once. */
export interface Filter {
	readonly components: readonly ComponentTerm[];
	readonly cells: readonly CellTerm[];
}

export type ParsedFilter =
	| { readonly ok: true; readonly filter: Filter }
	/** `from` and `to` are the place of the part that was not understood. */
	| { readonly ok: false; readonly reason: string; readonly from: number; readonly to: number };

interface Term {
	readonly negated: boolean;
	readonly key: string;
	readonly values: readonly string[];
	readonly from: number;
	readonly to: number;
}

const termPattern = /(-?)(?:([a-z]+):)?("[^"]*"?|[^\s"]+)/giy;

function* readTerms(text: string): Generator<Term> {
	let at = 0;
	while (at < text.length) {
		termPattern.lastIndex = at;
		const match = termPattern.exec(text);
		if (!match) {
			at += 1;
			continue;
		}
		const [whole, minus, key = 'name', value = ''] = match;
		const bare = value.replace(/^"|"$/g, '');
		yield {
			negated: minus === '-',
			key: match[2] === undefined ? 'text' : key.toLowerCase(),
			values: (value.startsWith('"') ? [bare] : bare.split(',').filter(Boolean)).map((each) =>
				each.toLowerCase(),
			),
			from: at,
			to: at + whole.length,
		};
		at += whole.length;
	}
}

/** `*` stands for any characters; everything else for itself. Linear in time. */
export function matchesGlob(glob: string, text: string): boolean {
	const parts = glob.split('*');
	const [first = ''] = parts;
	if (parts.length === 1) return text === glob;
	if (!text.startsWith(first)) return false;
	let at = first.length;
	for (const part of parts.slice(1, -1)) {
		const found = text.indexOf(part, at);
		if (found < 0) return false;
		at = found + part.length;
	}
	const last = parts.at(-1) ?? '';
	return text.length - last.length >= at && text.endsWith(last);
}

function isStatus(text: string): text is Status {
	return (statuses as readonly string[]).includes(text);
}

type Understood =
	{ readonly component: ComponentTerm } | { readonly cell: CellTerm } | { readonly reason: string };

function understand({ negated, key, values }: Term): Understood {
	switch (key) {
		case 'text':
			return {
				component: {
					negated,
					matches: ({ component }) => values.some((value) => component.name.includes(value)),
				},
			};
		case 'name':
			return {
				component: {
					negated,
					matches: ({ component }) => values.some((value) => matchesGlob(value, component.name)),
				},
			};
		case 'digest':
			return {
				component: {
					negated,
					matches: ({ root, images }) =>
						values.some(
							(value) =>
								(root.kind === 'read' && root.digest.startsWith(value)) ||
								images.some(({ digest }) => digest.startsWith(value)),
						),
				},
			};
		case 'status': {
			const wrong = values.find((value) => !isStatus(value));
			if (wrong !== undefined) {
				return { reason: `“${wrong}” is not a status. There are ${statuses.join(', ')}.` };
			}
			return { cell: { negated, matches: ({ status }) => values.includes(status) } };
		}
		case 'arch': {
			const platforms: PlatformKey[] = [];
			for (const value of values) {
				const platform = parsePlatform(value);
				if (!platform) return { reason: `“${value}” is not a platform.` };
				platforms.push(platform);
			}
			return { cell: { negated, matches: ({ platform }) => platforms.includes(platform) } };
		}
		default:
			return {
				reason: `“${key}:” is not known here. There are name:, status:, arch: and digest:.`,
			};
	}
}

export function parseFilter(text: string): ParsedFilter {
	const components: ComponentTerm[] = [];
	const cells: CellTerm[] = [];
	for (const term of readTerms(text)) {
		const { from, to } = term;
		if (term.values.length === 0) {
			return {
				ok: false,
				reason: `Something is missing after “${text.slice(from, to)}”.`,
				from,
				to,
			};
		}
		const understood = understand(term);
		if ('reason' in understood) return { ok: false, reason: understood.reason, from, to };
		if ('component' in understood) components.push(understood.component);
		else cells.push(understood.cell);
	}
	return { ok: true, filter: { components, cells } };
}

/** The rows that a filter shows, in their order. */
export function applyFilter(
	filter: Filter,
	rows: readonly ComponentCoverage[],
): readonly ComponentCoverage[] {
	return rows.filter(
		(row) =>
			filter.components.every(({ negated, matches }) => matches(row) !== negated) &&
			(filter.cells.length === 0 ||
				row.cells.some((cell) =>
					filter.cells.every(({ negated, matches }) => matches(cell) !== negated),
				)),
	);
}

/** The statuses that a filter text asks for with `status:`, for controls that mirror it. */
export function filteredStatuses(text: string): ReadonlySet<Status> {
	const terms = [...readTerms(text)].filter(({ key, negated }) => key === 'status' && !negated);
	return new Set(terms.flatMap(({ values }) => values.filter(isStatus)));
}

/** The filter text with one status switched on or off, everything else as it was. */
export function toggleStatus(text: string, status: Status): string {
	const wanted = new Set(filteredStatuses(text));
	if (!wanted.delete(status)) wanted.add(status);
	const others = [...readTerms(text)]
		.filter(({ key, negated }) => key !== 'status' || negated)
		.map(({ from, to }) => text.slice(from, to));
	const chosen = statuses.filter((candidate) => wanted.has(candidate));
	return [...others, ...(chosen.length > 0 ? [`status:${chosen.join(',')}`] : [])].join(' ');
}
