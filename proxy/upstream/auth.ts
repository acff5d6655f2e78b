/** One registry's way of letting us in: what it asked for, and the header that answers it, for each repository. */
import { parseChallenges, type Challenge } from '../../shared/registry/challenge.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import { isUsable, type Credential, type CredentialSource } from './credentials/credential.ts';
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

interface Ticket {
	readonly challenge: Challenge;
	readonly header: string | undefined;
	readonly expiresAt: number;
	/** where the login comes from */
	readonly source?: string;
	/** set where the header holds a token that may have to be dropped */
	readonly request?: TokenRequest;
}

interface Refusal {
	readonly challenge: Challenge;
	readonly until: number;
}

type Bearer = Extract<Challenge, { scheme: 'bearer' }>;

/** A challenge's own scope would be this too, or more than reading needs. */
function pullScope(repository: string): string {
	return repository === '' ? 'registry:catalog:*' : `repository:${repository}:pull`;
}

export class RegistryAuth {
	readonly #options: RegistryAuthOptions;
	readonly #tickets = new Map<string, Ticket>();
	/** Until when the password for a repository counts as refused. */
	readonly #refusedUntil = new Map<string, number>();
	/** Repositories for which no token was given a moment ago. Their token is asked for before they are. */
	readonly #refusals = new Map<string, Refusal>();
	readonly #renewals = new Map<string, Promise<Ticket>>();
	/** What the registry asked for, once the answer was good: other repositories are answered before they ask. */
	#challenge: Challenge | undefined;

	constructor(options: RegistryAuthOptions) {
		this.#options = options;
	}

	/**
	 * The Authorization header for a repository ('' for the registry itself), or undefined for none.
	 * @throws ProblemError `unauthorized` or `denied` shortly after a login was refused, unless there is another
	 */
	headerFor(repository: string): string | undefined | Promise<string | undefined> {
		const now = this.#options.clock();
		const ticket = this.#tickets.get(repository);
		if ((this.#refusedUntil.get(repository) ?? 0) > now) throw this.#refused(ticket?.source);
		if (ticket && ticket.expiresAt > now) return ticket.header;
		const refusal = this.#refusals.get(repository);
		if (refusal && refusal.until > now) {
			return this.#renew(repository, refusal.challenge).then(({ header }) => header);
		}
		const challenge = this.#challenge;
		if (!challenge) return undefined;
		return this.#renew(repository, challenge).then(
			({ header }) => header,
			() => {
				if (this.#challenge === challenge) this.#challenge = undefined;
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
		repository: string,
		sent: string | undefined,
		authenticate: string | undefined,
	): Promise<string | undefined> {
		const current = this.#tickets.get(repository);
		// Another request was refused at the same time and has been given a new header already.
		if (current && current.header !== sent && current.expiresAt > this.#options.clock()) {
			return current.header;
		}
		if (current?.request && sent) this.#options.tokens.drop(current.request, sent.slice(7));
		this.#tickets.delete(repository);
		const challenge = await this.#challengeOf(authenticate);
		if (!challenge) return undefined;
		const { header } = await this.#renew(repository, challenge).catch((error: unknown) => {
			const { code } = problemOf(error);
			if (code === 'unauthorized' || code === 'denied') {
				const until = this.#options.clock() + refusalMs;
				this.#refusals.set(repository, { challenge, until });
			}
			throw error;
		});
		if (header !== sent) return header;
		if (sent !== undefined) this.noteRefusal(repository, sent);
		return undefined;
	}

	/** Remembers what the registry asked for, as the header by which it was answered was good. */
	noteAcceptance(repository: string, sent: string): void {
		const ticket = this.#tickets.get(repository);
		if (ticket?.header === sent) this.#challenge = ticket.challenge;
	}

	/** Remembers that a password was sent in vain. */
	noteRefusal(repository: string, sent: string): void {
		if (!sent.startsWith('Basic ')) return;
		this.#refusedUntil.set(repository, this.#options.clock() + refusalMs);
	}

	/** The login that would be sent, for telling people why it did not help. */
	credentialFor(repository: string): Promise<Credential> {
		return this.#options.credentials.find({
			registry: this.#options.endpoint.registry,
			repository,
		});
	}

	#refused(source = 'this computer'): ProblemError {
		const { registry } = this.#options.endpoint;
		const reason = `${registry} did not take the login from ${source} a moment ago.`;
		return new ProblemError({
			code: 'unauthorized',
			origin: 'registry',
			reason,
			registry,
			status: 401,
		});
	}

	/** The challenge of the refusal itself; gcr.io sends some without, then that of `/v2/`. */
	async #challengeOf(authenticate: string | undefined): Promise<Challenge | undefined> {
		const own = parseChallenges(authenticate ?? '');
		const all = own.length > 0 ? own : parseChallenges(await this.#options.ping());
		return all.find(({ scheme }) => scheme === 'bearer') ?? all[0];
	}

	#renew(repository: string, challenge: Challenge): Promise<Ticket> {
		const key = JSON.stringify([repository, challenge]);
		const running = this.#renewals.get(key);
		if (running) return running;
		const renewal = this.#ticketFor(repository, challenge)
			.then((ticket) => {
				this.#tickets.set(repository, ticket);
				return ticket;
			})
			.finally(() => this.#renewals.delete(key));
		this.#renewals.set(key, renewal);
		return renewal;
	}

	async #ticketFor(repository: string, challenge: Challenge): Promise<Ticket> {
		const credential = await this.credentialFor(repository);
		const expiresAt = this.#options.clock() + lookAgainMs;
		if (credential.kind === 'registry-token') {
			return { challenge, header: `Bearer ${credential.token.reveal()}`, expiresAt };
		}
		if (challenge.scheme === 'bearer') return this.#bearer(repository, challenge, credential);
		const header =
			credential.kind === 'password'
				? basic(credential.username, credential.password.reveal())
				: undefined;
		const source = isUsable(credential) && { source: credential.source };
		return { challenge, header, expiresAt, ...source };
	}

	async #bearer(repository: string, challenge: Bearer, credential: Credential): Promise<Ticket> {
		const { endpoint, reach, tokens } = this.#options;
		const request: TokenRequest = {
			endpoint,
			reach,
			realm: realmUrl(endpoint, challenge.realm),
			service: challenge.service,
			scope: pullScope(repository),
			credential,
		};
		const { secret, expiresAt } = await tokens.get(request);
		return { challenge, header: `Bearer ${secret.reveal()}`, expiresAt, request };
	}
}

/** What to say where a registry still answers 401: the login that did not help, or why there was none. */
export function loginProblem(
	registry: string,
	subject: string,
	credential: Credential,
): ProblemError | undefined {
	const place = { origin: 'registry', registry, reference: subject, status: 401 } as const;
	if (credential.kind === 'unusable') {
		const reason = `${registry} wants a login before it shows ${subject}, but there is none to send. ${credential.reason}`;
		return new ProblemError({ code: 'credentials-unusable', ...place, reason });
	}
	if (!isUsable(credential)) return undefined;
	const reason = `${registry} does not show ${subject} to the login from ${credential.source}.`;
	return new ProblemError({ code: 'unauthorized', ...place, reason });
}
