/** Short ways to look at coverage. */
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { assessCoverage, type Cell, type Coverage } from '../../../shared/release/coverage.ts';
import type { ReleaseReading } from '../../../shared/release/read-release.ts';

export function rowOf(coverage: Coverage, name: string) {
	const row = coverage.components.find(({ component }) => component.name === name);
	if (!row) throw new Error(`no component ${name}`);
	return row;
}

/** The cell of a component for a platform, such as `arm64`. */
export function cellOf(coverage: Coverage, name: string, platform: string): Cell {
	const key = parsePlatform(platform);
	const cell = rowOf(coverage, name).cells.find((candidate) => candidate.platform === key);
	if (!cell) throw new Error(`${name} has no cell for ${platform}`);
	return cell;
}

/** The statuses of a component, as `amd64=built arm64=missing`. */
export function statusesOf(coverage: Coverage, name: string): string {
	return rowOf(coverage, name)
		.cells.map(({ platform, status }) => `${platform.replace('linux/', '')}=${status}`)
		.join(' ');
}

/** All statuses of a reading, component by component. */
export function tableOf(reading: ReleaseReading): Readonly<Record<string, string>> {
	const coverage = assessCoverage(reading);
	return Object.fromEntries(
		coverage.components.map(({ component }) => [
			component.name,
			statusesOf(coverage, component.name),
		]),
	);
}
