/** Puts new pullspecs, and a new version, into a payload's archive; everything else stays byte for byte as it was. */
import { joinBytes } from '../archive/join-bytes.ts';
import { dataOf, readRecords, replaceFiles, type TarRecord } from '../archive/tar-records.ts';
import { editedJson } from '../index/edited-json.ts';
import type { JsonPath } from '../oci/json-text.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError } from '../registry/problem.ts';
import { parseImageReferences } from './image-references.ts';
import { payloadFileName, specialFiles } from './payload.ts';
import { hexRuns, PullspecScan } from './pullspec-scan.ts';
import { findVersion, toMentions, type Span, type VersionMention } from './version-mentions.ts';

export interface Renaming {
	readonly from: string;
	readonly to: string;
	/** Also where manifests name the version. */
	readonly everywhere: boolean;
}

export interface PayloadChanges {
	/** By the pullspec that is there. All components belong here, also those that stay as they are. */
	readonly pullspecs: ReadonlyMap<string, string>;
	readonly rename?: Renaming | undefined;
}

/** A digest of a component whose image moves to another repository, in a form that could not be replaced. */
export interface Leftover {
	readonly file: string;
	readonly digest: string;
}

export interface RewrittenPayload {
	/** the very same where nothing changed */
	readonly archive: Uint8Array;
	/** Files with new pullspecs, and how many, in the archive's order. */
	readonly files: readonly { readonly name: string; readonly replacements: number }[];
	/** Where the old version stands, on renaming, besides `image-references` and `release-metadata` themselves. */
	readonly mentions: readonly VersionMention[];
	readonly leftovers: readonly Leftover[];
}

interface Splice extends Span {
	readonly text: string;
}

interface RewrittenFile {
	readonly bytes: Uint8Array;
	readonly replacements: number;
	readonly mentions: readonly Omit<VersionMention, 'file'>[];
}

const versionPlaces = new Map<string, JsonPath>([
	[specialFiles.imageReferences, ['metadata', 'name']],
	[specialFiles.metadata, ['version']],
]);

function refuse(reason: string): never {
	throw new ProblemError({ code: 'payload-invalid', origin: 'content', reason });
}

/** One character for each byte, whatever the file holds. */
function charactersOf(bytes: Uint8Array): string {
	return new TextDecoder('latin1').decode(bytes);
}

/** UTF-16, as which a file is not searched for pullspecs: in both orders where it has the mark, or zeroes, of either. */
function wideTexts(bytes: Uint8Array): readonly string[] {
	const [first = 1, second = 1] = bytes;
	const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
	if (!hasMark && !bytes.subarray(0, 4).includes(0)) return [];
	return ['utf-16le', 'utf-16be'].map((encoding) => new TextDecoder(encoding).decode(bytes));
}

function digestIn(pullspec: string): string {
	return pullspec.slice(pullspec.lastIndexOf('@') + 1);
}

function applySplices(bytes: Uint8Array, splices: readonly Splice[]): Uint8Array {
	if (splices.length === 0) return bytes;
	const encoder = new TextEncoder();
	const parts: Uint8Array[] = [];
	let at = 0;
	for (const { from, to, text } of splices.toSorted((a, b) => a.from - b.from)) {
		parts.push(bytes.subarray(at, from), encoder.encode(text));
		at = to;
	}
	return joinBytes([...parts, bytes.subarray(at)]);
}

/** Pullspecs with one digest. There may be very many, but not of many different lengths. */
class Pullspecs {
	readonly #all = new Set<string>();
	readonly #lengths = new Set<number>();

	add(pullspec: string): this {
		this.#all.add(pullspec);
		this.#lengths.add(pullspec.length);
		return this;
	}

	/** True where one of them ends at this place. */
	endAt(text: string, end: number): boolean {
		for (const length of this.#lengths) {
			if (end >= length && this.#all.has(text.slice(end - length, end))) return true;
		}
		return false;
	}
}

/** How many hex digits of a digest are looked for as a number. */
const startDigits = 8;

function startOf(hex: string): number {
	return parseInt(hex.slice(0, startDigits), 16);
}

/** The parts of a run of hex digits that begin like a digest. One step a digit, however many digests there are. */
function* windows(
	run: string,
	starts: ReadonlySet<number>,
	lengths: readonly number[],
): Generator<Span> {
	let latest = 0;
	for (let at = 0; at < run.length; at += 1) {
		latest = ((latest << 4) | parseInt(run.charAt(at), 16)) >>> 0;
		const from = at + 1 - startDigits;
		if (from < 0 || !starts.has(latest)) continue;
		for (const length of lengths) {
			if (from + length <= run.length) yield { from, to: from + length };
		}
	}
}

/** Holds rewritten files against what must not be in them any more. */
class Inspection {
	readonly #gone = new Map<string, string>();
	readonly #moved = new Map<string, { readonly digest: string; readonly allowed: Pullspecs }>();
	readonly #starts: ReadonlySet<number>;

	constructor(pullspecs: ReadonlyMap<string, string>) {
		const stays = new Map<string, Pullspecs>();
		for (const to of pullspecs.values()) {
			const digest = digestIn(to);
			stays.set(digest, (stays.get(digest) ?? new Pullspecs()).add(to));
		}
		for (const [from, to] of pullspecs) {
			const digest = digestIn(from);
			const hex = digest.slice(digest.indexOf(':') + 1);
			const allowed = stays.get(digest);
			if (!from.includes('@') || from === to) continue;
			if (allowed) this.#moved.set(hex, { digest, allowed });
			else this.#gone.set(hex, from);
		}
		this.#starts = new Set([...this.#gone.keys(), ...this.#moved.keys()].map(startOf));
	}

	/** @throws ProblemError `payload-invalid` where a digest is left of a component that has another one now */
	inspect(file: string, text: string): readonly Leftover[] {
		const leftovers: Leftover[] = [];
		for (const { from, to } of hexRuns(text)) {
			const run = text.slice(from, to).toLowerCase();
			const gone = this.#within(run, this.#gone);
			if (gone) {
				refuse(
					`The payload's ${file} still names ${digestIn(gone[1])}, the old digest of ${gone[1]}, in a form that cannot be replaced.`,
				);
			}
			const moved = this.#within(run, this.#moved);
			if (!moved) continue;
			const [, { digest, allowed }] = moved;
			if (!allowed.endAt(text, to)) leftovers.push({ file, digest });
		}
		return leftovers;
	}

	#within<T>(run: string, digests: ReadonlyMap<string, T>): readonly [string, T] | undefined {
		const exact = digests.get(run);
		if (exact !== undefined) return [run, exact];
		if (run.length === 64) return undefined;
		for (const { from, to } of windows(run, this.#starts, [64, 128])) {
			const hex = run.slice(from, to);
			const found = digests.get(hex);
			if (found !== undefined) return [hex, found];
		}
		return undefined;
	}
}

class PayloadRewriter {
	readonly #changes: PayloadChanges;
	readonly #before: PullspecScan;
	readonly #after: PullspecScan;

	constructor(changes: PayloadChanges) {
		this.#changes = changes;
		this.#before = new PullspecScan(changes.pullspecs.keys());
		this.#after = new PullspecScan(changes.pullspecs.values());
	}

	/** @param text the same as `bytes`, a character for each */
	rewrite(path: string, bytes: Uint8Array, text: string): RewrittenFile {
		const hits = [...this.#before.find(text)];
		const splices = hits.flatMap(({ from, to, pullspec }): Splice[] => {
			const next = this.#changes.pullspecs.get(pullspec);
			return next === undefined || next === pullspec ? [] : [{ from, to, text: next }];
		});
		const replacements = splices.length;
		const name = payloadFileName(path);
		const { rename } = this.#changes;
		if (!rename || name === undefined) {
			return { bytes: applySplices(bytes, splices), replacements, mentions: [] };
		}
		const place = versionPlaces.get(name);
		if (place) {
			const repointed = applySplices(bytes, splices);
			return { replacements, ...this.#renameIn(name, repointed, { place, rename }) };
		}
		const spans = findVersion(text, rename.from, hits);
		const mentions = toMentions(bytes, text, spans).map((mention) => ({
			...mention,
			rewritten: rename.everywhere,
		}));
		const renamed = rename.everywhere ? spans.map((span) => ({ ...span, text: rename.to })) : [];
		return { bytes: applySplices(bytes, [...splices, ...renamed]), replacements, mentions };
	}

	/** In the two special files only the structured place changes: what else they say is history. */
	#renameIn(
		name: string,
		bytes: Uint8Array,
		{ place, rename }: { place: JsonPath; rename: Renaming },
	): Omit<RewrittenFile, 'replacements'> {
		const renamed = editedJson(`The payload's ${name}`, bytes, [{ path: place, value: rename.to }]);
		const text = charactersOf(renamed);
		const spans = findVersion(text, rename.from, [...this.#after.find(text)]);
		const mentions = toMentions(renamed, text, spans).map((mention) => ({
			...mention,
			rewritten: false,
		}));
		return { bytes: renamed, mentions };
	}
}

/** Reads `image-references` again: it must name every component by its new pullspec. */
function verifyReferences(before: Uint8Array, after: Uint8Array, changes: PayloadChanges): void {
	const decoder = new TextDecoder('utf-8');
	const old = parseImageReferences(decoder.decode(before));
	const now = parseImageReferences(decoder.decode(after));
	for (const [position, { name, pullspec }] of old.components.entries()) {
		const expected = changes.pullspecs.get(pullspec) ?? pullspec;
		const found = now.components[position];
		if (found?.name !== name || found.pullspec !== expected) {
			refuse(
				`The payload's image-references writes ${pullspec}, the pullspec of ${name}, in a form that cannot be replaced.`,
			);
		}
	}
}

/**
 * Replaces exact pullspecs in every file of the layer, whatever else is in it. Names, order, modes, owners and times
 * stay as they were, and so does the archive itself where there is nothing to replace.
 * @throws ProblemError `payload-invalid` where an old digest is left in any form, or `image-references` could not be
 * rewritten; `malformed` and `unsupported` where the archive or one of its two special files cannot be edited
 */
export async function rewritePayload(
	archive: Uint8Array,
	changes: PayloadChanges,
): Promise<RewrittenPayload> {
	const records = await readRecords(archive, limits.payloadEntries);
	const rewriter = new PayloadRewriter(changes);
	const inspection = new Inspection(changes.pullspecs);
	const replacements = new Map<TarRecord, Uint8Array>();
	const files: { name: string; replacements: number }[] = [];
	const mentions: VersionMention[] = [];
	const leftovers: Leftover[] = [];
	for (const record of records) {
		if (!record.isFile) continue;
		const before = dataOf(archive, record);
		const file = payloadFileName(record.name) ?? record.name;
		const text = charactersOf(before);
		const rewritten = rewriter.rewrite(record.name, before, text);
		const after = rewritten.bytes;
		if (after !== before) replacements.set(record, after);
		if (rewritten.replacements > 0) {
			files.push({ name: file, replacements: rewritten.replacements });
		}
		for (const mention of rewritten.mentions) mentions.push({ file, ...mention });
		const texts = [after === before ? text : charactersOf(after), ...wideTexts(after)];
		for (const leftover of texts.flatMap((each) => inspection.inspect(file, each))) {
			leftovers.push(leftover);
		}
		const isReferences = payloadFileName(record.name) === specialFiles.imageReferences;
		if (isReferences) verifyReferences(before, after, changes);
	}
	return {
		archive: replacements.size === 0 ? archive : replaceFiles(archive, records, replacements),
		files,
		mentions,
		leftovers,
	};
}
