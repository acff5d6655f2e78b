/** `espalier probe`: finds out by writing what a repository's registry takes; says before what it writes. */
import { formatRepository, parseReference, type Repository } from '../../shared/oci/reference.ts';
import { probeAnnouncement, probeRegistry } from '../../shared/plan/probe.ts';
import { mergeFacts } from '../../shared/registry/capabilities.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { capabilityText } from '../../shared/report/capability-words.ts';
import { printable } from '../../shared/report/printable.ts';
import { hashBytes } from '../hashing.ts';
import { openOwnRegistries, type OpenRegistries } from '../server/own-registries.ts';
import { parseFlags } from './arguments.ts';
import { failureText } from './failure.ts';
import type { Output } from './output.ts';
import {
	readRegistrySettings,
	registryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import { probeUsage, UsageError } from './usage.ts';

export interface ProbeArguments {
	readonly repository: Repository;
	readonly json: boolean;
	readonly store: string | undefined;
	readonly registries: RegistrySettings;
}

function readTarget(positionals: readonly string[]): Repository {
	const [text, extra] = positionals;
	if (text === undefined) throw new UsageError('Which repository? Give registry/repository.');
	if (extra !== undefined) {
		throw new UsageError(`One repository at a time; “${extra}” is too much.`);
	}
	const parsed = parseReference(text);
	if (!parsed.ok) throw new UsageError(parsed.reason);
	const { registry, repository, tag, digest } = parsed.reference;
	if (tag === undefined && digest === undefined) return { registry, repository };
	throw new UsageError(`“${text}” has a tag or digest; here only the repository is asked for.`);
}

/** Undefined where only help was asked for. @throws UsageError */
export function readProbeArguments(args: readonly string[]): ProbeArguments | undefined {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: {
			...registryFlags,
			json: { type: 'boolean' },
			store: { type: 'string' },
			help: { type: 'boolean', short: 'h' },
		},
		allowPositionals: true,
	});
	if (values.help) return undefined;
	return {
		repository: readTarget(positionals),
		json: values.json ?? false,
		store: values.store,
		registries: readRegistrySettings(values),
	};
}

async function probe(
	registries: OpenRegistries,
	{ repository, json }: ProbeArguments,
	{ stdout, stderr }: Output,
): Promise<number> {
	stderr.write(`${printable(probeAnnouncement(repository, 'This writes'))}\n`);
	try {
		const tools = { registries, hash: hashBytes };
		const written = await probeRegistry(tools, repository, { now: Date.now });
		const facts = mergeFacts(await registries.findCapabilities(repository), written);
		const lines = capabilityText(facts, [repository]).map((line) => `${printable(line)}\n`);
		stdout.write(json ? `${JSON.stringify(facts, null, '\t')}\n` : lines.join(''));
		return 0;
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		stderr.write(failureText(error.problem));
		stderr.write(`${formatRepository(repository)} was not probed to the end.\n`);
		return 1;
	}
}

/** @returns the exit code: 0 where all was tried, whatever came of it */
export async function probeCommand(args: readonly string[], output: Output): Promise<number> {
	const read = readProbeArguments(args);
	if (!read) {
		output.stdout.write(probeUsage);
		return 0;
	}
	const registries = await openOwnRegistries(read, [read.repository.registry]);
	try {
		return await probe(registries, read, output);
	} finally {
		await registries.close();
	}
}
