/** `espalier plan prune`: decides what publishing a pruned release takes, and writes nothing but the plan. */
import { gzip } from '../../shared/archive/compress.ts';
import { formatReference } from '../../shared/oci/reference.ts';
import { estimate, type Estimate } from '../../shared/plan/estimate.ts';
import { printPlan } from '../../shared/plan/plan-file.ts';
import { hidesTarget, planPrune } from '../../shared/plan/plan-prune.ts';
import type { Plan } from '../../shared/plan/plan.ts';
import { mergeFacts, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { assessCoverage, type Coverage } from '../../shared/release/coverage.ts';
import { matchesGlob } from '../../shared/release/filter.ts';
import type { PruneChoices } from '../../shared/release/prune-release.ts';
import { selectCells, type PruneSelection } from '../../shared/release/prune-selection.ts';
import {
	readWholeRelease,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';
import { capabilityText } from '../../shared/report/capability-words.ts';
import { planMarkdown } from '../../shared/report/plan-markdown.ts';
import { planText } from '../../shared/report/plan-text.ts';
import { printable } from '../../shared/report/printable.ts';
import { inflate } from '../server/inflate.ts';
import type { OpenRegistries } from '../server/own-registries.ts';
import { hashBytes } from '../hashing.ts';
import { failureText, problemOfReading } from './failure.ts';
import { checkWritable, writeTextFile } from './files.ts';
import { openMirrored } from './mirrors.ts';
import type { Output } from './output.ts';
import {
	readPlanPruneArguments,
	type NamedCell,
	type PlanPruneArguments,
} from './plan-prune-arguments.ts';
import { commandLine } from './shell-words.ts';
import { planPruneUsage } from './usage.ts';

function refuseDrop({ component, platform }: NamedCell, reason: string): ProblemError {
	return new ProblemError({
		code: 'plan-impossible',
		origin: 'content',
		reason: `--drop ${component}@${platform}: ${reason}`,
	});
}

/** @throws ProblemError where there is no such cell to be dropped */
function checkDrop(coverage: Coverage, { exclude }: PruneSelection, drop: NamedCell): void {
	const { component, platform } = drop;
	const row = coverage.components.find((candidate) => candidate.component.name === component);
	if (!row) throw refuseDrop(drop, `the release has no component “${component}”.`);
	const cell = row.cells.find((candidate) => candidate.platform === platform);
	if (cell?.digest === undefined) throw refuseDrop(drop, `it does not list ${platform}.`);
	if (exclude.some((glob) => matchesGlob(glob, component))) {
		throw refuseDrop(drop, 'it is among those that --exclude leaves alone.');
	}
}

/** Toggles switch a cell against the preset; what is to be dropped is toggled where nothing else drops it. */
function withDrops(
	coverage: Coverage,
	choices: PruneChoices,
	drops: readonly NamedCell[],
): PruneChoices {
	if (drops.length === 0) return choices;
	const { selection } = choices;
	const { dropped } = selectCells(coverage, selection);
	const isSame = (one: NamedCell) => (other: NamedCell) =>
		one.component === other.component && one.platform === other.platform;
	let { toggled } = selection;
	for (const drop of drops) {
		checkDrop(coverage, selection, drop);
		if (dropped.get(drop.component)?.has(drop.platform)) continue;
		// Toggled already and yet not dropped: it was switched off against the preset, by both flags at once.
		if (selection.toggled.some(isSame(drop))) {
			throw refuseDrop(drop, '--toggle says that it stays.');
		}
		if (!toggled.some(isSame(drop))) toggled = [...toggled, drop];
	}
	return { ...choices, selection: { ...selection, toggled } };
}

/** @throws ProblemError where it cannot be read to the payload */
async function readToEnd(
	registries: RegistryReader,
	{ reference }: PlanPruneArguments,
): Promise<ReleaseReading> {
	const reading = startReading(reference, 'configs');
	await readWholeRelease({ registries, inflate }, reading);
	if (!reading.payload) throw new ProblemError(problemOfReading(reading));
	return reading;
}

interface MadePlan {
	readonly plan: Plan;
	/** The target shows itself only to who may push there. */
	readonly asWriter: boolean;
	/** what is known of its targets */
	readonly facts: readonly CapabilityFact[];
}

/** What can be known of the targets before anything is written. */
async function factsAbout(
	registries: OpenRegistries,
	{ choices, estimate: isAsked }: PlanPruneArguments,
): Promise<readonly CapabilityFact[]> {
	// Where referrers come along, it decides whether they are listed under tags.
	const isNeeded = choices.mode === 'sparse' || choices.attachments !== false;
	if (!isAsked && !isNeeded) return [];
	const targets = [choices.repository, choices.release];
	return mergeFacts(
		...(await Promise.all(targets.map((each) => registries.findCapabilities(each)))),
	);
}

/** Whoever names a target here may push to it: where a reader is refused, the registry is asked as a writer. */
async function makePlan(registries: OpenRegistries, args: PlanPruneArguments): Promise<MadePlan> {
	const [reading, facts] = await Promise.all([
		readToEnd(registries, args),
		factsAbout(registries, args),
	]);
	const choices = withDrops(assessCoverage(reading), args.choices, args.drops);
	const compress = (bytes: Uint8Array) => Promise.resolve(gzip(bytes));
	const tools = { registries, hash: hashBytes, gzip: compress, inflate };
	const make = async (asWriter: boolean): Promise<MadePlan> => {
		const plan = await planPrune(tools, reading, choices, { asWriter, facts });
		return { plan, asWriter, facts };
	};
	try {
		return await make(false);
	} catch (error) {
		if (!hidesTarget(problemOf(error), choices)) throw error;
		return make(true);
	}
}

/** What stands beside the plan may be missing; the plan is good without it. */
async function tryEstimate(
	registries: RegistryReader,
	{ plan, asWriter }: MadePlan,
	{ stderr }: Output,
): Promise<Estimate | undefined> {
	try {
		return await estimate(plan, registries, { asWriter });
	} catch (error) {
		const { reason } = problemOf(error);
		stderr.write(`${printable(`What it costs could not be found out: ${reason}`)}\n`);
		return undefined;
	}
}

function nextText({ file, surroundings }: PlanPruneArguments): string {
	return file === undefined
		? 'Write the plan to a file with “--output plan.json” to run it.\n'
		: `\nRun it:  ${commandLine(['espalier', 'run', file, ...surroundings])}\n`;
}

function factsText(
	facts: readonly CapabilityFact[],
	{ choices: { repository, release } }: PlanPruneArguments,
): string {
	const lines = capabilityText(facts, [repository, release]);
	return `\n${lines.map((line) => `${printable(line)}\n`).join('')}`;
}

async function deliver(
	{ plan, facts }: MadePlan,
	cost: Estimate | undefined,
	args: PlanPruneArguments,
	{ stdout, stderr }: Output,
): Promise<void> {
	const { file, markdown } = args;
	if (file !== undefined) await writeTextFile(file, printPlan(plan));
	if (markdown) {
		stdout.write(planMarkdown(plan, cost));
		if (file !== undefined) stderr.write(nextText(args));
		return;
	}
	if (file === undefined) stdout.write(printPlan(plan));
	const words = file === undefined ? stderr : stdout;
	words.write(planText(plan, { estimate: cost }));
	if (facts.length > 0) words.write(factsText(facts, args));
	words.write(nextText(args));
}

/** Makes the plan and prints it. @returns the exit code */
async function printPrunePlan(
	registries: OpenRegistries,
	args: PlanPruneArguments,
	output: Output,
): Promise<number> {
	try {
		const made = await makePlan(registries, args);
		const cost = args.estimate ? await tryEstimate(registries, made, output) : undefined;
		await deliver(made, cost, args, output);
		return 0;
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		output.stderr.write(failureText(error.problem));
		output.stderr.write(
			`No plan was made for ${printable(formatReference(args.reference))}; nothing was written.\n`,
		);
		return 1;
	}
}

export async function planPruneCommand(args: readonly string[], output: Output): Promise<number> {
	const read = readPlanPruneArguments(args);
	if (!read) {
		output.stdout.write(planPruneUsage);
		return 0;
	}
	if (read.file !== undefined) await checkWritable(read.file);
	const { reference, choices } = read;
	const named = [reference, choices.repository, choices.release].map(({ registry }) => registry);
	const registries = await openMirrored(read, named, output);
	try {
		return await printPrunePlan(registries, read, output);
	} finally {
		await registries.close();
	}
}
