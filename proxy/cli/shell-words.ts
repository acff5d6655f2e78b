/** Commands that people can paste. */
import { shellWord } from '../../shared/link/prune-command.ts';

/** One line for a POSIX shell, whatever is in the words. */
export function commandLine(words: readonly string[]): string {
	return words.map(shellWord).join(' ');
}
