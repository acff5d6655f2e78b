/** `espalier audit`: coverage in a terminal, from the same code as the page. */
import { parseArgs } from 'node:util';
import { depths, type Depth } from '../../shared/index/walk.ts';
import { parsePlatform, type PlatformKey } from '../../shared/oci/platform.ts';
import { parseReference, type Reference } from '../../shared/oci/reference.ts';
import type { Problem } from '../../shared/registry/problem.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { assessCoverage } from '../../shared/release/coverage.ts';
import { verdict } from '../../shared/release/verdict.ts';
import {
	isRelease,
	readWholeRelease,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';
import { coverageReport, type CoverageReport } from '../../shared/report/coverage-report.ts';
import { coverageCsv } from '../../shared/report/csv.ts';
import { explain } from '../../shared/report/explain.ts';
import { exitCodes, gate } from '../../shared/report/gate.ts';
import { coverageMarkdown } from '../../shared/report/markdown.ts';
import { printable } from '../../shared/report/printable.ts';
import { coverageText } from '../../shared/report/text.ts';
import { inflate } from '../server/inflate.ts';
import { openReader } from '../server/reader.ts';
import {
	readRegistrySettings,
	registryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import { auditUsage, UsageError } from './usage.ts';

interface Output {
	readonly stdout: { write(text: string): unknown };
	readonly stderr: { write(text: string): unknown };
}

type Format = 'text' | 'json' | 'csv' | 'markdown';

export interface AuditArguments {
	readonly reference: Reference;
	readonly format: Format;
	readonly required: readonly PlatformKey[];
	readonly depth: Depth;
	readonly store: string | undefined;
	readonly registries: RegistrySettings;
}

const flags = {
	...registryFlags,
	json: { type: 'boolean' },
	csv: { type: 'boolean' },
	markdown: { type: 'boolean' },
	require: { type: 'string', multiple: true },
	check: { type: 'string' },
	store: { type: 'string' },
	help: { type: 'boolean', short: 'h' },
} as const;

function parseFlags(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options: flags, allowPositionals: true });
	} catch (error) {
		throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
	}
}

function readPlatforms(texts: readonly string[]): readonly PlatformKey[] {
	return texts
		.flatMap((text) => text.split(','))
		.map((text) => {
			const platform = parsePlatform(text);
			if (!platform) {
				throw new UsageError(`“${text}” after --require is not a platform, such as linux/arm64.`);
			}
			return platform;
		});
}

function readDepth(text: string): Depth {
	const depth = depths.find((candidate) => candidate === text);
	if (!depth) throw new UsageError(`“${text}” after --check is not one of ${depths.join(', ')}.`);
	return depth;
}

/** Undefined where only help was asked for. @throws UsageError */
export function readAuditArguments(args: readonly string[]): AuditArguments | undefined {
	const { values, positionals } = parseFlags(args);
	if (values.help) return undefined;
	const [text, ...more] = positionals;
	if (text === undefined) throw new UsageError('Which release? Give its reference.');
	if (more.length > 0) {
		throw new UsageError(`One reference at a time; “${more.join(' ')}” is too much.`);
	}
	const parsed = parseReference(text);
	if (!parsed.ok) throw new UsageError(parsed.reason);
	const formats = (['json', 'csv', 'markdown'] as const).filter((format) => values[format]);
	if (formats.length > 1) {
		throw new UsageError(
			`Either ${formats.map((format) => `--${format}`).join(' or ')}, not both.`,
		);
	}
	return {
		reference: parsed.reference,
		format: formats[0] ?? 'text',
		required: readPlatforms(values.require ?? []),
		depth: readDepth(values.check ?? 'configs'),
		store: values.store,
		registries: readRegistrySettings(values),
	};
}

function print(report: CoverageReport, format: Format, sentence: string): string {
	switch (format) {
		case 'json':
			return `${JSON.stringify(report, null, 2)}\n`;
		case 'csv':
			return coverageCsv(report);
		case 'markdown':
			return coverageMarkdown(report, sentence);
		case 'text':
			return coverageText(report, sentence);
	}
}

function failureText(problem: Problem): string {
	const { title, why, remedies } = explain(problem);
	return [`${title}. ${why}`, ...remedies.map((remedy) => `  - ${remedy}`)]
		.map((line) => `${printable(line)}\n`)
		.join('');
}

function notARelease(reading: ReleaseReading): Problem {
	const { root, images } = reading;
	const platforms = images.flatMap(({ platform }) => platform ?? []);
	const what = platforms.length > 0 ? `images for ${platforms.join(', ')}` : 'no images';
	return {
		code: 'not-a-release',
		origin: 'content',
		reason: `It is ${root?.mediaType ?? 'something unreadable'} with ${what}, and none of them has the label of a release.`,
	};
}

/**
 * Reads a release to the end and prints its coverage.
 * @returns the exit code: 0, or what `gate` says of the required platforms, or 1 where there is no report
 */
export async function auditRelease(
	reader: RegistryReader,
	args: AuditArguments,
	output: Output,
): Promise<number> {
	const reading = startReading(args.reference, args.depth);
	await readWholeRelease({ registries: reader, inflate }, reading);
	const report = coverageReport(reading);
	if (!report) {
		const problem = reading.problem ?? (isRelease(reading) ? undefined : notARelease(reading));
		output.stderr.write(problem ? failureText(problem) : 'Nothing could be read.\n');
		return exitCodes.error;
	}
	const coverage = assessCoverage(reading);
	output.stdout.write(print(report, args.format, verdict(coverage)));
	const { exitCode, sentences } = gate(coverage, args.required);
	for (const sentence of sentences) output.stderr.write(`${printable(sentence)}\n`);
	return exitCode;
}

export async function audit(args: readonly string[], output: Output): Promise<number> {
	const read = readAuditArguments(args);
	if (!read) {
		output.stdout.write(auditUsage);
		return exitCodes.passed;
	}
	const reader = await openReader(read, read.reference.registry);
	try {
		return await auditRelease(reader, read, output);
	} finally {
		await reader.close();
	}
}
