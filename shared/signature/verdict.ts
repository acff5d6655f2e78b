/** What signatures may say of a digest and of a release. Judging is in judge.ts. */
import type { Digest } from '../oci/digest.ts';
import type { PlatformKey } from '../oci/platform.ts';
import type { Signer } from './verify-signed.ts';

/** Who says that a signer may be believed, best first. `payload`: only what is signed names its own signer. */
export const trusts = ['well-known', 'given', 'payload'] as const;
export type Trust = (typeof trusts)[number];

export interface GoodSignature extends Signer {
	readonly keyring: string;
	readonly trust: Trust;
	/** the reference under which it was signed */
	readonly identity: string;
	readonly from: string;
}

/** `unchecked` never looks like `none`: only stores that were asked and have nothing say that there is nothing. */
export type SignatureVerdict =
	| {
			readonly kind: 'valid';
			readonly trust: Trust;
			/** One for each keyring. */
			readonly signatures: readonly GoodSignature[];
	  }
	| { readonly kind: 'none'; readonly asked: readonly string[] }
	| { readonly kind: 'bad' | 'unchecked'; readonly reasons: readonly string[] };

/** A digest that a signature of this release may be for. */
export interface SignatureSubject {
	readonly digest: Digest;
	/** of a release image below an index */
	readonly platform?: PlatformKey | undefined;
}

export interface SubjectVerdict extends SignatureSubject {
	readonly verdict: SignatureVerdict;
}

/** The release itself first; its images follow where it is an index that no valid signature is for. */
export type SubjectVerdicts = readonly [SubjectVerdict, ...SubjectVerdict[]];

/** What all of it says of the release. */
export interface ReleaseVerdict {
	readonly verdict: SignatureVerdict;
	/** Whether a valid signature is for the release itself, or for each of its images. */
	readonly covers: 'release' | 'images';
}

/** The release's own verdict, unless a valid signature for each image makes up for one that it has not. */
export function releaseVerdict([root, ...images]: SubjectVerdicts): ReleaseVerdict {
	const { verdict } = root;
	if (verdict.kind === 'valid') return { verdict, covers: 'release' };
	const all = [verdict, ...images.map((image) => image.verdict)];
	const bad = all.flatMap((one) => (one.kind === 'bad' ? one.reasons : []));
	if (bad.length > 0) return { verdict: { kind: 'bad', reasons: bad }, covers: 'release' };
	const valid = images.flatMap((image) => (image.verdict.kind === 'valid' ? [image.verdict] : []));
	if (valid.length > 0 && valid.length === images.length) {
		const signatures = valid.flatMap((one) => one.signatures);
		// Each image stands for itself: the least trusted one speaks for the release.
		const trust = (['payload', 'given', 'well-known'] as const).find((one) =>
			valid.some((image) => image.trust === one),
		);
		return { verdict: { kind: 'valid', trust: trust ?? 'payload', signatures }, covers: 'images' };
	}
	const unchecked = all.flatMap((one) => (one.kind === 'unchecked' ? one.reasons : []));
	if (unchecked.length === 0) return { verdict, covers: 'release' };
	return { verdict: { kind: 'unchecked', reasons: [...new Set(unchecked)] }, covers: 'release' };
}
