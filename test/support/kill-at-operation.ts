/**
 * To be imported before a program: counts what it does to files, and when told `{ killAt: N }` kills it with SIGKILL
 * at the Nth: before it, after it, or with only half of the bytes written.
 */
import promises, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

export interface KillOrder {
	readonly killAt: number;
	readonly moment: 'before' | 'halfway' | 'after';
}

type Operation = (this: unknown, ...args: unknown[]) => Promise<unknown>;

let left = Infinity;
let moment: KillOrder['moment'] = 'before';

process.on('message', (message: Partial<KillOrder>) => {
	if (message.killAt === undefined) return;
	left = message.killAt;
	moment = message.moment ?? 'before';
});
// Waiting for an order is no reason to stay alive.
process.channel?.unref();

function die(): Promise<never> {
	process.kill(process.pid, 'SIGKILL');
	return new Promise(() => undefined);
}

function isBytes(value: unknown): value is Uint8Array | string {
	return typeof value === 'string' || value instanceof Uint8Array;
}

/** Of the arguments of a file handle's `write` and `writeFile`. */
function halved(args: readonly unknown[]): unknown[] {
	const [content, offset, length, ...rest] = args;
	if (!isBytes(content)) return [...args];
	if (typeof length === 'number') return [content, offset, Math.floor(length / 2), ...rest];
	return [content.slice(0, Math.floor(content.length / 2)), offset, length, ...rest];
}

function counted(operation: Operation, halve: typeof halved): Operation {
	return async function (this: unknown, ...args: unknown[]) {
		left -= 1;
		if (left !== 0) return operation.apply(this, args);
		if (moment === 'before') return die();
		await operation.apply(this, moment === 'halfway' ? halve(args) : args);
		return die();
	};
}

function count(
	holder: object,
	names: readonly string[],
	halve: typeof halved = (args) => [...args],
): void {
	for (const name of names) {
		const operation = Reflect.get(holder, name) as Operation;
		Reflect.set(holder, name, counted(operation, halve));
	}
}

const handle = await open('/dev/null');
const handles = Object.getPrototypeOf(handle) as object;
count(handles, ['write', 'writeFile'], halved);
count(handles, ['sync', 'truncate']);
await handle.close();
count(promises, ['open', 'mkdir', 'rename', 'link', 'rm', 'writeFile', 'copyFile']);
syncBuiltinESMExports();
