/** The most that is looked at of signatures and keys. A cluster stops at the first two of them as well. */
export const signatureLimits = {
	/** of one signature */
	signatureBytes: 50_000,
	/** in one store, and of one check */
	signatures: 9,
	unpackedBytes: 256 * 1024,
	signersInMessage: 4,
	keyringBytes: 1024 * 1024,
	keysInKeyring: 32,
	keyrings: 16,
	stores: 8,
	/** of the payload file with keys and stores */
	configMapBytes: 2 * 1024 * 1024,
} as const;
