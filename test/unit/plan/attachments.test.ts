import { beforeEach, describe, expect, it } from 'vitest';
import { gzip } from '../../../shared/archive/compress.ts';
import type { Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type Repository,
} from '../../../shared/oci/reference.ts';
import { consequencesOf } from '../../../shared/plan/consequences.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import { planPrune, type PlanPruneOptions } from '../../../shared/plan/plan-prune.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import { contentAt, repositoryAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { receiptOf } from '../../../shared/plan/receipt.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import type { CapabilityFact } from '../../../shared/registry/capabilities.ts';
import { referrersTag } from '../../../shared/registry/distribution.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import type { PruneChoices } from '../../../shared/release/prune-release.ts';
import { planMarkdown } from '../../../shared/report/plan-markdown.ts';
import { planText } from '../../../shared/report/plan-text.ts';
import { inflate } from '../../../web/api/inflate.ts';
import {
	attachedImage,
	cosignTag,
	sbomType,
	signatureType,
	type AttachedImage,
} from '../../support/attached.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	contentOf,
	descriptorOf,
	entryOf,
	linux,
	ReleaseMaker,
	type Content,
	type MadeImage,
} from '../../support/release-maker.ts';

const target = { registry: 'registry.test', repository: 'acme/parts' };
const release = { registry: 'registry.test', repository: 'acme/release', tag: 'copy' };

let maker: ReleaseMaker;
/** The component that is built everywhere, and the one with a placeholder. */
let etcd: readonly MadeImage[];
let aws: { readonly index: Digest; readonly built: MadeImage };
let releaseImages: readonly MadeImage[];

beforeEach(async () => {
	maker = new ReleaseMaker(['amd64', 'arm64']);
	const pods = maker.addBuilt('pod');
	const built = maker.image('aws', linux('amd64'));
	const index = maker.add('aws', [entryOf(built), ...pods.slice(1).map((pod) => entryOf(pod))]);
	aws = { index: index.digest, built };
	etcd = maker.addBuilt('etcd');
	releaseImages = await maker.finish();
});

function put(place: Repository, image: AttachedImage, tag?: string): AttachedImage {
	for (const { bytes } of [image.config, image.layer]) maker.registries.putBlob(place, bytes);
	maker.registries.putManifest(place, image.manifest, tag);
	return image;
}

function sign(digest: Digest, place = maker.parts, text = `signed ${digest}`): AttachedImage {
	return put(place, attachedImage(text), cosignTag(digest, 'sig'));
}

function refer(subject: Content, artifactType = signatureType, place = maker.parts): AttachedImage {
	const image = attachedImage(`${artifactType} of ${subject.digest}`, { subject, artifactType });
	return put(place, image);
}

type PrunePlan = Plan & { subject: PruneSubject };

async function planOf(
	changes: Partial<PruneChoices> = {},
	options: PlanPruneOptions = {},
): Promise<PrunePlan> {
	const tools = { registries: maker.registries, hash: hashOf, inflate };
	const choices: PruneChoices = {
		selection: { preset: { kind: 'placeholders' }, components: [], exclude: [], toggled: [] },
		repository: target,
		release,
		tagTemplate: '',
		selfContained: false,
		rewriteVersion: false,
		...changes,
	};
	const compress = { gzip: async (bytes: Uint8Array) => gzip(bytes) };
	const plan = await planPrune({ ...tools, ...compress }, await maker.read(), choices, options);
	if (plan.subject.kind !== 'prune-release') throw new Error('another kind of plan');
	return { ...plan, subject: plan.subject };
}

const whole: Partial<PruneChoices> = {
	mode: 'whole',
	selection: { preset: { kind: 'none' }, components: [], exclude: [], toggled: [] },
};

async function carryOut(plan: Plan): Promise<Run> {
	const run = new Run(plan);
	for await (const _ of runPlan(maker.registries, run));
	expect(run.outcome).toEqual({ kind: 'verified' });
	return run;
}

function refusalOf(promise: Promise<unknown>): Promise<Problem> {
	return promise.then(
		() => Promise.reject(new Error('it was planned')),
		(error: unknown) => problemOf(error),
	);
}

/** `repository:tag` of all tags, in the order in which they move. */
function tagsOf(plan: Plan): readonly string[] {
	return stepsOf(plan, 'tag').map(({ to, tag }) =>
		formatReference({ ...repositoryAt(plan, to), tag }),
	);
}

function writes(plan: Plan, { digest }: Content, place: Repository = target): boolean {
	return stepsOf(plan, 'manifest').some(
		({ to, content }) =>
			contentAt(plan, content).digest === digest &&
			formatRepository(repositoryAt(plan, to)) === formatRepository(place),
	);
}

const withApi: CapabilityFact = {
	registry: 'registry.test',
	about: 'referrers',
	answer: 'yes',
	basis: 'stated',
	evidence: 'registry.test answers 200 to GET /v2/…/referrers/…',
	checkedAt: 1,
};
const withoutApi: CapabilityFact = { ...withApi, answer: 'no' };

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What the tag in place of the referrers API lists at the target. */
async function listedAt(subject: Digest, place: Repository = target) {
	const reference = { ...place, tag: referrersTag(subject) };
	for await (const result of maker.registries.readManifests([{ reference }])) {
		if (!result.ok) return undefined;
		return JSON.parse(text(result.document.bytes)) as {
			readonly manifests: readonly { readonly digest: string; readonly artifactType?: string }[];
			readonly annotations?: unknown;
		};
	}
	return undefined;
}

describe('cosign’s tags', () => {
	it('of what is copied come along, each by digest, and are set before the release', async () => {
		const signature = sign(aws.built.manifest.digest);
		const sbom = put(
			maker.parts,
			attachedImage('sbom'),
			cosignTag(aws.built.manifest.digest, 'sbom'),
		);
		const plan = await planOf();
		expect(plan.subject.attachments?.copied).toEqual([
			{
				subject: aws.built.manifest.digest,
				to: `registry.test/acme/parts@${signature.manifest.digest}`,
				kind: 'signature',
				type: mediaTypes.ociConfig,
				tag: cosignTag(aws.built.manifest.digest, 'sig'),
			},
			expect.objectContaining({ kind: 'sbom' }),
		]);
		expect(tagsOf(plan)).toEqual([
			`registry.test/acme/parts:${cosignTag(aws.built.manifest.digest, 'sig')}`,
			`registry.test/acme/parts:${cosignTag(aws.built.manifest.digest, 'sbom')}`,
			'registry.test/acme/release:copy',
		]);
		await carryOut(plan);
		const at = (suffix: 'sig' | 'sbom') =>
			maker.registries.tagOf(target, cosignTag(aws.built.manifest.digest, suffix));
		expect(at('sig')).toBe(signature.manifest.digest);
		expect(at('sbom')).toBe(sbom.manifest.digest);
		expect(maker.registries.hasBlob(byDigest(target, signature.layer.digest))).toBe(true);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('are taken back when the run is undone', async () => {
		sign(aws.built.manifest.digest);
		const plan = await planOf();
		const run = await carryOut(plan);
		const receipt = receiptOf(run, { startedAt: 1, finishedAt: 2 });
		await carryOut(await planUndo({ registries: maker.registries, hash: hashOf }, receipt));
		const tag = cosignTag(aws.built.manifest.digest, 'sig');
		expect(maker.registries.tagOf(target, tag)).toBe('absent');
	});

	it('that point elsewhere at the target stay, and it is said', async () => {
		const signature = sign(aws.built.manifest.digest);
		const own = put(
			target,
			attachedImage('signed by somebody else'),
			cosignTag(aws.built.manifest.digest, 'sig'),
		);
		const plan = await planOf();
		expect(tagsOf(plan)).toEqual(['registry.test/acme/release:copy']);
		expect(writes(plan, signature.manifest)).toBe(true);
		expect(plan.subject.notes.join('\n')).toMatch(
			/acme\/parts:sha256-\w+\.sig is there already and points to sha256:\w+: it stays/,
		);
		await carryOut(plan);
		expect(maker.registries.tagOf(target, cosignTag(aws.built.manifest.digest, 'sig'))).toBe(
			own.manifest.digest,
		);
	});

	it('that are there already are planned once more, and nothing is done', async () => {
		sign(aws.built.manifest.digest);
		await carryOut(await planOf());
		const again = await planOf();
		const run = await carryOut(again);
		expect(run.items.filter(({ step }) => step.kind === 'tag').map(({ state }) => state)).toEqual([
			'already-there',
			'already-there',
		]);
	});

	it('where the target does not say make no plan', async () => {
		sign(aws.built.manifest.digest);
		const tag = cosignTag(aws.built.manifest.digest, 'sig');
		const denied: Problem = { code: 'denied', origin: 'registry', reason: 'No.' };
		maker.registries.fail({ ...target, tag }, denied);
		expect(await refusalOf(planOf())).toMatchObject({ code: 'denied' });
	});
});

describe('referrers', () => {
	it('come along without a tag where the target lists them by itself', async () => {
		const referrer = refer(aws.built.manifest);
		const plan = await planOf({}, { facts: [withApi] });
		expect(writes(plan, referrer.manifest)).toBe(true);
		expect(tagsOf(plan)).toEqual(['registry.test/acme/release:copy']);
		expect(plan.subject.attachments?.copied).toMatchObject([
			{ kind: 'signature', type: signatureType, subject: aws.built.manifest.digest },
		]);
		await carryOut(plan);
		const found = [];
		const subject = byDigest(target, aws.built.manifest.digest);
		for await (const each of maker.registries.referrers(subject)) found.push(each.digest);
		expect(found).toEqual([referrer.manifest.digest]);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it.each([
		['does not', [withoutApi], 0],
		['is only believed to', [{ ...withApi, basis: 'kind' as const }], 1],
		['is not known to', [], 1],
	])('are listed under a tag where the target %s list them', async (_, facts, said) => {
		const one = refer(aws.built.manifest);
		const other = refer(aws.built.manifest, sbomType);
		const plan = await planOf({}, { facts });
		expect(tagsOf(plan)).toEqual([
			`registry.test/acme/parts:${referrersTag(aws.built.manifest.digest)}`,
			'registry.test/acme/release:copy',
		]);
		const notes = plan.subject.notes.filter((note) => note.includes('lists referrers by itself'));
		expect(notes).toHaveLength(said);
		await carryOut(plan);
		const { manifests } = (await listedAt(aws.built.manifest.digest))!;
		const expected = [
			{ ...descriptorOf(one.manifest), artifactType: signatureType },
			{ ...descriptorOf(other.manifest), artifactType: sbomType },
		].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
		expect(manifests).toEqual(expected);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('join what the target’s tag lists, which keeps everything that is still there', async () => {
		const fresh = refer(aws.built.manifest);
		const own = put(
			target,
			attachedImage('ours', { subject: aws.built.manifest, artifactType: sbomType }),
		);
		const gone = attachedImage('gone', { subject: aws.built.manifest });
		const before = contentOf(mediaTypes.ociIndex, {
			schemaVersion: 2,
			mediaType: mediaTypes.ociIndex,
			manifests: [descriptorOf(own.manifest), descriptorOf(gone.manifest)],
			annotations: { 'example.org/kept': 'yes' },
		});
		maker.registries.putManifest(target, before, referrersTag(aws.built.manifest.digest));
		const plan = await planOf({}, { facts: [withoutApi] });
		await carryOut(plan);
		const listed = (await listedAt(aws.built.manifest.digest))!;
		expect(listed.manifests.map(({ digest }) => digest)).toEqual([
			own.manifest.digest,
			fresh.manifest.digest,
		]);
		expect(listed.annotations).toEqual({ 'example.org/kept': 'yes' });
		const [tag] = stepsOf(plan, 'tag');
		expect(tag?.expect).toBe(before.digest);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);

		const again = await planOf({}, { facts: [withoutApi] });
		expect(tagsOf(again)).toEqual(['registry.test/acme/release:copy']);
	});

	it('leave a tag alone that is no index', async () => {
		const referrer = refer(aws.built.manifest);
		const other = put(target, attachedImage('other'), referrersTag(aws.built.manifest.digest));
		const plan = await planOf({}, { facts: [withoutApi] });
		expect(writes(plan, referrer.manifest)).toBe(true);
		expect(plan.subject.notes.join()).toContain('is no index of referrers');
		await carryOut(plan);
		expect(maker.registries.tagOf(target, referrersTag(aws.built.manifest.digest))).toBe(
			other.manifest.digest,
		);
	});

	it('of referrers come along too, also when a cosign tag is what refers', async () => {
		const sbom = refer(aws.built.manifest, sbomType);
		const signed = sign(sbom.manifest.digest);
		const signature = refer(sbom.manifest);
		const plan = await planOf({}, { facts: [withApi] });
		for (const each of [sbom, signed, signature]) expect(writes(plan, each.manifest)).toBe(true);
		expect(plan.subject.attachments?.copied.map(({ subject }) => subject)).toEqual([
			aws.built.manifest.digest,
			sbom.manifest.digest,
			sbom.manifest.digest,
		]);
	});

	it('keep a release that is copied whole byte for byte: only lists of them are made', async () => {
		refer(etcd[0]!.manifest);
		refer(releaseImages[0]!.manifest, sbomType, maker.release);
		const plan = await planOf(whole, { facts: [withoutApi] });
		const made = plan.contents.filter(({ bytes }) => bytes);
		expect(made).toHaveLength(2);
		await carryOut(plan);
		const subject = releaseImages[0]!.manifest.digest;
		expect((await listedAt(subject, release))?.manifests).toHaveLength(1);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('that do not name what they are said to refer to are not copied', async () => {
		const stranger = refer(etcd[0]!.manifest);
		maker.registries.referrers = async function* () {
			yield descriptorOf(stranger.manifest);
		};
		const plan = await planOf({}, { facts: [withApi] });
		expect(writes(plan, stranger.manifest)).toBe(false);
		expect(plan.subject.notes.join()).toContain('but its manifest does not name that');
	});
});

describe('what no longer applies', () => {
	it('is listed for indexes and release images that are made anew, and is not copied', async () => {
		const before = maker.registries.tagOf(maker.release, '1') as Digest;
		const signature = sign(aws.index);
		const root = sign(before, maker.release);
		const image = refer(releaseImages[0]!.manifest, sbomType, maker.release);
		const plan = await planOf({}, { facts: [withApi] });
		expect(plan.subject.attachments).toEqual({
			copied: [],
			lapsed: [
				{
					of: 'aws',
					what: 'index',
					subject: aws.index,
					kind: 'signature',
					type: mediaTypes.ociConfig,
					count: 1,
				},
				{
					of: 'the release',
					what: 'index',
					subject: before,
					kind: 'signature',
					type: mediaTypes.ociConfig,
					count: 1,
				},
				{
					of: 'the release',
					what: 'image',
					subject: releaseImages[0]!.manifest.digest,
					kind: 'sbom',
					type: sbomType,
					count: 1,
				},
			],
		});
		for (const each of [signature, root, image]) {
			expect(writes(plan, each.manifest)).toBe(false);
			expect(writes(plan, each.manifest, release)).toBe(false);
		}
	});
});

describe('what is asked', () => {
	it('is nothing about components that stay where they are', async () => {
		await planOf();
		const asked = new Set(maker.registries.referrersAsked);
		for (const { manifest } of etcd) {
			expect(asked).not.toContain(formatReference(maker.part(manifest)));
		}
		expect(asked).toContain(formatReference(maker.part(aws.built.manifest)));
	});

	it('is one listing and three tags for each manifest, however often it is copied', async () => {
		await planOf(whole);
		const { referrersAsked, asked } = maker.registries;
		expect(new Set(referrersAsked).size).toBe(referrersAsked.length);
		const tags = asked.filter((name) => /:sha256-\w+\.(sig|att|sbom)$/.test(name));
		expect(tags).toHaveLength(3 * referrersAsked.length);
	});

	it('is nothing at all where attachments are to stay behind', async () => {
		sign(aws.built.manifest.digest);
		const plan = await planOf({ attachments: false });
		expect(maker.registries.referrersAsked).toEqual([]);
		expect(plan.subject.choices.attachments).toBe(false);
		expect(plan.subject.attachments).toBeUndefined();
		expect(tagsOf(plan)).toEqual(['registry.test/acme/release:copy']);
	});

	it('makes no other plan where nothing is attached', async () => {
		const plan = await planOf();
		expect(plan.subject).not.toHaveProperty('attachments');
		expect(plan.subject.choices).not.toHaveProperty('attachments');
		const { choices } = (await planOf({ attachments: false })).subject;
		const { id, ...rest } = plan;
		expect(await planId({ ...rest, subject: { ...plan.subject, choices } }, hashOf)).not.toBe(id);
		expect((await planOf({ attachments: true })).id).toBe(id);
	});

	it('of what is in its place already is nothing', async () => {
		sign(aws.built.manifest.digest);
		const plan = await planOf({ repository: maker.parts });
		expect(plan.subject.attachments).toBeUndefined();
	});
});

describe('what could not be checked', () => {
	const broken = (registry: string): Problem => ({
		code: 'registry-failure',
		origin: 'registry',
		reason: `${registry} answered 503.`,
		registry,
		status: 503,
	});

	it('is said with the reason, and does not look like none', async () => {
		maker.registries.failReferrers = ({ registry }) => broken(registry);
		const plan = await planOf({}, { facts: [withApi] });
		expect(plan.subject.attachments).toBeUndefined();
		expect(plan.subject.notes).toEqual(
			expect.arrayContaining([
				'What is attached to 1 manifest in quay.io/acme/parts could not be checked, or not all of it: quay.io answered 503. What could not be read of it is not copied.',
			]),
		);
	});

	it('does not keep the rest from coming along', async () => {
		const signature = sign(aws.built.manifest.digest);
		maker.registries.failReferrers = ({ registry }) => broken(registry);
		const plan = await planOf();
		expect(writes(plan, signature.manifest)).toBe(true);
		await carryOut(plan);
	});

	it('is not asked a hundred times of a registry that fails', async () => {
		const images = Array.from({ length: 40 }, (_, at) => maker.image(`more ${at}`, linux('amd64')));
		maker.add(
			'more',
			images.map((image) => entryOf(image)),
		);
		await maker.finish();
		maker.registries.failReferrers = ({ registry }) => broken(registry);
		const plan = await planOf(whole);
		expect(maker.registries.referrersAsked.length).toBeLessThan(40);
		expect(plan.subject.notes.join()).toMatch(/attached to \d+ manifests in quay\.io\/acme\/parts/);
	});

	it('of a tag is a note too, and a signature that is not all there is not copied', async () => {
		const tag = cosignTag(aws.built.manifest.digest, 'att');
		maker.registries.fail({ ...maker.parts, tag }, broken('quay.io'));
		const referrer = refer(aws.built.manifest);
		maker.registries.remove(byDigest(maker.parts, referrer.manifest.digest));
		maker.registries.referrers = async function* ({ digest }) {
			if (digest === aws.built.manifest.digest) yield descriptorOf(referrer.manifest);
		};
		const plan = await planOf({}, { facts: [withApi] });
		expect(writes(plan, referrer.manifest)).toBe(false);
		expect(plan.subject.notes.join()).toContain('could not be checked, or not all of it');
	});

	it('is stopped with everything else', async () => {
		const abort = new AbortController();
		maker.registries.failReferrers = () => {
			abort.abort();
			return undefined;
		};
		sign(aws.built.manifest.digest);
		await expect(planOf({}, { signal: abort.signal })).rejects.toThrow();
	});
});

describe('in words', () => {
	it('says what comes along and what no longer applies, in a terminal and in a pull request', async () => {
		sign(aws.built.manifest.digest);
		refer(aws.built.manifest, sbomType);
		sign(aws.index);
		const plan = await planOf({}, { facts: [withApi] });
		const { broken, intact } = consequencesOf(plan.subject);
		expect(broken).toContain(
			'1 signature of 1 index or image that is made anew: attached to the old digest, they no longer apply and are not copied.',
		);
		expect(intact).toContain('1 signature and 1 SBOM of what is copied: they come along.');
		const text = planText(plan);
		expect(text).toMatch(/Attached, and copied along \(2\)\n {2}1 signature +application/);
		expect(text).toMatch(new RegExp(`1 signature +\\S+ +the old index of aws +${aws.index}`));
		const markdown = planMarkdown(plan);
		expect(markdown).toContain('### Attached to images');
		expect(markdown).toContain(`| 1 SBOM | \`${sbomType}\` | \`registry.test/acme/parts\` |`);
	});

	it('says that nothing was looked for where that was chosen', async () => {
		const { subject } = await planOf({ attachments: false });
		expect(consequencesOf(subject).notes.join()).toMatch(/was not looked for, and is not copied/);
	});

	it('of a stranger’s artifact type are text', async () => {
		refer(aws.built.manifest, '`|<b>\u202e');
		const plan = await planOf({}, { facts: [withApi] });
		expect(planMarkdown(plan)).not.toContain('<b>');
		expect(planText(plan)).not.toContain('\u202e');
	});
});

describe('a plan from somebody else', () => {
	it('that says it copies a signature which none of its steps does is refused', async () => {
		sign(aws.built.manifest.digest);
		const plan = await planOf();
		const [first] = plan.subject.attachments!.copied;
		const lie = { ...first!, to: `registry.test/acme/parts@${aws.index}` };
		const subject = { ...plan.subject, attachments: { copied: [lie], lapsed: [] } };
		const { id: _, ...rest } = { ...plan, subject };
		const file = printPlan({ ...rest, id: await planId(rest, hashOf) });
		expect(await refusalOf(parsePlan(file, hashOf))).toMatchObject({
			code: 'plan-invalid',
			reason: expect.stringContaining('none of its steps does') as string,
		});
	});

	it('cannot call another manifest a list of referrers where it says that every byte stays', async () => {
		refer(etcd[0]!.manifest);
		const plan = await planOf(whole, { facts: [withoutApi] });
		const steps = plan.steps.map((step) =>
			step.kind === 'tag' && step.tag.startsWith('sha256-') ? { ...step, tag: 'latest' } : step,
		);
		const { id: _, ...rest } = { ...plan, steps };
		const file = printPlan({ ...rest, id: await planId(rest, hashOf) });
		expect((await refusalOf(parsePlan(file, hashOf))).reason).toContain('keeps its bytes');
	});
});
