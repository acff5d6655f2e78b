#!/usr/bin/env node
/** The program: reads which command is meant, and loads only what that needs. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseCommand, readOpenArguments, readServeArguments } from './cli/arguments.ts';
import { takeSignals } from './cli/interruption.ts';
import type { ServeContext } from './cli/serve.ts';
import { usage, UsageError, usageHint } from './cli/usage.ts';

/** The built page lies beside the built program; from the sources it is in dist. */
function pagesFolder(): string {
	const here = dirname(fileURLToPath(import.meta.url));
	return import.meta.url.endsWith('.ts') ? join(here, '../dist/web') : join(here, '../web');
}

function serveContext(): ServeContext {
	const { stdout, stderr } = process;
	return { stdout, stderr, pagesFolder: pagesFolder(), until: takeSignals().until };
}

async function run(argv: readonly string[]): Promise<number> {
	const command = chooseCommand(argv);
	switch (command.name) {
		case 'help':
			process.stdout.write(usage);
			return 0;
		case 'version': {
			const { version } = await import('./server/version.ts');
			process.stdout.write(`${version}\n`);
			return 0;
		}
		case 'audit': {
			const { audit } = await import('./cli/audit.ts');
			return audit([...command.rest], process);
		}
		case 'plan': {
			const { plan } = await import('./cli/plan.ts');
			return plan(command.rest, process);
		}
		case 'probe': {
			const { probeCommand } = await import('./cli/probe.ts');
			return probeCommand(command.rest, process);
		}
		case 'run': {
			const { runCommand } = await import('./cli/run.ts');
			const { stdout, stderr } = process;
			return runCommand(command.rest, { stdout, stderr, interruption: takeSignals() });
		}
		case 'undo': {
			const { undoCommand } = await import('./cli/undo.ts');
			return undoCommand(command.rest, process);
		}
		case 'serve': {
			const { serve } = await import('./cli/serve.ts');
			return serve(readServeArguments(command.rest), serveContext());
		}
		case 'open': {
			const { open } = await import('./cli/open.ts');
			return open(readOpenArguments(command.rest), serveContext());
		}
		default:
			return command satisfies never;
	}
}

// Whoever reads may have had enough, as “head” does: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
	stream.on('error', (error: NodeJS.ErrnoException) => {
		if (error.code !== 'EPIPE') throw error;
	});
}

try {
	process.exitCode = await run(process.argv.slice(2));
} catch (error) {
	const message = error instanceof Error ? error.message : String(error);
	process.stderr.write(
		`${message}${error instanceof UsageError ? ` ${usageHint(process.argv.slice(2))}` : ''}\n`,
	);
	process.exitCode = 1;
}
