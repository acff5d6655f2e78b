import { describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../../shared/oci/reference.ts';
import { mirrored } from '../../../shared/registry/mirrored.ts';
import type { MirrorRule, MirrorRules } from '../../../shared/registry/mirror-rules.ts';
import {
	ProblemError,
	problemOf,
	type Problem,
	type ProblemCode,
} from '../../../shared/registry/problem.ts';
import type {
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	PresenceResult,
} from '../../../shared/registry/registries.ts';
import { FakeRegistries } from '../../support/fake-registries.ts';

const source = { registry: 'quay.io', repository: 'ocp/release' };
const first = { registry: 'm1.local', repository: 'x/release' };
const second = { registry: 'm2.local', repository: 'ocp/release' };
const elsewhere = { registry: 'other.io', repository: 'a' };

function ruleOf(more: Partial<MirrorRule> = {}): MirrorRule {
	return {
		source: 'quay.io/ocp',
		location: 'quay.io/ocp',
		mirrors: [
			{ location: 'm1.local/x', pulls: 'all' },
			{ location: 'm2.local/ocp', pulls: 'all' },
		],
		contactsSource: true,
		...more,
	};
}

/** Counts what it is asked in one call. */
class CountingRegistries extends FakeRegistries {
	readonly batches: string[][] = [];

	override readManifests(requests: readonly DocumentRequest[], options?: CallOptions) {
		this.batches.push(requests.map(({ reference }) => formatReference(reference)));
		return super.readManifests(requests, options);
	}

	override exists(requests: readonly PresenceRequest[], options?: CallOptions) {
		this.batches.push(requests.map(({ reference }) => formatReference(reference)));
		return super.exists(requests, options);
	}
}

function setUp(more: Partial<MirrorRule> = {}) {
	const inner = new CountingRegistries();
	const rules = { rules: [ruleOf(more)] };
	return { inner, rules, registries: mirrored(inner, rules) };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

function put(inner: FakeRegistries, places: readonly Repository[], text: string): DigestReference {
	const [reference] = places.map((place) =>
		inner.putManifest(place, { mediaType: mediaTypes.ociIndex, bytes: bytesOf(text) }, text),
	);
	if (!reference) throw new Error('nowhere');
	return byDigest(source, reference.digest);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const found: T[] = [];
	for await (const item of items) found.push(item);
	return found;
}

async function readOne(
	{ registries }: Pick<ReturnType<typeof setUp>, 'registries'>,
	reference: Reference,
	options?: CallOptions,
): Promise<DocumentResult> {
	const request = { reference, namedBy: 'content.io' };
	const [result, ...more] = await all(registries.readManifests([request], options));
	expect(more).toEqual([]);
	expect(result?.request).toBe(request);
	if (!result) throw new Error('no result');
	return result;
}

function where(result: DocumentResult | PresenceResult): string {
	if (!result.ok) return result.problem.code;
	return result.readFrom ? formatRepository(result.readFrom) : 'as asked';
}

function failing(code: ProblemCode): Problem {
	return { code, origin: 'registry', reason: `It says ${code}.` };
}

describe('reading through mirrors', () => {
	it('reads at the first mirror, and says so', async () => {
		const set = setUp();
		const reference = put(set.inner, [first, second, source], 'one');
		const result = await readOne(set, reference);
		expect(result).toMatchObject({ ok: true, readFrom: first });
		expect(set.inner.asked).toEqual([formatReference(byDigest(first, reference.digest))]);
		// The user’s own file names mirrors, whatever named the source.
		expect(set.inner.namedBy).toEqual([undefined]);
	});

	it('says nothing of it where something was read as it was asked for', async () => {
		const set = setUp();
		const reference = put(set.inner, [source], 'one');
		const result = await readOne(set, reference);
		expect(result.ok && !('readFrom' in result)).toBe(true);
		expect(set.inner.namedBy).toEqual([undefined, undefined, 'content.io']);
		const other = put(set.inner, [elsewhere], 'two');
		expect(where(await readOne(set, byDigest(elsewhere, other.digest)))).toBe('as asked');
	});

	it.each<ProblemCode>([
		'manifest-unknown',
		'repository-unknown',
		'denied',
		'unauthorized',
		'rate-limited',
		'host-unknown',
		'connection-refused',
		'timeout',
		'tls-failure',
		'registry-failure',
		'truncated',
		'too-large',
		'egress-blocked',
	])('goes on to the next place after %s', async (code) => {
		const set = setUp();
		const reference = put(set.inner, [first, second], 'one');
		set.inner.fail(byDigest(first, reference.digest), failing(code));
		expect(where(await readOne(set, reference))).toBe('m2.local/ocp/release');
	});

	it.each<ProblemCode>(['cancelled', 'proxy-unreachable', 'token-rejected', 'internal'])(
		'does not go on after %s, which says nothing of the place',
		async (code) => {
			const set = setUp();
			const reference = put(set.inner, [first, second], 'one');
			set.inner.fail(byDigest(first, reference.digest), failing(code));
			expect(await readOne(set, reference)).toMatchObject({
				ok: false,
				problem: { code, reason: `It says ${code}.` },
			});
			expect(set.inner.asked).toHaveLength(1);
		},
	);

	it('takes wrong bytes for a fault of that one mirror', async () => {
		const set = setUp();
		const reference = put(set.inner, [first, second, source], 'one');
		set.inner.corrupt(byDigest(first, reference.digest), bytesOf('two'));
		expect(where(await readOne(set, reference))).toBe('m2.local/ocp/release');
	});

	it('names every place that was tried where all fail', async () => {
		const set = setUp();
		const reference = put(set.inner, [first, second, source], 'one');
		set.inner.fail(byDigest(first, reference.digest), failing('timeout'));
		set.inner.fail(byDigest(second, reference.digest), failing('denied'));
		set.inner.fail(reference, failing('host-unknown'));
		expect(await readOne(set, reference)).toMatchObject({
			ok: false,
			problem: {
				code: 'host-unknown',
				reason:
					'It was tried where the mirror rules say, in this order: m1.local/x/release (It says timeout); m2.local/ocp/release (It says denied); quay.io/ocp/release (It says host-unknown).',
			},
		});
	});

	it('does not call absent what one of the places could not be asked for', async () => {
		const set = setUp();
		const reference = put(set.inner, [source], 'one');
		set.inner.forget(reference);
		const at = (place: Repository) => byDigest(place, reference.digest);
		set.inner.fail(at(first), failing('manifest-unknown'));
		set.inner.fail(at(second), failing('repository-unknown'));
		expect(where(await readOne(set, reference))).toBe('manifest-unknown');
		set.inner.fail(at(first), failing('timeout'));
		expect(where(await readOne(set, reference))).toBe('timeout');
	});

	it('never asks a source that is not to be contacted, with all its mirrors down', async () => {
		const set = setUp({ contactsSource: false });
		const reference = put(set.inner, [first, second, source], 'one');
		set.inner.fail(byDigest(first, reference.digest), failing('connection-refused'));
		set.inner.fail(byDigest(second, reference.digest), failing('connection-refused'));
		const result = await readOne(set, reference);
		expect(where(result)).toBe('connection-refused');
		expect(set.inner.asked).toHaveLength(2);
		expect(set.inner.asked.join(' ')).not.toContain('quay.io');
	});

	it('says that the rules forbid it where there is no place left', async () => {
		const set = setUp({ contactsSource: false, mirrors: [] });
		const reference = put(set.inner, [source], 'one');
		expect(where(await readOne(set, reference))).toBe('source-blocked');
		await expect(set.registries.readBlob({ reference })).rejects.toThrow('source-blocked');
		await expect(all(set.registries.tags(source))).rejects.toThrow('source-blocked');
		expect(set.inner.asked).toEqual([]);
	});

	it('asks by tag only where a mirror is for tags', async () => {
		const set = setUp({ mirrors: [{ location: 'm1.local/x', pulls: 'digest' }] });
		put(set.inner, [first], 'one');
		put(set.inner, [source], 'one');
		expect(where(await readOne(set, { ...source, tag: 'one' }))).toBe('as asked');
		const tags = setUp({ mirrors: [{ location: 'm1.local/x', pulls: 'tag' }] });
		const reference = put(tags.inner, [first, source], 'one');
		expect(where(await readOne(tags, reference))).toBe('as asked');
		expect(where(await readOne(tags, { ...source, tag: 'one' }))).toBe('m1.local/x/release');
		// What hangs below the tag is where the tag was.
		expect(where(await readOne(tags, reference))).toBe('m1.local/x/release');
	});

	it('looks for what is attached to a digest where the digest is', async () => {
		const set = setUp({ mirrors: [{ location: 'm1.local/x', pulls: 'digest' }] });
		const tag = `sha256-${'0'.repeat(64)}.sig`;
		put(set.inner, [first], tag);
		expect(where(await readOne(set, { ...source, tag }))).toBe('m1.local/x/release');
	});

	it.each<[string, CallOptions, boolean]>([
		['exactly there', { exact: true }, false],
		['for writing', {}, true],
	])('stands in for nothing that is asked %s', async (_, options, forWriting) => {
		const { inner, registries } = setUp({ contactsSource: false });
		const reference = put(inner, [first, source], 'one');
		const request = { reference, forWriting };
		const [result] = await all(registries.readManifests([request], options));
		expect(result && where(result)).toBe('as asked');
		const presence = { ...request, kind: 'manifest' as const };
		const [present] = await all(registries.exists([presence], options));
		expect(present && where(present)).toBe('as asked');
		expect(inner.asked.every((name) => name.startsWith('quay.io/'))).toBe(true);
	});

	it('keeps batches whole: one call for each round, whatever fails', async () => {
		const { inner, registries } = setUp();
		const references = Array.from({ length: 40 }, (_, number) =>
			put(inner, number % 2 ? [first] : [source], `number ${number}`),
		);
		const other = byDigest(elsewhere, put(inner, [elsewhere], 'other').digest);
		const requests = [...references, other].map((reference) => ({ reference }));
		const results = await all(registries.readManifests(requests));
		expect(inner.batches.map((batch) => batch.length)).toEqual([41, 20, 20]);
		expect(results).toHaveLength(41);
		expect(new Set(results.map(({ request }) => request))).toEqual(new Set(requests));
		expect(results.every(({ ok }) => ok)).toBe(true);
	});

	it('gives what the first round found before the second begins', async () => {
		const { inner, registries } = setUp();
		const slow = put(inner, [source], 'slow');
		const fast = put(inner, [first], 'fast');
		const requests = [slow, fast].map((reference) => ({ reference }));
		const results = registries.readManifests(requests)[Symbol.asyncIterator]();
		await results.next();
		expect(inner.batches).toHaveLength(1);
	});

	it('follows rules as they are at the time of a call', async () => {
		const inner = new CountingRegistries();
		const rules: { rules: MirrorRules['rules'] } = { rules: [] };
		const set = { registries: mirrored(inner, rules) };
		const reference = put(inner, [first, source], 'one');
		expect(where(await readOne(set, reference))).toBe('as asked');
		rules.rules = [ruleOf()];
		expect(where(await readOne(set, reference))).toBe('m1.local/x/release');
	});
});

describe('asking for presence through mirrors', () => {
	async function ask(set: ReturnType<typeof setUp>, reference: DigestReference) {
		const request = { reference, kind: 'manifest' as const };
		const [result] = await all(set.registries.exists([request]));
		expect(result?.request).toBe(request);
		return result;
	}

	it('goes on where it is absent, and says where it is', async () => {
		const set = setUp();
		const reference = put(set.inner, [second], 'one');
		expect(await ask(set, reference)).toMatchObject({ present: true, readFrom: second });
		expect(set.inner.batches).toHaveLength(2);
	});

	it('says absent only where all do', async () => {
		const set = setUp();
		const reference = put(set.inner, [elsewhere], 'one');
		expect(await ask(set, reference)).toMatchObject({ ok: true, present: false });
		set.inner.fail(byDigest(second, reference.digest), failing('timeout'));
		expect(await ask(set, reference)).toMatchObject({ ok: false, problem: { code: 'timeout' } });
	});
});

describe('reading blobs and listings through mirrors', () => {
	const blob = bytesOf('a layer');

	async function textOf(set: ReturnType<typeof setUp>, reference: DigestReference) {
		const { chunks } = await set.registries.readBlob({ reference, sizeBytes: blob.length });
		return Buffer.concat(await all(chunks)).toString();
	}

	it('gives no byte of a mirror whose blob turns out to be wrong', async () => {
		const set = setUp();
		const { digest } = set.inner.putBlob(second, blob);
		set.inner.putBlob(first, bytesOf('a lawyer').subarray(0, blob.length), digest);
		expect(await textOf(set, byDigest(source, digest))).toBe('a layer');
		expect(set.inner.asked).toHaveLength(2);
	});

	it('tells of all places where no one has the blob', async () => {
		const set = setUp();
		const { digest } = set.inner.putBlob(elsewhere, blob);
		const error = await textOf(set, byDigest(source, digest)).catch((cause: unknown) => cause);
		expect(error).toBeInstanceOf(ProblemError);
		expect(problemOf(error)).toMatchObject({ code: 'blob-unknown' });
		expect(problemOf(error).reason).toMatch(/m1\.local.*m2\.local.*quay\.io/);
	});

	it('lists tags where there are any', async () => {
		const set = setUp();
		put(set.inner, [second], 'one');
		expect(await all(set.registries.tags(source))).toEqual(['one']);
		await expect(all(set.registries.tags(source, { exact: true }))).rejects.toThrow(
			'repository-unknown',
		);
	});

	it('looks for referrers further where a mirror has none', async () => {
		const set = setUp();
		const subject = put(set.inner, [first, source], '{}');
		const bytes = bytesOf(JSON.stringify({ subject: { digest: subject.digest } }));
		const mediaType = mediaTypes.ociManifest;
		set.inner.putManifest(source, { mediaType, bytes });
		expect(await all(set.registries.referrers(subject))).toMatchObject([{ mediaType }]);
	});
});

describe('writing with mirrors', () => {
	const target = { registry: 'target.io', repository: 't' };

	it('copies from a mirror, and gives back the very requests', async () => {
		const { inner, registries } = setUp({ contactsSource: false });
		const { digest } = inner.putBlob(second, bytesOf('a layer'));
		const copy = { to: byDigest(target, digest), sizeBytes: 7, from: [source] };
		const events = await all(registries.copyBlobs([copy]));
		expect(events.at(-1)).toMatchObject({ state: 'copied' });
		expect(events.every((event) => event.copy === copy)).toBe(true);
		const manifest = put(inner, [first], 'one');
		const push = {
			to: byDigest(target, manifest.digest),
			mediaType: mediaTypes.octetStream,
			from: [source],
		};
		const [pushed] = await all(registries.pushManifests([push]));
		expect(pushed?.push).toBe(push);
		expect(pushed?.state).toBe('pushed');
		expect(inner.asked.join(' ')).not.toContain('quay.io');
	});

	it('never writes anywhere but where it was told', async () => {
		const { inner, registries } = setUp({ contactsSource: false });
		const reference = put(inner, [first], 'one');
		const content = { mediaType: mediaTypes.octetStream, bytes: bytesOf('made') };
		const made = inner.putManifest(elsewhere, content);
		const to = byDigest(source, made.digest);
		await all(registries.pushManifests([{ to, ...content }]));
		await all(
			registries.moveTags([{ ...source, tag: 'new', digest: made.digest, expect: 'absent' }]),
		);
		expect(inner.written).toEqual([
			`manifest ${formatReference(to)}`,
			`tag quay.io/ocp/release:new ${made.digest}`,
		]);
		expect(reference.registry).toBe('quay.io');
	});

	it('refuses to copy what may be read nowhere, and copies the rest', async () => {
		const { inner, registries } = setUp({ contactsSource: false, mirrors: [] });
		const { digest } = inner.putBlob(source, bytesOf('a layer'));
		inner.putBlob(elsewhere, bytesOf('a layer'));
		const to = byDigest(target, digest);
		const refused = { to, sizeBytes: 7, from: [source] };
		const fine = { to, sizeBytes: 7, from: [source, elsewhere] };
		const events = await all(registries.copyBlobs([refused, fine]));
		expect(events[0]).toMatchObject({
			copy: refused,
			state: 'failed',
			problem: { code: 'source-blocked' },
		});
		expect(events.at(-1)).toMatchObject({ copy: fine, state: 'copied' });
	});
});
