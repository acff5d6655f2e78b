/** OpenPGP, loaded when the first signature is to be checked. Where it cannot be, signatures stay unchecked. */
import type { VerifySigned } from './verify-signed.ts';

type LoadOpenpgp = () => Promise<{ readonly verifySigned: VerifySigned }>;

/** openpgp.js needs WebCrypto, which browsers keep from pages that came over plain HTTP. */
function whyNot(error: unknown): string {
	const text = error instanceof Error ? error.message : String(error);
	const hint = text.includes('WebCrypto')
		? ' Browsers have it in pages that come over https or from the same computer.'
		: '';
	return `Signatures cannot be checked here: ${text.replace(/\.$/, '')}.${hint}`;
}

/** A check that brings its library along. It throws nothing, also where the library does not come. */
export function verifyOnDemand(load: LoadOpenpgp = () => import('./openpgp.ts')): VerifySigned {
	return async (request) => {
		let verify: VerifySigned;
		try {
			({ verifySigned: verify } = await load());
		} catch (error) {
			return { kind: 'unavailable', reason: whyNot(error) };
		}
		return verify(request);
	};
}
