/** A token server for docker-registry: users with rights by repository, and every way in which such servers misbehave. */
import { createHash, createSign, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Certificates } from './certificates.ts';

export type Action = 'pull' | 'push' | 'delete' | '*';

/** Actions by repository; a name that ends in `/*` is for all below it. */
export type Rights = Readonly<Record<string, readonly Action[]>>;

export interface User {
	readonly password: string;
	readonly rights: Rights;
	/** an identity token, which the server takes in place of the password */
	readonly identityToken?: string;
}

export interface TokenServerOptions {
	readonly users: Readonly<Record<string, User>>;
	/** of those who do not log in */
	readonly anonymous?: Rights;
}

/** One request, and as whom. */
export interface TokenAsked {
	readonly method: string;
	readonly scopes: readonly string[];
	readonly service: string | undefined;
	readonly account: string | undefined;
	/** the value of Authorization, or the refresh token of a POST */
	readonly secret: string | undefined;
}

export interface TokenAnswer {
	readonly status?: number;
	readonly headers?: Readonly<Record<string, string>>;
	/** as it is, or as JSON */
	readonly body?: unknown;
}

/** What is given out, and how long it lives. Whatever a test changes holds from the next request on. */
export interface TokenManners {
	/** how long a registry takes the token, in seconds */
	lifeSeconds: number;
	/** what is said of that; nothing where it is undefined */
	saidSeconds: unknown;
	/** gives a new refresh token for each that is used, and takes the old one no more */
	rotates: boolean;
	/** whom the tokens are for, where that is not the registry */
	audience: string | undefined;
	/** knows no POST */
	getOnly: boolean;
	/** something else, where it is not undefined */
	answer: ((asked: TokenAsked) => TokenAnswer | undefined) | undefined;
}

export interface TokenServer {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	/** the `auth` section for docker-registry */
	readonly auth: Readonly<Record<string, Readonly<Record<string, string>>>>;
	readonly asked: TokenAsked[];
	readonly manners: TokenManners;
	/** a token with these rights, whoever may have them; of the usual life where that is left out */
	mint(rights: Rights, lifeSeconds?: number): string;
	stop(): Promise<void>;
}

const issuer = 'test-issuer';
const service = 'test-registry';
/** docker-registry 2.8 takes tokens for so long after they have expired. */
const leewaySeconds = 60;

const usualManners: TokenManners = {
	lifeSeconds: 300,
	saidSeconds: 300,
	rotates: false,
	audience: undefined,
	getOnly: false,
	answer: undefined,
};

interface Grant {
	readonly type: string;
	readonly name: string;
	readonly actions: readonly string[];
}

function base64url(data: string | Buffer): string {
	return Buffer.from(data).toString('base64url');
}

function rightsIn(rights: Rights, repository: string): readonly Action[] {
	return Object.entries(rights).flatMap(([name, actions]) => {
		const isBelow = name.endsWith('/*') && repository.startsWith(name.slice(0, -1));
		return name === repository || isBelow ? actions : [];
	});
}

/** What of a scope is allowed: less than asked is no error (Docker token authentication). */
function grantOf(scope: string, rights: Rights): Grant {
	const [type = '', ...rest] = scope.split(':');
	const actions = (rest.pop() ?? '').split(',');
	const name = rest.join(':');
	const allowed = type === 'repository' ? rightsIn(rights, name) : [];
	return { type, name, actions: actions.filter((action) => allowed.includes(action as Action)) };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
	const parts: Buffer[] = [];
	for await (const part of request) parts.push(part as Buffer);
	return Buffer.concat(parts).toString();
}

async function readAsked(request: IncomingMessage): Promise<TokenAsked> {
	const { method = '', headers } = request;
	const url = new URL(request.url ?? '', 'http://x');
	const form = method === 'POST' ? new URLSearchParams(await bodyOf(request)) : url.searchParams;
	const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '));
	return {
		method,
		scopes,
		service: form.get('service') ?? undefined,
		account: form.get('account') ?? undefined,
		secret: (method === 'POST' ? form.get('refresh_token') : headers.authorization) ?? undefined,
	};
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: TokenAnswer): void {
	response.writeHead(status, headers);
	response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
}

class Issuer {
	readonly #certificates = new Certificates();
	readonly #certificate = this.#certificates.make(issuer);

	get bundle(): string {
		return this.#certificate.certFile;
	}

	sign(access: readonly Grant[], { lifeSeconds, audience = service }: TokenManners): string {
		const now = Math.floor(Date.now() / 1000);
		const der = this.#certificate.cert.replace(/-----[A-Z ]+-----|\s/g, '');
		const header = { typ: 'JWT', alg: 'ES256', x5c: [der] };
		const times = { iat: now, nbf: now - 10, exp: now + lifeSeconds - leewaySeconds };
		const jti = randomBytes(12).toString('hex');
		const claims = { iss: issuer, sub: 'someone', aud: audience, ...times, jti, access };
		const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
		const key = { key: this.#certificate.key, dsaEncoding: 'ieee-p1363' as const };
		return `${text}.${base64url(createSign('sha256').update(text).sign(key))}`;
	}

	remove(): void {
		this.#certificates.remove();
	}
}

/** Who is who, and by which refresh token. */
class Users {
	readonly #options: TokenServerOptions;
	readonly #refreshTokens = new Map<string, string>();

	constructor(options: TokenServerOptions) {
		this.#options = options;
		for (const [name, { identityToken }] of Object.entries(options.users)) {
			if (identityToken !== undefined) this.#refreshTokens.set(identityToken, name);
		}
	}

	/** Undefined for a login that is not good. */
	rightsOf({ method, secret }: TokenAsked): Rights | undefined {
		if (method === 'POST') return this.#of(this.#refreshTokens.get(secret ?? ''));
		if (secret === undefined) return this.#options.anonymous ?? {};
		const login = Buffer.from(secret.replace(/^Basic /, ''), 'base64').toString();
		const colon = login.indexOf(':');
		const [name, password] = [login.slice(0, colon), login.slice(colon + 1)];
		if (name === '<token>') return this.#of(this.#refreshTokens.get(password));
		return this.#options.users[name]?.password === password ? this.#of(name) : undefined;
	}

	/** A new refresh token in place of the one used. */
	rotate(used: string): string {
		const next = `next-${createHash('sha256').update(used).digest('hex').slice(0, 20)}`;
		const name = this.#refreshTokens.get(used) ?? '';
		this.#refreshTokens.delete(used);
		this.#refreshTokens.set(next, name);
		return next;
	}

	#of(name: string | undefined): Rights | undefined {
		return name === undefined ? undefined : this.#options.users[name]?.rights;
	}
}

function answerTo(
	asked: TokenAsked,
	{ users, signer, manners }: { users: Users; signer: Issuer; manners: TokenManners },
): TokenAnswer {
	const other = manners.answer?.(asked);
	if (other) return other;
	if (asked.method === 'POST' && manners.getOnly) return { status: 404 };
	const rights = users.rightsOf(asked);
	if (!rights) {
		return { status: asked.method === 'POST' ? 400 : 401, body: { error: 'invalid_grant' } };
	}
	const access = asked.scopes.map((scope) => grantOf(scope, rights));
	const token = signer.sign(
		access.filter(({ actions }) => actions.length > 0),
		manners,
	);
	const isRotated = manners.rotates && asked.method === 'POST' && asked.secret !== undefined;
	return {
		body: {
			[asked.method === 'POST' ? 'access_token' : 'token']: token,
			...(manners.saidSeconds !== undefined && { expires_in: manners.saidSeconds }),
			...(isRotated && { refresh_token: users.rotate(asked.secret) }),
		},
	};
}

export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
	const users = new Users(options);
	const signer = new Issuer();
	const manners = { ...usualManners };
	const asked: TokenAsked[] = [];
	const server = createServer((request, response) => {
		readAsked(request).then(
			(one) => {
				asked.push(one);
				send(response, answerTo(one, { users, signer, manners }));
			},
			() => response.destroy(),
		);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	const host = `127.0.0.1:${address.port}`;
	const realm = `http://${host}/token`;
	return {
		host,
		auth: { token: { realm, service, issuer, rootcertbundle: signer.bundle } },
		asked,
		manners,
		mint: (rights, lifeSeconds = usualManners.lifeSeconds) =>
			signer.sign(
				Object.entries(rights).map(([name, actions]) => ({ type: 'repository', name, actions })),
				{ ...usualManners, lifeSeconds },
			),
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
				signer.remove();
			}),
	};
}

/** Manners back to what they are at the beginning. */
export function mend({ manners }: TokenServer): void {
	Object.assign(manners, usualManners);
}
