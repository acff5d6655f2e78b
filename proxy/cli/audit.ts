/** `espalier audit`: coverage in a terminal, from the same code as the page. */
import { depths, type Depth } from '../../shared/index/walk.ts';
import { printJson } from '../../shared/oci/json-value.ts';
import type { PlatformKey } from '../../shared/oci/platform.ts';
import type { Reference } from '../../shared/oci/reference.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { assessCoverage } from '../../shared/release/coverage.ts';
import { verdict } from '../../shared/release/verdict.ts';
import {
	readWholeRelease,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';
import { coverageReport, type CoverageReport } from '../../shared/report/coverage-report.ts';
import { coverageCsv } from '../../shared/report/csv.ts';
import { exitCodes, gate, type GateResult } from '../../shared/report/gate.ts';
import { coverageMarkdown } from '../../shared/report/markdown.ts';
import { printable } from '../../shared/report/printable.ts';
import {
	signatureGate,
	signatureMarkdown,
	signatureText,
	type SignatureReport,
} from '../../shared/report/signature-report.ts';
import { coverageText } from '../../shared/report/text.ts';
import { inflate } from '../server/inflate.ts';
import { parseFlags } from './arguments.ts';
import { failureText, problemOfReading } from './failure.ts';
import { openMirrored } from './mirrors.ts';
import type { Output } from './output.ts';
import { readPlatforms, readReference } from './release-arguments.ts';
import {
	readRegistrySettings,
	registryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import {
	readSignatureSettings,
	signatureFlags,
	type SignatureSettings,
} from './signature-arguments.ts';
import { auditUsage, UsageError } from './usage.ts';

type Format = 'text' | 'json' | 'csv' | 'markdown';

export interface AuditArguments {
	readonly reference: Reference;
	readonly format: Format;
	readonly required: readonly PlatformKey[];
	readonly depth: Depth;
	readonly store: string | undefined;
	readonly registries: RegistrySettings;
	/** absent where signatures are not asked for */
	readonly signature?: SignatureSettings | undefined;
}

const flags = {
	...registryFlags,
	...signatureFlags,
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
		signature: readSignatureSettings(values),
	};
}

function print(report: CoverageReport, format: Format, sentence: string): string {
	const { signature } = report;
	switch (format) {
		case 'json':
			return `${printJson(report, '  ')}\n`;
		case 'csv':
			return coverageCsv(report);
		case 'markdown':
			return coverageMarkdown(report, sentence) + (signature ? signatureMarkdown(signature) : '');
		case 'text':
			return coverageText(report, sentence) + (signature ? signatureText(signature) : '');
	}
}

async function checkSignature(
	reading: ReleaseReading,
	{ signature, registries }: AuditArguments,
): Promise<SignatureReport | undefined> {
	if (!signature) return undefined;
	// Brings OpenPGP along, which nobody else has to wait for.
	const { auditSignature } = await import('./audit-signature.ts');
	return auditSignature(reading, { settings: signature, registries });
}

/** What does not pass outweighs what could not be checked. */
function joinGates(results: readonly GateResult[]): GateResult {
	const order = [exitCodes.uncovered, exitCodes.unchecked] as const;
	return {
		exitCode:
			order.find((code) => results.some(({ exitCode }) => exitCode === code)) ?? exitCodes.passed,
		sentences: results.flatMap(({ sentences }) => sentences),
	};
}

/**
 * Reads a release to the end and prints its coverage.
 * @returns the exit code: 0, or what the gates say of required platforms and of the signature, or 1 where there is no report
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
	const signature = await checkSignature(reading, args);
	const whole = { ...report, ...(signature && { signature }) };
	output.stdout.write(print(whole, args.format, verdict(coverage)));
	const { exitCode, sentences } = joinGates([
		gate(coverage, args.required),
		...(signature ? [signatureGate(signature, args.signature?.isRequired ?? false)] : []),
	]);
	// The text has said it of the signature already.
	const said = args.format === 'text' ? signature?.sentence : undefined;
	for (const sentence of sentences.filter((one) => one !== said)) {
		output.stderr.write(`${printable(sentence)}\n`);
	}
	return exitCode;
}

export async function audit(args: readonly string[], output: Output): Promise<number> {
	const read = readAuditArguments(args);
	if (!read) {
		output.stdout.write(auditUsage);
		return exitCodes.passed;
	}
	const reader = await openMirrored(read, [read.reference.registry], output);
	try {
		return await auditRelease(reader, read, output);
	} finally {
		await reader.close();
	}
}
