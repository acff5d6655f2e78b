/** Whether a release may pass: the exit code of `espalier audit --require`. */
import type { PlatformKey } from '../oci/platform.ts';
import { isUncompared, type Cell, type Coverage } from '../release/coverage.ts';

export const exitCodes = { passed: 0, error: 1, uncovered: 3, unchecked: 4 } as const;

const uncovered: ReadonlySet<Cell['status']> = new Set([
	'placeholder',
	'missing',
	'broken',
	'mismatch',
]);

export interface GateResult {
	readonly exitCode: (typeof exitCodes)[keyof typeof exitCodes];
	/** for people, one sentence a required platform that does not pass */
	readonly sentences: readonly string[];
}

/** A required platform that a component does not list at all counts as missing, expected or not. */
function judge(
	coverage: Coverage,
	platform: PlatformKey,
): { uncovered: number; unchecked: number } {
	const cells = coverage.components.map((row) =>
		row.cells.find((cell) => cell.platform === platform),
	);
	return {
		uncovered: cells.filter((cell) => !cell || uncovered.has(cell.status)).length,
		unchecked: cells.filter((cell) => cell && (cell.status === 'unchecked' || isUncompared(cell)))
			.length,
	};
}

/** Uncovered outweighs unchecked; without required platforms everything passes. */
export function gate(coverage: Coverage, required: readonly PlatformKey[]): GateResult {
	const judged = required.map((platform) => ({ platform, ...judge(coverage, platform) }));
	const made = coverage.platforms
		.filter(({ expected }) => expected)
		.map(({ platform }) => platform);
	const sentences = judged.flatMap(({ platform, uncovered: missing, unchecked }) => [
		...(missing > 0
			? [
					`${platform}: ${missing} of ${coverage.components.length} components are not built for it.${made.includes(platform) ? '' : ` The release is made for ${made.join(', ')}.`}`,
				]
			: []),
		...(unchecked > 0
			? [
					`${platform}: ${unchecked} of ${coverage.components.length} components could not be checked.`,
				]
			: []),
	]);
	if (judged.some((result) => result.uncovered > 0)) {
		return { exitCode: exitCodes.uncovered, sentences };
	}
	if (judged.some((result) => result.unchecked > 0)) {
		return { exitCode: exitCodes.unchecked, sentences };
	}
	return { exitCode: exitCodes.passed, sentences };
}
