/** The port to OpenPGP: who signed a message. The one binding is openpgp.ts; openpgp-on-demand.ts loads it. */

export interface Signer {
	/** of the primary key, in upper-case hex digits */
	readonly fingerprint: string;
	/** the key's own user ID: worth as much as the key is trusted */
	readonly userId: string;
	/** as the signer's clock said, in milliseconds since 1970 */
	readonly signedAt: number;
}

export type SignedMessage =
	| { readonly kind: 'signed'; readonly signer: Signer; readonly body: Uint8Array }
	/** by keys that the keyring does not hold */
	| { readonly kind: 'other-key'; readonly keyIds: readonly string[] }
	| { readonly kind: 'refused'; readonly reason: string }
	| { readonly kind: 'keyring-unreadable'; readonly reason: string }
	/** nothing can be checked here */
	| { readonly kind: 'unavailable'; readonly reason: string };

export interface SignedMessageRequest {
	/** an uncompressed OpenPGP message, as openEnvelope gives it */
	readonly message: Uint8Array;
	/** public keys, armored or not */
	readonly keyring: Uint8Array;
	/** the present, in milliseconds since 1970 */
	readonly now: number;
}

/** Checks a message with a keyring. Throws nothing that the message or the keyring can bring about. */
export type VerifySigned = (request: SignedMessageRequest) => Promise<SignedMessage>;
