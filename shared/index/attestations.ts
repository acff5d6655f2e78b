/** Attestations follow what they describe: which of them go when an index loses children. */
import { attestationAnnotations, isAttestation, type Child } from '../oci/manifest.ts';

/** Why an attestation goes: what it describes does, or was never listed. */
export type AttestationLoss = 'attestation' | 'dangling';

export interface ListedDigests {
	readonly listed: ReadonlySet<string>;
	/** Of these, what stays unchanged. */
	readonly staying: ReadonlySet<string>;
}

export interface Subjects {
	/** At this position: a child that stays, unchanged, unless it is an attestation that goes. */
	readonly stays: (position: number) => boolean;
	/** in nested indexes, at every depth */
	readonly below: ListedDigests;
}

/** By position. Those that describe an attestation that goes, go too, and so on. */
export function lostAttestations(
	children: readonly Child[],
	{ stays, below }: Subjects,
): ReadonlyMap<number, AttestationLoss> {
	/** How many entries with this digest stay. */
	const entries = new Map<string, number>();
	const describing = new Map<string | undefined, number[]>();
	for (const [position, child] of children.entries()) {
		entries.set(child.digest, (entries.get(child.digest) ?? 0) + (stays(position) ? 1 : 0));
		if (!isAttestation(child)) continue;
		const subject = child.annotations?.[attestationAnnotations.subject];
		const others = describing.get(subject);
		if (others) others.push(position);
		else describing.set(subject, [position]);
	}
	const isGone = (subject: string | undefined) =>
		subject === undefined || (!entries.get(subject) && !below.staying.has(subject));
	const lost = new Map<number, AttestationLoss>();
	// It grows while it is gone through.
	const gone = new Set([...describing.keys()].filter(isGone));
	for (const subject of gone) {
		const wasListed = subject !== undefined && (entries.has(subject) || below.listed.has(subject));
		for (const position of describing.get(subject) ?? []) {
			lost.set(position, wasListed ? 'attestation' : 'dangling');
			const digest = children[position]?.digest ?? '';
			entries.set(digest, (entries.get(digest) ?? 0) - 1);
			if (describing.has(digest) && isGone(digest)) gone.add(digest);
		}
	}
	return lost;
}
