/** Which command is meant, and with what. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { readAllowedOrigins } from './allowed-origins.ts';
import {
	readRegistrySettings,
	registryFlags,
	type RegistryFlagValues,
	writeRegistryFlags,
	type RegistrySettings,
} from './registry-arguments.ts';
import {
	readSharedArguments,
	refuseSharedFlags,
	sharedFlags,
	type SharedArguments,
} from './serve-shared-arguments.ts';
import { commandLine } from './shell-words.ts';
import { UsageError } from './usage.ts';

/** Those that explain themselves; `serve` and `open` are in the general help. */
const commandsWithHelp = ['audit', 'plan', 'probe', 'run', 'undo'] as const;
const commands = ['serve', 'open', ...commandsWithHelp] as const;

export type Command =
	| { readonly name: 'help' | 'version' }
	| { readonly name: (typeof commands)[number]; readonly rest: readonly string[] };

export interface ServeArguments {
	/** absent where the default will do */
	readonly port?: number;
	/** the folder of the embedded registry */
	readonly store?: string;
	readonly registries: RegistrySettings;
	readonly openBrowser: boolean;
	/** whose pages on static hosts may use the API; left out where there are none */
	readonly allowedOrigins?: readonly string[];
	/** what other commands need to reach the same store and registries, as words of a shell */
	readonly commandFlags: string;
}

export interface OpenArguments extends ServeArguments {
	readonly link: string;
}

/** `serve` may be left out. @throws UsageError */
export function chooseCommand(argv: readonly string[]): Command {
	const [first, ...rest] = argv;
	if (first === undefined) return { name: 'serve', rest };
	if (first === 'help' || argv.includes('--help') || argv.includes('-h')) {
		const name = commandsWithHelp.find((command) => command === first);
		return name ? { name, rest } : { name: 'help' };
	}
	if (first === '--version' || first === '-v') return { name: 'version' };
	const name = commands.find((command) => command === first);
	if (name) return { name, rest };
	if (first.startsWith('-')) return { name: 'serve', rest: argv };
	throw new UsageError(`There is no command “${first}”.`);
}

/** `parseArgs`, with its complaints as usage errors. @throws UsageError */
export function parseFlags<T extends ParseArgsConfig>(config: T) {
	try {
		return parseArgs(config);
	} catch (error) {
		if (!(error instanceof Error)) throw error;
		// Node explains at length how to pass positionals; the first sentence says what is wrong.
		const [sentence = error.message] = error.message.split(/\. |\n/);
		throw new UsageError(`${sentence.replace(/\.$/, '')}.`, { cause: error });
	}
}

function readPort(text: string): number {
	const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
	if (port > 65_535) throw new UsageError(`“${text}” after --port is not a port.`);
	return port;
}

const serveFlags = {
	port: { type: 'string' },
	store: { type: 'string' },
	'no-open': { type: 'boolean' },
	'allow-origin': { type: 'string', multiple: true },
	...registryFlags,
} as const;

interface ServeFlagValues extends RegistryFlagValues {
	readonly port?: string | undefined;
	readonly store?: string | undefined;
	readonly 'no-open'?: boolean | undefined;
	readonly 'allow-origin'?: readonly string[] | undefined;
}

function readLocalArguments(values: ServeFlagValues): ServeArguments {
	const allowedOrigins = readAllowedOrigins(values['allow-origin']);
	return {
		...(values.port !== undefined && { port: readPort(values.port) }),
		...(values.store !== undefined && { store: values.store }),
		registries: readRegistrySettings(values),
		openBrowser: values['no-open'] !== true,
		...(allowedOrigins.length > 0 && { allowedOrigins }),
		commandFlags: commandLine([
			...(values.store === undefined ? [] : ['--store', values.store]),
			...writeRegistryFlags(values),
		]),
	};
}

/** @throws UsageError */
export function readServeArguments(args: readonly string[]): ServeArguments | SharedArguments {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: { ...serveFlags, ...sharedFlags },
		allowPositionals: true,
	});
	const [extra] = positionals;
	if (extra !== undefined) throw new UsageError(`“serve” does not take “${extra}”.`);
	if (values.shared === true) return readSharedArguments(values);
	refuseSharedFlags(values);
	return readLocalArguments(values);
}

/** @throws UsageError */
export function readOpenArguments(args: readonly string[]): OpenArguments {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: serveFlags,
		allowPositionals: true,
	});
	const [link, extra] = positionals;
	if (link === undefined) throw new UsageError('“open” needs a link or a reference.');
	if (extra !== undefined) throw new UsageError(`“open” takes one link; “${extra}” is one more.`);
	return { ...readLocalArguments(values), link };
}
