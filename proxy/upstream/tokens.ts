/** Bearer tokens: asked for once however many wait, kept in memory until they expire (Docker token authentication). */
import { createHmac, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { Agents } from './agents.ts';
import { BoundedMap } from './bounded-map.ts';
import { isUsable, typedLoginOf, type Credential } from './credentials/credential.ts';
import { Secret } from './credentials/secret.ts';
import type { EgressPolicy, Reach } from './egress.ts';
import { endpointOfUrl, type RegistryEndpoint } from './endpoint.ts';
import { collect, type Answer } from './exchange.ts';
import { transportProblem } from './failures.ts';
import { LoginTurns } from './login-turns.ts';
import { mayHaveCredentials, type TrustedRealm } from './realm.ts';
import { followRedirects, type Hop } from './redirects.ts';

export interface TokenRequest {
	readonly endpoint: RegistryEndpoint;
	/** how far the registry may be; its realm may be no farther */
	readonly reach: Reach;
	readonly realm: URL;
	readonly service?: string | undefined;
	readonly scope: string;
	readonly credential: Credential;
}

export interface Token {
	readonly secret: Secret;
	/** milliseconds since 1970 by our own clock, as all times here */
	readonly expiresAt: number;
	readonly obtainedAt: number;
}

const tokenSchema = z.looseObject({
	token: z.string().nullish(),
	/** OAuth2's name for it; where both are there, either will do */
	access_token: z.string().nullish(),
	// Some send it as text, and none is worse than a minute.
	expires_in: z.coerce.number().catch(0),
	refresh_token: z.string().nullish(),
});

const shortestLifeMs = 60_000;
const refreshEarlyMs = 5_000;
const timeoutMs = 15_000;
/** How long a refusal is kept, so that hundreds of reads do not lock an account. */
const refusalMs = 5_000;
const mostTokens = 10_000;
/** How often those that have expired are looked for. */
const purgeEveryMs = 60_000;
const clientId = 'espalier';

/** What a bearer token may consist of, and so what may go into a header (RFC 6750 §2.1, and a bit more). */
const sendable = /^[\x21-\x7e]+$/;

interface Entry {
	expiresAt: number;
	readonly token: Promise<Token>;
}

export interface TokensOptions {
	readonly agents: Agents;
	readonly egress: EgressPolicy;
	readonly trustedRealms: readonly TrustedRealm[];
	readonly clock: () => number;
}

function secretOf(credential: Credential): string {
	if (!isUsable(credential)) return '';
	const secret = credential.kind === 'password' ? credential.password : credential.token;
	const username = 'username' in credential ? credential.username : undefined;
	// With its kind: what was typed may be empty, and is then not the same as nothing.
	return JSON.stringify([credential.kind, username ?? '', secret.reveal()]);
}

export class Tokens {
	readonly #options: TokensOptions;
	readonly #hmacKey = randomBytes(32);
	readonly #entries = new BoundedMap<string, Entry>(mostTokens);
	#purgedAt = 0;
	readonly #refreshTokens = new BoundedMap<string, Secret>(mostTokens);
	readonly #turns: LoginTurns;

	constructor(options: TokensOptions) {
		this.#options = options;
		this.#turns = new LoginTurns(options.clock);
	}

	/** A token for that scope. @throws ProblemError of the token server, or `egress-blocked`, `redirect-refused` */
	get(request: TokenRequest): Promise<Token> {
		const key = this.#keyOf(request);
		const known = this.#entries.get(key);
		if (known && known.expiresAt > this.#options.clock()) return known.token;
		const token = this.#exchange(request);
		const entry: Entry = { expiresAt: Number.POSITIVE_INFINITY, token };
		this.#remember(key, entry);
		token.then(
			({ expiresAt }) => (entry.expiresAt = expiresAt),
			(error: unknown) => {
				const { code } = problemOf(error);
				const refused = code === 'unauthorized' || code === 'denied';
				entry.expiresAt = refused ? this.#options.clock() + refusalMs : 0;
			},
		);
		return token;
	}

	/** Forgets a token that the registry did not take. */
	drop(request: TokenRequest, rejected: string): void {
		const key = this.#keyOf(request);
		const known = this.#entries.get(key);
		if (!known) return;
		void known.token.then(
			({ secret }) => {
				if (secret.reveal() === rejected && this.#entries.get(key) === known) {
					this.#entries.delete(key);
				}
			},
			() => undefined,
		);
	}

	#remember(key: string, entry: Entry): void {
		const now = this.#options.clock();
		if (now - this.#purgedAt >= purgeEveryMs) {
			this.#purgedAt = now;
			this.#entries.deleteWhere(({ expiresAt }) => expiresAt <= now);
		}
		this.#entries.set(key, entry);
	}

	/** How many are kept. */
	get size(): number {
		return this.#entries.size;
	}

	/** Of what may take the place of an identity token: whatever the scope, a server may take the old one no more. */
	#identityKeyOf({ endpoint, realm, service, credential }: TokenRequest): string {
		return this.#hmacOf([endpoint.registry, realm.href, service, secretOf(credential)]);
	}

	#keyOf({ endpoint, reach, realm, service, scope, credential }: TokenRequest): string {
		const parts = [endpoint.registry, reach, realm.href, service, scope, secretOf(credential)];
		return this.#hmacOf(parts);
	}

	#hmacOf(parts: readonly unknown[]): string {
		return createHmac('sha256', this.#hmacKey).update(JSON.stringify(parts)).digest('base64');
	}

	#exchange(request: TokenRequest): Promise<Token> {
		const { endpoint, realm, credential } = request;
		const trusted = mayHaveCredentials(endpoint, realm, this.#options.trustedRealms);
		if (!trusted || !isUsable(credential)) return this.#ask(request, trusted);
		return this.#turns.run(this.#identityKeyOf(request), () => this.#ask(request, trusted));
	}

	async #ask(request: TokenRequest, trusted: boolean): Promise<Token> {
		const { credential } = request;
		const identity = credential.kind === 'identity-token' && trusted;
		const answer = identity
			? await this.#withLatestIdentity(request, credential.token)
			: await this.#get(request, trusted ? basicHeader(credential) : undefined);
		if (answer.status !== 200) throw new ProblemError(refusal(request, answer, trusted));
		return this.#read(request, answer);
	}

	/** With what the server gave in place of the identity token, if it gave any; one that is spent is not the last word. */
	async #withLatestIdentity(request: TokenRequest, given: Secret): Promise<Answer> {
		const key = this.#identityKeyOf(request);
		const used = this.#refreshTokens.get(key) ?? given;
		const answer = await this.#withIdentity(request, used);
		if (answer.status < 400 || answer.status >= 404) return answer;
		const latest = this.#refreshTokens.get(key);
		if (latest === used) this.#refreshTokens.delete(key);
		const next = latest === used ? given : (latest ?? given);
		return next === used ? answer : this.#withIdentity(request, next);
	}

	/** OAuth2 where the server knows it; some know GET alone. */
	async #withIdentity(request: TokenRequest, token: Secret): Promise<Answer> {
		const { realm, service, scope } = request;
		const body = new URLSearchParams({
			grant_type: 'refresh_token',
			refresh_token: token.reveal(),
			client_id: clientId,
			...(service !== undefined && { service }),
			...(scope && { scope }),
		}).toString();
		const headers = { 'content-type': 'application/x-www-form-urlencoded', ...accept };
		const answer = await this.#send(request, { url: realm, headers }, body);
		if (answer.status !== 404 && answer.status !== 405 && answer.status !== 400) return answer;
		const username = 'username' in request.credential ? (request.credential.username ?? '') : '';
		return this.#get(request, basic(username || '<token>', token.reveal()));
	}

	async #get(request: TokenRequest, authorization: string | undefined): Promise<Answer> {
		const { realm, service, scope, credential } = request;
		const url = new URL(realm);
		if (service !== undefined) url.searchParams.set('service', service);
		for (const one of scope.split(' ').filter(Boolean)) url.searchParams.append('scope', one);
		if (authorization !== undefined && credential.kind === 'password' && credential.username) {
			url.searchParams.set('account', credential.username);
		}
		const hop: Hop = { url, headers: { ...accept, ...(authorization && { authorization }) } };
		const first = await this.#send(request, hop);
		const send = (next: Hop): Promise<Answer> => this.#send(request, next);
		return followRedirects(hop, first, send, () => undefined).catch((cause: unknown) => {
			const { registry } = request.endpoint;
			const problem: Problem = { ...problemOf(cause), origin: 'token-server', registry };
			throw new ProblemError(problem, { cause });
		});
	}

	async #send(request: TokenRequest, { url, headers }: Hop, body?: string): Promise<Answer> {
		const target = endpointOfUrl(url);
		const { agents, egress } = this.#options;
		try {
			const reach = egress.reachOfDerived(request.endpoint, request.reach, target);
			return await collect(
				agents.to(target, reach, request.endpoint),
				{
					method: body === undefined ? 'GET' : 'POST',
					path: url.pathname + url.search,
					headers,
					...(body !== undefined && { body }),
					signal: AbortSignal.timeout(timeoutMs),
				},
				limits.tokenBytes,
			);
		} catch (error) {
			throw new ProblemError(
				{
					...transportProblem(error, target, request.endpoint.registry),
					origin: 'token-server',
				},
				{ cause: error },
			);
		}
	}

	#read(request: TokenRequest, answer: Answer): Token {
		const parsed = tokenSchema.safeParse(parseJson(answer.bytes));
		const text = parsed.data?.token || parsed.data?.access_token || '';
		if (!parsed.success || !sendable.test(text)) {
			throw new ProblemError({
				code: 'malformed',
				origin: 'token-server',
				reason: `${request.realm.host} hands out tokens for ${request.endpoint.registry}, but sent none that can be used.`,
				registry: request.endpoint.registry,
			});
		}
		const { expires_in: expiresIn, refresh_token: refreshed } = parsed.data;
		if (refreshed && !isPassing(request.credential)) {
			this.#refreshTokens.set(this.#identityKeyOf(request), new Secret(refreshed));
		}
		const lifeMs = Math.max(expiresIn * 1000, shortestLifeMs);
		const obtainedAt = this.#options.clock();
		const expiresAt = obtainedAt + lifeMs - refreshEarlyMs;
		return { secret: new Secret(text), expiresAt, obtainedAt };
	}
}

function isPassing(credential: Credential): boolean {
	return isUsable(credential) && credential.isPassing === true;
}

const accept = { accept: 'application/json' };

function parseJson(bytes: Uint8Array): unknown {
	try {
		return JSON.parse(Buffer.from(bytes).toString('utf8'));
	} catch {
		return undefined;
	}
}

export function basic(username: string, password: string): string {
	return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** What must not be shown of an Authorization header: its value, what is in it, and a password by itself. */
export function secretsIn(header: string): readonly string[] {
	const value = header.slice(header.indexOf(' ') + 1);
	if (!header.startsWith('Basic ')) return [value].filter(Boolean);
	const login = Buffer.from(value, 'base64').toString('utf8');
	return [value, login, login.slice(login.indexOf(':') + 1)].filter(Boolean);
}

/** Only where both are there: some servers answer half a login with an error. */
function basicHeader(credential: Credential): string | undefined {
	if (credential.kind !== 'password') return undefined;
	const password = credential.password.reveal();
	return credential.username && password ? basic(credential.username, password) : undefined;
}

function refusal(
	{ endpoint, realm, credential }: TokenRequest,
	answer: Answer,
	sent: boolean,
): Problem {
	const { registry } = endpoint;
	const { status } = answer;
	const who = isUsable(credential) && sent ? `the login from ${credential.source}` : undefined;
	const denied = status === 401 || status === 403 || status === 400;
	const reason = denied
		? who
			? `${realm.host}, which lets people into ${registry}, does not take ${who}.`
			: `${realm.host}, which lets people into ${registry}, wants a login.`
		: `${realm.host}, which lets people into ${registry}, answered ${status}.`;
	const code =
		status === 429
			? 'rate-limited'
			: status === 403
				? 'denied'
				: denied
					? 'unauthorized'
					: 'registry-failure';
	const typed = denied && sent ? typedLoginOf(credential) : {};
	return { code, origin: 'token-server', reason, registry, status, ...typed };
}
