/** D6: reads the JSON body of a request, and takes no more and nothing else than was agreed. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type * as z from 'zod';
import { limits } from '../../shared/registry/limits.ts';
import type { ProblemCode } from '../../shared/registry/problem.ts';
import { failure } from '../routes/failure.ts';
import { onceAnswered } from '../server/node-request.ts';
import { BodyShare, processBudget, type BodyBudget } from './body-budget.ts';
import { judgeJsonShape } from './json-shape.ts';

const deepest = 64;
const patienceMs = 30_000;
/** When other bodies are done with is not known. */
const comeAgainMs = 5_000;

export type StrictJson<T> =
	{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly response: Response };

interface Refused {
	readonly status: ContentfulStatusCode;
	readonly reason: string;
	readonly code?: ProblemCode;
	readonly retryAfterMs?: number;
}

function tooLarge(mostBytes: number): Refused {
	return {
		status: 413,
		reason: `The body is larger than ${mostBytes} bytes.`,
		code: 'too-large',
	};
}
const tooSlow: Refused = {
	status: 408,
	reason: `The body did not arrive within ${patienceMs / 1000} seconds.`,
	code: 'timeout',
};

const noRoom: Refused = {
	status: 503,
	reason: 'Espalier holds as many large bodies as it can just now; it takes more in a while.',
	code: 'rate-limited',
	retryAfterMs: comeAgainMs,
};

function judgeHeaders(request: Request, mostBytes: number): Refused | undefined {
	if (request.headers.get('content-type') !== 'application/json') {
		return { status: 415, reason: 'The Content-Type must be application/json and nothing more.' };
	}
	if (request.headers.has('content-encoding')) {
		return { status: 415, reason: 'The body must not be compressed.' };
	}
	const lengthBytes = Number(request.headers.get('content-length') ?? 0);
	return lengthBytes > mostBytes ? tooLarge(mostBytes) : undefined;
}

interface Bounds {
	readonly mostBytes: number;
	readonly share: BodyShare;
}

/** Counts while it reads: a body without a length ends at the limit too. */
async function readBounded(
	body: ReadableStream<Uint8Array>,
	{ mostBytes, share }: Bounds,
): Promise<Uint8Array | Refused> {
	const reader = body.getReader();
	const chunks: Uint8Array[] = [];
	let seen = 0;
	const patience = AbortSignal.timeout(patienceMs);
	const giveUp = () => {
		reader.cancel().catch(() => undefined);
	};
	patience.addEventListener('abort', giveUp);
	try {
		for (let part = await reader.read(); !part.done; part = await reader.read()) {
			seen += part.value.length;
			const refused = seen > mostBytes ? tooLarge(mostBytes) : undefined;
			if (refused || !share.grow(part.value.length)) {
				giveUp();
				return refused ?? noRoom;
			}
			chunks.push(part.value);
		}
	} finally {
		patience.removeEventListener('abort', giveUp);
	}
	return patience.aborted ? tooSlow : Buffer.concat(chunks);
}

function parse(bytes: Uint8Array): { readonly value: unknown } | Refused {
	try {
		const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
		const reason = judgeJsonShape(text, deepest);
		if (reason !== undefined) return { status: 400, reason };
		return { value: JSON.parse(text) };
	} catch {
		return { status: 400, reason: 'The body is not JSON in UTF-8.' };
	}
}

function describeIssue({ issues: [issue] }: z.ZodError): string {
	const place = issue?.path.join('.') ?? '';
	const what = `${place || 'at the top'}: ${issue?.message ?? 'invalid'}`;
	return `The body is not as agreed (${what.slice(0, 300)}).`;
}

async function readValue(
	request: Request,
	bounds: Bounds,
): Promise<{ readonly value: unknown } | Refused> {
	const refused = judgeHeaders(request, bounds.mostBytes);
	if (refused) return refused;
	const bytes = request.body ? await readBounded(request.body, bounds) : new Uint8Array();
	return bytes instanceof Uint8Array ? parse(bytes) : bytes;
}

function refuse(c: Context, { status, reason, code, retryAfterMs }: Refused): Response {
	if (retryAfterMs !== undefined) c.header('retry-after', `${Math.ceil(retryAfterMs / 1000)}`);
	const waiting = retryAfterMs !== undefined && { retryAfterMs };
	return failure(
		c,
		{ code: code ?? 'request-invalid', origin: 'proxy', reason, ...waiting },
		status,
	);
}

/**
 * The body of this request, held against its schema; otherwise the answer that says what is wrong with it.
 * It counts in the budget until the answer is out: what was in it is in memory as long.
 */
export async function readStrictJson<T>(
	c: Context,
	schema: z.ZodType<T>,
	mostBytes: number = limits.apiBodyBytes,
	budget: BodyBudget = processBudget,
): Promise<StrictJson<T>> {
	const share = new BodyShare(budget);
	try {
		const read = await readValue(c.req.raw, { mostBytes, share });
		if (!('value' in read)) return { ok: false, response: refuse(c, read) };
		const parsed = schema.safeParse(read.value);
		if (parsed.success) return { ok: true, value: parsed.data };
		return { ok: false, response: refuse(c, { status: 400, reason: describeIssue(parsed.error) }) };
	} finally {
		onceAnswered(c, () => share.giveBack());
	}
}
