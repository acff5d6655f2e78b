/** `/api/session`: what leads to the token, and what this server offers to whoever has it. */
import { Hono } from 'hono';
import {
	exchangeBodySchema,
	type EntryCode,
	type Exchanged,
	type Proof,
	type ServerMode,
	type Session,
} from '../../shared/api/schema.ts';
import type { EntryCodes } from '../guard/entry-codes.ts';
import { proofOf } from '../guard/proof.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import { isToken } from '../guard/token.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { refusal } from './failure.ts';

const mostBodyBytes = 1024;

export interface EntryOptions {
	readonly token: string;
	readonly port: number;
	readonly codes: EntryCodes;
}

/** What is asked by those who have no token yet, or do not know yet whether to send it. */
export function entryRoutes({ token, port, codes }: EntryOptions) {
	return new Hono<NodeEnv>()
		.post('/session/exchange', async (c) => {
			const body = await readStrictJson(c, exchangeBodySchema, mostBodyBytes);
			if (!body.ok) return body.response;
			if (!codes.redeem(body.value.code)) {
				return refusal(c, 403, 'The code was used already, is too old, or is none of this server.');
			}
			return c.json({ token } satisfies Exchanged);
		})
		.get('/session/proof', (c) => {
			const nonce = c.req.query('nonce') ?? '';
			if (!isToken(nonce)) return refusal(c, 400, 'The nonce must look like a token.');
			return c.json({ proof: proofOf(token, { nonce, port }) } satisfies Proof);
		});
}

/** Told to everybody: a page has to know whether it needs a key before it asks for one. */
export function modeRoutes(mode: ServerMode['mode']) {
	return new Hono<NodeEnv>().get('/session/mode', (c) => c.json({ mode } satisfies ServerMode));
}

/** `POST …/code` gives a code that stands for the token in a link. */
export function codeRoutes(codes: EntryCodes) {
	return new Hono<NodeEnv>().post('/session/code', (c) =>
		c.json({ code: codes.issue() } satisfies EntryCode),
	);
}

/** Says what this server offers, and by answering at all, that the token is good or that none is needed. */
export function sessionRoutes(session: Session) {
	return new Hono<NodeEnv>().get('/session', (c) => c.json(session));
}
