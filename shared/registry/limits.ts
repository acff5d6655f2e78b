/** The most that is read of anything a stranger sends, in bytes unless the name says otherwise (D14). */

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
	/** Registries take 4 MiB; some existing manifests are larger. */
	documentBytes: 8 * MiB,
	errorBodyBytes: 64 * KiB,
	tokenBytes: 128 * KiB,
	/** For a whole answer, however steadily it trickles in. */
	answerMs: 60_000,
	listingPageBytes: 16 * MiB,
	tagPages: 10_000,
	referrerPages: 1_000,
	redirects: 5,
	indexDepth: 8,
	/** One request of the page to the proxy. */
	documentsPerRequest: 20_000,
	apiBodyBytes: 8 * MiB,
	/** A payload layer, compressed and unpacked. Genuine ones: 1 MiB and 9 MiB. */
	payloadBytes: 64 * MiB,
	payloadUnpackedBytes: 256 * MiB,
	payloadRatio: 200,
	payloadEntries: 20_000,
	/** A plan file: a hundred thousand steps and a payload layer or two. */
	planCharacters: 256 * MiB,
} as const;
