/** What Hono hands through of Node's own request and response; absent where an app is called in-process. */
import type { HttpBindings } from '@hono/node-server';

export interface NodeEnv {
	Bindings: Partial<HttpBindings>;
}

/** The part of a Hono context that holds Node's objects. */
export interface NodeContext {
	readonly env: Partial<HttpBindings> | undefined;
}

export function incomingOf({ env }: NodeContext): HttpBindings['incoming'] | undefined {
	return env?.incoming;
}

export function outgoingOf({ env }: NodeContext): HttpBindings['outgoing'] | undefined {
	return env?.outgoing;
}

/** Runs `leave` when the answer is out, or its client gone; at once where there is no connection. */
export function onceAnswered(c: NodeContext, leave: () => void): void {
	const outgoing = outgoingOf(c);
	if (!outgoing || outgoing.closed) leave();
	else outgoing.once('close', leave);
}
