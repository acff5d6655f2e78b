/** Checks the signatures of a release: of its index, and of its images where the index itself is not signed for. */
import type { Digest } from '../oci/digest.ts';
import type { Problem } from '../registry/problem.ts';
import { openEnvelope } from './envelope.ts';
import { signatureLimits } from './limits.ts';
import { readStatement } from './statement.ts';
import type { FindSignatures, SignatureStore } from './stores.ts';
import {
	judgeSignatures,
	type Evidence,
	type FoundSignature,
	type JudgeOptions,
	type Keyring,
} from './judge.ts';
import type { SignatureSubject, SubjectVerdict, SubjectVerdicts } from './verdict.ts';

export interface ReleaseToCheck {
	/** what the reference resolved to: an index, or the only image */
	readonly root: Digest;
	readonly images: readonly SignatureSubject[];
	readonly keyrings: readonly Keyring[];
	readonly stores: readonly SignatureStore[];
	/** signatures that the user brought; each belongs to the digest that it states */
	readonly files: readonly FoundSignature[];
}

export interface CheckOptions extends JudgeOptions {
	readonly find: FindSignatures;
	readonly signal?: AbortSignal;
}

function statedDigest({ bytes }: FoundSignature): string | undefined {
	const envelope = openEnvelope(bytes);
	const read = envelope.ok ? readStatement(envelope.body) : undefined;
	return read?.ok ? read.statement.digest : undefined;
}

/** Files of this digest; those of no digest of the release are the root's, where they are told as bad. */
function filesOf(
	digest: Digest,
	{ root, images, files }: ReleaseToCheck,
): readonly FoundSignature[] {
	const others = new Set<string>(images.map((image) => image.digest).filter((one) => one !== root));
	return files.slice(0, signatureLimits.signatures).filter((file) => {
		const stated = statedDigest(file);
		return stated === digest || (digest === root && !others.has(stated ?? ''));
	});
}

function tooMany(what: string, found: number, most: number): Problem {
	const reason = `The release names ${found} ${what}; more than ${most} are not looked at.`;
	return { code: 'too-large', origin: 'content', reason };
}

function notAmongFiles(digest: Digest): Problem {
	const reason = `None of the given files is a signature of ${digest}.`;
	return { code: 'unverifiable', origin: 'content', reason };
}

async function gather(
	digest: Digest,
	release: ReleaseToCheck,
	{ find, signal }: CheckOptions,
): Promise<Evidence> {
	const files = filesOf(digest, release);
	const stores = release.stores.slice(0, signatureLimits.stores);
	const answers = stores.length > 0 ? await find({ digest, stores }, signal) : [];
	const left =
		release.stores.length > stores.length
			? [tooMany('signature stores', release.stores.length, stores.length)]
			: [];
	const isElsewhere = release.files.length > 0 && files.length === 0 && stores.length === 0;
	return {
		signatures: [
			...files,
			...answers.flatMap(({ store, signatures }) =>
				signatures.map((bytes) => ({ from: store, bytes })),
			),
		],
		asked: [
			...files.map(({ from }) => from),
			...answers.filter(({ problem }) => !problem).map(({ store }) => store),
		],
		problems: [
			...answers.flatMap(({ problem }) => problem ?? []),
			...left,
			...(isElsewhere ? [notAmongFiles(digest)] : []),
		],
	};
}

async function checkSubject(
	subject: SignatureSubject,
	release: ReleaseToCheck,
	options: CheckOptions,
): Promise<SubjectVerdict> {
	const { keyrings } = release;
	if (keyrings.length > signatureLimits.keyrings) {
		const { reason } = tooMany('public keys', keyrings.length, signatureLimits.keyrings);
		return { ...subject, verdict: { kind: 'unchecked', reasons: [reason] } };
	}
	const evidence = await gather(subject.digest, release, options);
	return {
		...subject,
		verdict: await judgeSignatures(subject.digest, evidence, keyrings, options),
	};
}

/** Images are asked for only where the release itself has no valid signature: most releases sign their index. */
export async function checkReleaseSignatures(
	release: ReleaseToCheck,
	options: CheckOptions,
): Promise<SubjectVerdicts> {
	const first = await checkSubject({ digest: release.root }, release, options);
	if (first.verdict.kind === 'valid') return [first];
	const images = release.images.filter(({ digest }) => digest !== release.root);
	const rest: SubjectVerdict[] = [];
	for (const image of images) rest.push(await checkSubject(image, release, options));
	return [first, ...rest];
}
