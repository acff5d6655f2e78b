/** What several commands on releases take: one reference, and platforms. */
import { parsePlatform, type PlatformKey } from '../../shared/oci/platform.ts';
import { parseReference, type Reference } from '../../shared/oci/reference.ts';
import { UsageError } from './usage.ts';

/** The only positional. @throws UsageError */
export function readReference(positionals: readonly string[]): Reference {
	const [text, ...more] = positionals;
	if (text === undefined) throw new UsageError('Which release? Give its reference.');
	if (more.length > 0) {
		throw new UsageError(`One reference at a time; “${more.join(' ')}” is too much.`);
	}
	const parsed = parseReference(text);
	if (!parsed.ok) throw new UsageError(parsed.reason);
	return parsed.reference;
}

/** What follows a flag that may be given again, or once with commas. @throws UsageError */
export function readPlatforms(flag: string, texts: readonly string[]): readonly PlatformKey[] {
	return texts
		.flatMap((text) => text.split(','))
		.map((text) => {
			const platform = parsePlatform(text);
			if (!platform) {
				throw new UsageError(`“${text}” after --${flag} is not a platform, such as linux/arm64.`);
			}
			return platform;
		});
}
