/** Problems for a terminal. */
import type { Problem } from '../../shared/registry/problem.ts';
import { isRelease, type ReleaseReading } from '../../shared/release/read-release.ts';
import { explain } from '../../shared/report/explain.ts';
import { printable } from '../../shared/report/printable.ts';

const mostMissing = 10;

/** What happened, why, and what to do about it. */
export function failureText(problem: Problem): string {
	const { title, why, remedies } = explain(problem);
	const { missing = [] } = problem;
	const more = missing.length - mostMissing;
	const lacks = [
		...missing.slice(0, mostMissing).map((digest) => `  missing there: ${digest}`),
		...(more > 0 ? [`  and ${more} more`] : []),
	];
	return [`${title}. ${why}`, ...lacks, ...remedies.map((remedy) => `  - ${remedy}`)]
		.map((line) => `${printable(line)}\n`)
		.join('');
}

function notARelease({ root, images }: ReleaseReading): Problem {
	const platforms = images.flatMap(({ platform }) => platform ?? []);
	const what = platforms.length > 0 ? `images for ${platforms.join(', ')}` : 'no images';
	return {
		code: 'not-a-release',
		origin: 'content',
		reason: `It is ${root?.mediaType ?? 'something unreadable'} with ${what}, and none of them has the label of a release.`,
	};
}

/** Why a reading that has ended has no payload. */
export function problemOfReading(reading: ReleaseReading): Problem {
	if (reading.problem) return reading.problem;
	if (!isRelease(reading)) return notARelease(reading);
	return { code: 'payload-invalid', origin: 'content', reason: 'Nothing could be read.' };
}
