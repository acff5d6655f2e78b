/** Every route of the page, typed, both ways: `#/view?param=…`. All that a view shows is in here. */
import * as z from 'zod';
import { parsePlatform, type PlatformKey } from '../oci/platform.ts';
import { pruneShape } from './prune-params.ts';
import { defaultSort, formatSort, parseSort, type Sort } from '../release/order.ts';

/** Columns beside those of the platforms. */
export const factColumns = ['built', 'size', 'unique', 'used'] as const;
export type FactColumn = (typeof factColumns)[number];
export type Column = FactColumn | PlatformKey;

function isFactColumn(text: string): text is FactColumn {
	return (factColumns as readonly string[]).includes(text);
}

const columnsCodec = z.codec(z.string(), z.array(z.custom<Column>()), {
	decode: (text, context) =>
		text.split(',').flatMap((part): Column[] => {
			const column = isFactColumn(part) ? part : parsePlatform(part);
			if (column) return [column];
			context.issues.push({ code: 'custom', message: 'not a column', input: part });
			return [];
		}),
	encode: (columns) => columns.join(','),
});

const sortCodec = z.codec(z.string(), z.custom<Sort>(), {
	decode: (text, context) => {
		const sort = parseSort(text);
		if (!sort) context.issues.push({ code: 'custom', message: 'not an order', input: text });
		return sort ?? defaultSort;
	},
	encode: formatSort,
});

/** The order of keys is the order in links. An empty parameter is the same as none. */
const releaseParams = z.object({
	ref: z.string().min(1),
	q: z.string().min(1).optional(),
	cols: columnsCodec.optional(),
	sort: sortCodec.optional(),
	component: z.string().min(1).optional(),
	/** the mirror rules by name: where to read, not what */
	mirrors: z.string().min(1).optional(),
	...pruneShape,
});

/** A release, and the plan for what was chosen in it, have the same parameters: one leads to the other and back. */
const releaseViews = ['release', 'plan'] as const;
type ReleaseViewName = (typeof releaseViews)[number];

export type ReleaseParams = z.infer<typeof releaseParams> & {
	/** Parameters of a newer page, which this one keeps in its links. */
	readonly rest?: readonly (readonly [key: string, value: string])[];
};

export type Route =
	| { readonly view: 'home' }
	/** a plan or receipt that is in this tab only, as it came out of a file */
	| { readonly view: 'file' }
	| { readonly view: ReleaseViewName; readonly params: ReleaseParams };

export interface ParsedRoute {
	readonly route: Route;
	/** One sentence for every part of the link that was not understood and is left out. */
	readonly notices: readonly string[];
}

function print(path: string, params: readonly (readonly [string, string])[]): string {
	const query = new URLSearchParams(params.map(([key, value]) => [key, value])).toString();
	// “/”, “:”, “,” and “@” mean nothing in a fragment's query: links stay readable.
	const readable = query
		.replace(/%2F/g, '/')
		.replace(/%3A/g, ':')
		.replace(/%2C/g, ',')
		.replace(/%40/g, '@');
	return `#/${path}${readable && `?${readable}`}`;
}

/** A route as the fragment of a link. Defaults are left out. */
export function formatRoute(route: Route): string {
	if (route.view === 'home') return print('', []);
	if (route.view === 'file') return print('file', []);
	const { rest = [], ...params } = route.params;
	const encoded = z.encode(releaseParams, params);
	const keys = Object.keys(releaseParams.shape) as (keyof typeof encoded)[];
	const known = keys.flatMap((key) => {
		const value = encoded[key];
		return value === undefined ? [] : [[key, value] as const];
	});
	return print(route.view, [...known, ...rest]);
}

const missing: ParsedRoute = { route: { view: 'home' }, notices: [] };

/** Reads a fragment. A parameter that is wrong is left out and named, one that is unknown is kept; a view that is unknown leads home. */
export function parseRoute(fragment: string): ParsedRoute {
	const [path = '', query = ''] = fragment.replace(/^#?\/?/, '').split(/\?(.*)/s);
	if (path === '') return missing;
	if (path === 'file') return { route: { view: 'file' }, notices: [] };
	const view = releaseViews.find((name) => name === path);
	if (!view) {
		return { route: { view: 'home' }, notices: [`There is no view “${path}”.`] };
	}
	const pairs = [...new URLSearchParams(query)].filter(([, value]) => value !== '');
	const isKnown = (key: string) => Object.hasOwn(releaseParams.shape, key);
	let given = Object.fromEntries(pairs.filter(([key]) => isKnown(key)));
	const rest = pairs.filter(([key]) => !isKnown(key));
	const notices: string[] = [];
	for (;;) {
		const result = z.safeDecode(releaseParams, given as z.input<typeof releaseParams>);
		if (result.success) {
			const params = { ...result.data, ...(rest.length > 0 && { rest }) };
			return { route: { view, params }, notices };
		}
		const [key] = result.error.issues[0]?.path ?? [];
		if (typeof key !== 'string' || key === 'ref' || !(key in given)) {
			return { route: { view: 'home' }, notices: ['The link names no reference (“ref”).'] };
		}
		notices.push(`“${key}=${given[key] ?? ''}” in the link was not understood and is left out.`);
		given = Object.fromEntries(Object.entries(given).filter(([other]) => other !== key));
	}
}
