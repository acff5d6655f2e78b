/** One registry's way of letting us in: what it asked for, and the header that answers it, for each repository and access. */
import { pull, tokenScope, widerScope, type Access } from '../../shared/registry/access.ts';
import { parseChallenges, type Challenge } from '../../shared/registry/challenge.ts';
import { isWrite, type RegistryRequest } from '../../shared/registry/distribution.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import { BoundedMap } from './bounded-map.ts';
import {
	isUsable,
	typedLoginOf,
	type Credential,
	type CredentialSource,
} from './credentials/credential.ts';
import type { Reach } from './egress.ts';
import type { RegistryEndpoint } from './endpoint.ts';
import { realmUrl } from './realm.ts';
import { basic, type TokenRequest, type Tokens } from './tokens.ts';

export interface RegistryAuthOptions {
	readonly endpoint: RegistryEndpoint;
	readonly reach: Reach;
	readonly credentials: CredentialSource;
	readonly tokens: Tokens;
	readonly clock: () => number;
	/** The `WWW-Authenticate` of the registry's `/v2/`, or ''. */
	readonly ping: () => Promise<string>;
}

/** How long a header is used before the credential behind it is looked at again. */
const lookAgainMs = 5_000;

/** How long a refused password is not sent again: hundreds of reads must not lock an account. */
const refusalMs = 5_000;

/** Of one registry: repositories, times what is done there. */
const mostPermissions = 10_000;

interface Ticket {
	readonly challenge: Challenge;
	readonly header: string | undefined;
	readonly expiresAt: number;
	readonly obtainedAt: number;
	/** the login that the header holds */
	readonly credential?: Credential;
	/** set where the header holds a token that may have to be dropped */
	readonly request?: TokenRequest;
}

interface Refusal {
	readonly challenge: Challenge;
	readonly until: number;
}

type Bearer = Extract<Challenge, { scheme: 'bearer' }>;

/** What a header is to let us do: something in a repository, '' for the registry itself. */
export interface Permission {
	readonly repository: string;
	readonly access: Access;
}

function keyOf({ repository, access }: Permission): string {
	return `${repository} ${access.action} ${access.mountFrom ?? ''}`;
}

/** A password that one mount was refused with is not tried on all the others. */
function passwordKeyOf({ repository, access: { action, mountFrom } }: Permission): string {
	return `${repository} ${action} ${mountFrom === undefined ? '' : 'mount'}`;
}

/** What has to be allowed for the permission to be worth asking for, itself first. */
function impliedBy(permission: Permission): readonly Permission[] {
	const { repository, access } = permission;
	const implied = [permission];
	if (access.mountFrom !== undefined) implied.push({ repository, access: { action: 'push' } });
	if (access.action !== 'pull') implied.push({ repository, access: pull });
	return implied;
}

/**
 * A challenge's own scope would be that of the access too, or more than reading needs. It counts only where
 * writing with that was found to be too little.
 */
function scopeFor({ repository, access }: Permission, { scope, error }: Bearer): string {
	const wider = error === 'insufficient_scope' && widerScope(repository, access, scope);
	return wider || tokenScope(repository, access);
}

export class RegistryAuth {
	readonly #options: RegistryAuthOptions;
	readonly #tickets = new BoundedMap<string, Ticket>(mostPermissions);
	/** Until when a password counts as refused. */
	readonly #refusedUntil = new BoundedMap<string, number>(mostPermissions);
	/** For what no token was given a moment ago. It is asked for again before the registry is. */
	readonly #refusals = new BoundedMap<string, Refusal>(mostPermissions);
	readonly #renewals = new Map<string, Promise<Ticket>>();
	/** What the registry asked for, once the answer was good: other repositories are answered before they ask. */
	#challenge: Challenge | undefined;

	constructor(options: RegistryAuthOptions) {
		this.#options = options;
	}

	/**
	 * The Authorization header to send at once, or undefined for none.
	 * @throws ProblemError `unauthorized` or `denied` shortly after a login was refused, unless there is another
	 */
	headerFor(permission: Permission): string | undefined | Promise<string | undefined> {
		const now = this.#options.clock();
		const ticket = this.#tickets.get(keyOf(permission));
		const implied = impliedBy(permission);
		if (implied.some((one) => (this.#refusedUntil.get(passwordKeyOf(one)) ?? 0) > now)) {
			throw this.#refused(ticket?.credential);
		}
		if (ticket && ticket.expiresAt > now) return ticket.header;
		for (const one of implied.filter(({ access }) => access.action === permission.access.action)) {
			const refusal = this.#refusals.get(keyOf(one));
			if (refusal && refusal.until > now) {
				return this.#renew(one, refusal.challenge).then(({ header }) => header);
			}
		}
		return this.#inAdvance(permission);
	}

	/** Answers what the registry is known to ask before it does. */
	#inAdvance(permission: Permission): undefined | Promise<string | undefined> {
		const challenge = this.#challenge;
		if (!challenge) return undefined;
		return this.#renew(permission, challenge).then(
			({ header }) => header,
			() => {
				const reads = permission.access.action === 'pull';
				if (reads && this.#challenge === challenge) this.#challenge = undefined;
				return undefined;
			},
		);
	}

	/**
	 * Answers a 401. `sent` is the header that was refused.
	 * @returns a header worth another try, or undefined where there is none
	 * @throws ProblemError where the token server failed
	 */
	async answer(
		permission: Permission,
		sent: string | undefined,
		authenticate: string | undefined,
	): Promise<string | undefined> {
		const key = keyOf(permission);
		const current = this.#tickets.get(key);
		// Another request was refused at the same time and has been given a new header already.
		if (current && current.header !== sent && current.expiresAt > this.#options.clock()) {
			return current.header;
		}
		const challenge = await this.#challengeOf(authenticate);
		if (!challenge) return undefined;
		if (current && this.#isAllThereIs(permission, current, challenge)) return undefined;
		if (current?.request && sent) this.#options.tokens.drop(current.request, sent.slice(7));
		if (this.#tickets.get(key) === current) this.#tickets.delete(key);
		const { header } = await this.#renew(permission, challenge).catch((error: unknown) => {
			const { code } = problemOf(error);
			if (code === 'unauthorized' || code === 'denied') {
				const until = this.#options.clock() + refusalMs;
				this.#refusals.set(key, { challenge, until });
			}
			throw error;
		});
		if (header !== sent) return header;
		if (sent !== undefined) this.noteRefusal(permission, sent);
		return undefined;
	}

	/** True where a token of a moment ago allows too little: another with the same scope would allow no more. */
	#isAllThereIs(permission: Permission, ticket: Ticket, challenge: Challenge): boolean {
		if (challenge.scheme !== 'bearer' || challenge.error !== 'insufficient_scope') return false;
		if (ticket.request?.scope !== scopeFor(permission, challenge)) return false;
		return this.#options.clock() - ticket.obtainedAt < lookAgainMs;
	}

	/** Remembers what the registry asked for, as the header by which it was answered was good. */
	noteAcceptance(permission: Permission, sent: string): void {
		const ticket = this.#tickets.get(keyOf(permission));
		if (ticket?.header === sent) this.#challenge = ticket.challenge;
	}

	/** Remembers that a password was sent in vain. */
	noteRefusal(permission: Permission, sent: string): void {
		if (!sent.startsWith('Basic ')) return;
		this.#refusedUntil.set(passwordKeyOf(permission), this.#options.clock() + refusalMs);
	}

	/** The login that would be sent, for telling people why it did not help. */
	credentialFor(repository: string): Promise<Credential> {
		return this.#options.credentials.find({
			registry: this.#options.endpoint.registry,
			repository,
		});
	}

	#refused(credential: Credential = { kind: 'none' }): ProblemError {
		const { registry } = this.#options.endpoint;
		const source = isUsable(credential) ? credential.source : 'this computer';
		const reason = `${registry} did not take the login from ${source} a moment ago.`;
		return new ProblemError({
			code: 'unauthorized',
			origin: 'registry',
			reason,
			registry,
			status: 401,
			...typedLoginOf(credential),
		});
	}

	/** The challenge of the refusal itself; gcr.io sends some without, then that of `/v2/`. */
	async #challengeOf(authenticate: string | undefined): Promise<Challenge | undefined> {
		const own = parseChallenges(authenticate ?? '');
		const all = own.length > 0 ? own : parseChallenges(await this.#options.ping());
		return all.find(({ scheme }) => scheme === 'bearer') ?? all[0];
	}

	#renew(permission: Permission, challenge: Challenge): Promise<Ticket> {
		const key = JSON.stringify([permission, challenge]);
		const running = this.#renewals.get(key);
		if (running) return running;
		const renewal = this.#ticketFor(permission, challenge)
			.then((ticket) => {
				this.#tickets.set(keyOf(permission), ticket);
				return ticket;
			})
			.finally(() => this.#renewals.delete(key));
		this.#renewals.set(key, renewal);
		return renewal;
	}

	async #ticketFor(permission: Permission, challenge: Challenge): Promise<Ticket> {
		const credential = await this.credentialFor(permission.repository);
		const obtainedAt = this.#options.clock();
		const expiresAt = obtainedAt + lookAgainMs;
		if (credential.kind === 'registry-token') {
			return { challenge, header: `Bearer ${credential.token.reveal()}`, expiresAt, obtainedAt };
		}
		if (challenge.scheme === 'bearer') return this.#bearer(permission, challenge, credential);
		const header =
			credential.kind === 'password'
				? basic(credential.username, credential.password.reveal())
				: undefined;
		return { challenge, header, expiresAt, obtainedAt, credential };
	}

	async #bearer(
		permission: Permission,
		challenge: Bearer,
		credential: Credential,
	): Promise<Ticket> {
		const { endpoint, reach, tokens } = this.#options;
		const request: TokenRequest = {
			endpoint,
			reach,
			realm: realmUrl(endpoint, challenge.realm),
			service: challenge.service,
			scope: scopeFor(permission, challenge),
			credential,
		};
		const { secret, expiresAt, obtainedAt } = await tokens.get(request);
		return { challenge, header: `Bearer ${secret.reveal()}`, expiresAt, obtainedAt, request };
	}
}

/** What to say where a registry still answers 401: the login that did not help, or why there was none. */
export function loginProblem(
	registry: string,
	request: RegistryRequest,
	credential: Credential,
): ProblemError | undefined {
	const { subject } = request;
	const place = { origin: 'registry', registry, reference: subject, status: 401 } as const;
	const [does, doesNot] = isWrite(request)
		? [`takes ${subject}`, `take ${subject} from`]
		: [`shows ${subject}`, `show ${subject} to`];
	if (credential.kind === 'unusable') {
		const reason = `${registry} wants a login before it ${does}, but there is none to send. ${credential.reason}`;
		return new ProblemError({ code: 'credentials-unusable', ...place, reason });
	}
	if (!isUsable(credential)) return undefined;
	const reason = `${registry} does not ${doesNot} the login from ${credential.source}.`;
	return new ProblemError({ code: 'unauthorized', ...place, reason, ...typedLoginOf(credential) });
}
