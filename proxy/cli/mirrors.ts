/** `--mirrors FILE`: where a command reads instead of where a name points. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { mirrored } from '../../shared/registry/mirrored.ts';
import { joinNamedMirrors, type NamedMirrors } from '../../shared/registry/mirror-rules.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { printable } from '../../shared/report/printable.ts';
import {
	openOwnRegistries,
	type OpenRegistries,
	type RegistryOptions,
} from '../server/own-registries.ts';
import type { Output } from './output.ts';
import { UsageError } from './usage.ts';

async function readMirrorFile(file: string): Promise<NamedMirrors> {
	const text = await readFile(file, 'utf8').catch((cause: unknown) => {
		throw new UsageError(`The file “${file}” after --mirrors cannot be read.`, { cause });
	});
	const { parseMirrorFile } = await import('../../shared/registry/mirror-file.ts');
	try {
		return parseMirrorFile(text, basename(file));
	} catch (cause) {
		if (!(cause instanceof ProblemError)) throw cause;
		const { reason } = cause.problem;
		throw new UsageError(
			`The file “${file}” after --mirrors cannot be used. ${printable(reason)}`,
			{
				cause,
			},
		);
	}
}

/** All files as one; undefined where there are none. @throws UsageError */
export async function readMirrors(
	files: readonly string[] = [],
): Promise<NamedMirrors | undefined> {
	return joinNamedMirrors(await Promise.all(files.map(readMirrorFile)));
}

/** What of the files is not followed. */
export function mirrorNotes({ name, notes }: NamedMirrors): string {
	return notes.map((note) => `${printable(`${name}: ${note}`)}\n`).join('');
}

function registriesOf({ rules }: NamedMirrors): readonly string[] {
	return rules
		.flatMap(({ location, mirrors }) => [location, ...mirrors.map((mirror) => mirror.location)])
		.flatMap((place) => place.split('/')[0] ?? []);
}

/**
 * Opens what leads to these registries, read through the mirrors that the flags name.
 * @throws UsageError
 */
export async function openMirrored(
	options: RegistryOptions,
	named: readonly string[],
	{ stderr }: Pick<Output, 'stderr'>,
): Promise<OpenRegistries> {
	const mirrors = await readMirrors(options.registries.mirrorFiles);
	if (!mirrors) return openOwnRegistries(options, named);
	stderr.write(mirrorNotes(mirrors));
	const registries = await openOwnRegistries(options, [...named, ...registriesOf(mirrors)]);
	const { findCapabilities } = registries;
	const close = () => registries.close();
	return Object.assign(mirrored(registries, mirrors), { findCapabilities, close });
}
