/** A sentence in parts, so that its long digests can be shown short. */
import { abbreviate } from '../../shared/oci/digest.ts';

export type SentencePart =
	| { readonly kind: 'text'; readonly text: string }
	/** a digest, or a reference by digest */
	| { readonly kind: 'digest'; readonly text: string; readonly short: string };

const digest = /(?:[\w.:/[\]-]+@)?(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})(?![a-f0-9])/g;

function shorten(text: string): string {
	const at = text.lastIndexOf('@') + 1;
	return `${text.slice(0, at)}${abbreviate(text.slice(at))}…`;
}

export function splitDigests(sentence: string): readonly SentencePart[] {
	const parts: SentencePart[] = [];
	let end = 0;
	for (const { 0: text, index } of sentence.matchAll(digest)) {
		if (index > end) parts.push({ kind: 'text', text: sentence.slice(end, index) });
		parts.push({ kind: 'digest', text, short: shorten(text) });
		end = index + text.length;
	}
	if (end < sentence.length) parts.push({ kind: 'text', text: sentence.slice(end) });
	return parts;
}
