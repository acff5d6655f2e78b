/** JSON with one spelling for each value: keys sorted by code unit, no white space. For hashing, never for sending. */

export type JsonValue =
	| string
	| number
	| boolean
	| null
	| readonly JsonValue[]
	| { readonly [key: string]: JsonValue | undefined };

/** Properties that are undefined count as not there. */
export function canonicalJson(value: JsonValue): string {
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	if (Array.isArray(value)) {
		return `[${(value as readonly JsonValue[]).map(canonicalJson).join(',')}]`;
	}
	const members = Object.entries(value)
		.filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)
		.toSorted(([a], [b]) => (a < b ? -1 : 1))
		.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
	return `{${members.join(',')}}`;
}
