/** What an unfinished run leaves at its targets, in one sentence. */
import { formatBytes, formatCount } from '../../../shared/report/units.ts';
import type { RunProgress } from '../../state/run-progress.ts';

export function leftBehindSentence({ counts, bytes, tags }: RunProgress): string {
	const { existed, mounted, copied, sent, pushed } = counts;
	const parts = existed + mounted + copied + sent + pushed;
	const size = formatBytes(bytes.existed + bytes.mounted + bytes.copied);
	const what =
		parts === 0
			? 'Nothing of it is known to be at the target'
			: `${formatCount(parts, 'blob or manifest', 'blobs and manifests')} (${size}) ${parts === 1 ? 'is' : 'are'} at the target by digest, where ${parts === 1 ? 'it harms' : 'they harm'} nobody`;
	return tags.moved === 0
		? `${what}; no tag was moved.`
		: `${what}; ${tags.moved} of ${formatCount(tags.total, 'tag')} ${tags.moved === 1 ? 'points' : 'point'} where the plan wants ${tags.total === 1 ? 'it' : 'them'}.`;
}
