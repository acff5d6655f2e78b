/** What the commands on a plan or receipt file take. */
import { parseFlags } from './arguments.ts';
import {
	readRegistrySettings,
	registryFlags,
	writeRegistryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import { UsageError } from './usage.ts';

interface FileArguments {
	/** the plan or receipt */
	readonly file: string;
	readonly store: string | undefined;
	readonly registries: RegistrySettings;
	/** what a further command needs, to reach the same registries */
	readonly surroundings: readonly string[];
}

export interface RunArguments extends FileArguments {
	readonly receipt: string | undefined;
	/** asks for every blob before tags move, also those below manifests that were there */
	readonly deep: boolean;
}

export interface UndoArguments extends FileArguments {
	/** where the plan goes; undefined for standard output */
	readonly output: string | undefined;
}

const sharedFlags = {
	...registryFlags,
	store: { type: 'string' },
	help: { type: 'boolean', short: 'h' },
} as const;

function readFileName(what: string, positionals: readonly string[]): string {
	const [file, ...more] = positionals;
	if (file === undefined || file === '') throw new UsageError(`Which ${what}? Give its file.`);
	if (more.length > 0) {
		throw new UsageError(`One ${what} at a time; “${more.join(' ')}” is too much.`);
	}
	return file;
}

function readSurroundings(
	values: Parameters<typeof writeRegistryFlags>[0] & { readonly store?: string | undefined },
): Omit<FileArguments, 'file'> {
	const { store } = values;
	const storeFlag = store === undefined ? [] : ['--store', store];
	return {
		store,
		registries: readRegistrySettings(values),
		surroundings: [...storeFlag, ...writeRegistryFlags(values)],
	};
}

/** Undefined where only help was asked for. @throws UsageError */
export function readRunArguments(args: readonly string[]): RunArguments | undefined {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: { ...sharedFlags, receipt: { type: 'string' }, deep: { type: 'boolean' } },
		allowPositionals: true,
	});
	if (values.help) return undefined;
	if (values.receipt === '') throw new UsageError('--receipt needs the name of a file.');
	const file = readFileName('plan', positionals);
	const { receipt, deep = false } = values;
	return { file, receipt, deep, ...readSurroundings(values) };
}

/** Undefined where only help was asked for. @throws UsageError */
export function readUndoArguments(args: readonly string[]): UndoArguments | undefined {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: { ...sharedFlags, output: { type: 'string', short: 'o' } },
		allowPositionals: true,
	});
	if (values.help) return undefined;
	const { output } = values;
	if (output === '') throw new UsageError('--output needs the name of a file, or “-”.');
	const file = readFileName('receipt', positionals);
	return { file, output: output === '-' ? undefined : output, ...readSurroundings(values) };
}
