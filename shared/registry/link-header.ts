/** The next page of a listing (RFC 8288, as the distribution-spec uses it for tags, referrers and repositories). */

/** The target of `rel="next"`, as written; undefined where there is none. Linear in the header's length. */
export function nextLink(header: string): string | undefined {
	for (const [, target, parameters] of header.matchAll(/<([^<>]*)>([^<]*)/g)) {
		if (target !== undefined && /;\s*rel\s*=\s*"?next"?/i.test(parameters ?? '')) return target;
	}
	return undefined;
}
