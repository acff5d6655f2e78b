/** Which files of a payload name which component: whether a platform would ever need it. */
import type { Payload } from './payload.ts';

const digestMark = '@sha256:';
const digestLength = digestMark.length + 64;
const pullspecPattern = /[\w.:/-]{1,300}@sha256:[a-f0-9]{64}$/;
const hex = /[a-f0-9]{64}/y;
const longestRepository = 300;

/** From mark to mark: much faster over megabytes than a pattern that starts at every word. */
function* pullspecsIn(text: string): Generator<string> {
	for (let mark = text.indexOf(digestMark); mark >= 0; mark = text.indexOf(digestMark, mark + 1)) {
		hex.lastIndex = mark + digestMark.length;
		if (!hex.test(text)) continue;
		const around = text.slice(Math.max(0, mark - longestRepository), mark + digestLength);
		const [pullspec] =
			pullspecPattern.exec(
				around.slice(around.lastIndexOf('\n', around.length - digestLength) + 1),
			) ?? [];
		if (pullspec) yield pullspec;
	}
}

/** Pullspec to the names of the files that hold it, in the payload's order. One pass over the whole payload. */
export function indexPullspecs(payload: Payload): ReadonlyMap<string, readonly string[]> {
	const decoder = new TextDecoder('utf-8');
	const files = new Map<string, string[]>();
	for (const { name, bytes } of payload.files) {
		for (const pullspec of new Set(pullspecsIn(decoder.decode(bytes)))) {
			const names = files.get(pullspec);
			if (names) names.push(name);
			else files.set(pullspec, [name]);
		}
	}
	return files;
}
