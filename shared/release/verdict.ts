/** The whole matrix in one sentence. */
import { placeholderComponent } from './read-release.ts';
import type { Coverage, Status } from './coverage.ts';

function plural(count: number, one: string, many = `${one}s`): string {
	return `${count} ${count === 1 ? one : many}`;
}

const quiet: ReadonlySet<Status> = new Set(['built', 'extra', 'exempt']);

function placeholders({ components, counts }: Coverage): string {
	const standing = components.filter(({ cells }) =>
		cells.some(({ status }) => status === 'placeholder'),
	).length;
	const stand = standing === 1 ? 'stands' : 'stand';
	const cells = `${plural(counts.placeholder, 'cell')} that would pull the ${placeholderComponent} image instead of a build`;
	return `${standing} of ${plural(components.length, 'component')} ${stand} on placeholders: ${cells}`;
}

function allBuilt(count: number): string {
	const all = count === 1 ? 'The only component is' : `All ${count} components are`;
	return `${all} built for every platform of the release`;
}

/** What is wrong, gravest last; or that nothing is. What was not looked at is always said. */
export function verdict(coverage: Coverage): string {
	const { components, counts, uncompared } = coverage;
	if (components.length === 0) return 'The payload names no components.';
	const isWell = components.every(({ worst }) => quiet.has(worst));
	const parts = [
		isWell && allBuilt(components.length),
		counts.placeholder > 0 && placeholders(coverage),
		counts.broken > 0 && plural(counts.broken, 'broken cell'),
		counts.missing > 0 && plural(counts.missing, 'missing cell'),
		counts.mismatch > 0 && plural(counts.mismatch, 'mismatch', 'mismatches'),
		counts.unchecked > 0 && `${plural(counts.unchecked, 'cell')} could not be checked`,
		uncompared > 0 &&
			`in ${plural(uncompared, 'cell')} the platform is taken as listed, not compared with the image`,
	];
	return `${parts.filter((part) => part !== false).join('; ')}.`;
}
