/** `espalier audit`: coverage in a terminal, from the same code as the page. */
import { depths, type Depth } from '../../shared/index/walk.ts';
import type { PlatformKey } from '../../shared/oci/platform.ts';
import type { Reference } from '../../shared/oci/reference.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { assessCoverage } from '../../shared/release/coverage.ts';
import { verdict } from '../../shared/release/verdict.ts';
import { readWholeRelease, startReading } from '../../shared/release/read-release.ts';
import { coverageReport, type CoverageReport } from '../../shared/report/coverage-report.ts';
import { coverageCsv } from '../../shared/report/csv.ts';
import { exitCodes, gate } from '../../shared/report/gate.ts';
import { coverageMarkdown } from '../../shared/report/markdown.ts';
import { printable } from '../../shared/report/printable.ts';
import { coverageText } from '../../shared/report/text.ts';
import { inflate } from '../server/inflate.ts';
import { openReader } from '../server/reader.ts';
import { parseFlags } from './arguments.ts';
import { failureText, problemOfReading } from './failure.ts';
import type { Output } from './output.ts';
import { readPlatforms, readReference } from './release-arguments.ts';
import {
	readRegistrySettings,
	registryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import { auditUsage, UsageError } from './usage.ts';

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

function readDepth(text: string): Depth {
	const depth = depths.find((candidate) => candidate === text);
	if (!depth) throw new UsageError(`“${text}” after --check is not one of ${depths.join(', ')}.`);
	return depth;
}

/** Undefined where only help was asked for. @throws UsageError */
export function readAuditArguments(args: readonly string[]): AuditArguments | undefined {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: flags,
		allowPositionals: true,
	});
	if (values.help) return undefined;
	const reference = readReference(positionals);
	const formats = (['json', 'csv', 'markdown'] as const).filter((format) => values[format]);
	if (formats.length > 1) {
		throw new UsageError(
			`Either ${formats.map((format) => `--${format}`).join(' or ')}, not both.`,
		);
	}
	return {
		reference,
		format: formats[0] ?? 'text',
		required: readPlatforms('require', values.require ?? []),
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
		output.stderr.write(failureText(problemOfReading(reading)));
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
