/** Blobs of any number of MiB that nobody has to keep: the same MiB again and again. */
import { createHash } from 'node:crypto';
import { digestOf, type Digest } from '../../shared/oci/digest.ts';
import { seededBytes, seededRandom } from './seeded.ts';

export const MiB = 1024 * 1024;
export const generatedBlock = seededBytes(seededRandom(1), MiB);

export interface GeneratedBlob {
	readonly repository: string;
	readonly digest: Digest;
	readonly sizeBytes: number;
}

/** One that `generated-registry-process.ts` gives. */
export function generatedBlob(sizeMiB: number): GeneratedBlob {
	const hash = createHash('sha256');
	for (let number = 0; number < sizeMiB; number += 1) hash.update(generatedBlock);
	const digest = digestOf('sha256', hash.digest());
	return { repository: `generated/${sizeMiB}`, digest, sizeBytes: sizeMiB * MiB };
}
