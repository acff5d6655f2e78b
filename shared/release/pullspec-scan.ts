/** Finds component pullspecs in files of any kind, byte by byte. */
import type { Span } from './version-mentions.ts';

/** A pullspec that was found whole, and what it was looked for. */
export interface PullspecHit extends Span {
	readonly pullspec: string;
}

const mark = '@sha';
const hexDigits: Readonly<Record<string, number>> = { '256:': 64, '512:': 128 };
/** A character that would make what follows the end of some longer reference. */
const continuesReference = /[A-Za-z0-9._/:@%+~-]/;
const hexDigit = /[0-9a-fA-F]/;
/** A registry, a repository, and what stands between them. */
const longestRepository = 260 + 1 + 255;
const plainRepository = /^[A-Za-z0-9._/:@%+~-]{1,516}$/;

/** Repositories of one digest. There may be very many, so those that a text can be cut for are looked up. */
interface Candidates {
	readonly plain: Set<string>;
	/** with other characters, such as the brackets of IPv6 */
	readonly odd: string[];
}

/** The places of known pullspecs by digest. Text has one character for each byte, so files need not be UTF-8. */
export class PullspecScan {
	readonly #repositories = new Map<string, Candidates>();

	/** @param pullspecs `repository@digest`, as payloads write them; others are not looked for */
	constructor(pullspecs: Iterable<string>) {
		for (const pullspec of new Set(pullspecs)) {
			const at = pullspec.lastIndexOf(mark);
			if (at < 0) continue;
			const digest = pullspec.slice(at + 1);
			const repository = pullspec.slice(0, at);
			const candidates = this.#repositories.get(digest) ?? { plain: new Set(), odd: [] };
			if (plainRepository.test(repository)) candidates.plain.add(repository);
			else candidates.odd.push(repository);
			this.#repositories.set(digest, candidates);
		}
	}

	/** In order. */
	*find(text: string): Generator<PullspecHit> {
		for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) {
			const digits = hexDigits[text.slice(at + mark.length, at + mark.length + 4)];
			if (digits === undefined) continue;
			const to = at + mark.length + 4 + digits;
			const digest = text.slice(at + 1, to);
			const candidates = this.#repositories.get(digest);
			if (!candidates || hexDigit.test(text.charAt(to))) continue;
			const written = this.#before(text, at);
			const repository = candidates.plain.has(written)
				? written
				: candidates.odd.find((each) => this.#endsAt(text, each, at));
			if (repository !== undefined) {
				yield { from: at - repository.length, to, pullspec: `${repository}@${digest}` };
			}
		}
	}

	/** All that could belong to a repository which ends there. */
	#before(text: string, end: number): string {
		let from = end;
		const first = Math.max(0, end - longestRepository - 1);
		while (from > first && continuesReference.test(text.charAt(from - 1))) from -= 1;
		return text.slice(from, end);
	}

	#endsAt(text: string, repository: string, end: number): boolean {
		const from = end - repository.length;
		return (
			from >= 0 &&
			text.startsWith(repository, from) &&
			!continuesReference.test(text.charAt(from - 1))
		);
	}
}

const shortestRun = 64;

function isHexAt(text: string, at: number): boolean {
	const code = text.charCodeAt(at) | 0x20;
	return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
}

/**
 * Every run of at least 64 hex digits. Such a run covers a multiple of 64, so only those are looked at.
 */
export function* hexRuns(text: string): Generator<Span> {
	let after = 0;
	for (let at = 0; at < text.length; at += shortestRun) {
		if (at < after || !isHexAt(text, at)) continue;
		let from = at;
		let to = at + 1;
		while (from > after && isHexAt(text, from - 1)) from -= 1;
		while (to < text.length && isHexAt(text, to)) to += 1;
		after = to;
		if (to - from >= shortestRun) yield { from, to };
	}
}
