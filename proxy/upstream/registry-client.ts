/** Requests to registries, with everything they need on the way: egress, width, login, redirects, retries. */
import { pull, type Access } from '../../shared/registry/access.ts';
import {
	isWrite,
	problemFrom,
	retryAfterMs,
	type RegistryRequest,
} from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import { ProblemError, type Problem, type ProblemCode } from '../../shared/registry/problem.ts';
import { loginProblem, type Permission } from './auth.ts';
import { sendBody, type OutgoingBody } from './body-sender.ts';
import { Secret } from './credentials/secret.ts';
import { endpointOfUrl, type Endpoint, type RegistryEndpoint } from './endpoint.ts';
import {
	abortReason,
	collect,
	stream,
	type Answer,
	type AnswerHead,
	type Outgoing,
	type StreamedAnswer,
} from './exchange.ts';
import { transportProblem } from './failures.ts';
import { scoutingOf, type Line } from './line.ts';
import { Lines, type LinesOptions } from './lines.ts';
import { followRedirects, isRedirect, type Hop } from './redirects.ts';
import {
	asksForLess,
	backoffMs,
	isPassingProblem,
	isPassingStatus,
	retryLimits,
	type Pace,
} from './retry.ts';
import { secretsIn } from './tokens.ts';
import type { Dispatcher } from 'undici';

/** Whom a request is for, and how much of its answer is read. */
export interface Call {
	readonly registry: string;
	readonly namedBy?: string | undefined;
	readonly signal?: AbortSignal | undefined;
	readonly capBytes: number;
	/** Not tried again here: between two tries the caller has to look. */
	readonly once?: boolean;
}

/** A body, the end of one, or a question how far it is, for an address that the registry gave. */
export interface Delivery {
	readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
	readonly url: URL;
	readonly repository: Repository;
	/** the blob, as people write it */
	readonly subject: string;
	readonly access: Access;
	readonly headers: Readonly<Record<string, string>>;
	readonly body?: OutgoingBody;
}

/** How an answer is taken in. */
interface Intake<A extends AnswerHead> {
	readonly send: (dispatcher: Dispatcher, outgoing: Outgoing) => Promise<A>;
	readonly discard: (answer: A) => void;
}

type Outcome<A> = { readonly answer: A } | { readonly error: ProblemError };

const cancelled: Problem = {
	code: 'cancelled',
	origin: 'browser',
	reason: 'It was cancelled.',
};

const unreachableMemoryMs = 5_000;
const unreachableCodes: ReadonlySet<ProblemCode> = new Set([
	'host-unknown',
	'connection-refused',
	'tls-failure',
	'egress-blocked',
	'outgoing-proxy-failed',
	'timeout',
]);
const gateSpreadMs = 250;
/** D10: the last look at a path before it is sent. */
const safePath = /^\/v2\/[\w.:/?=&%+~,;@!$'()*-]*$/;

/** True where the registry took what it was sent, and did not merely fail before it looked. */
function isAcceptance(status: number): boolean {
	return status < 400 || status === 404;
}

/** A refusal of whom the registry sent us to: no login for the registry could help there. */
function refusedElsewhere(registry: string, { host }: Endpoint): ProblemError {
	const reason = `${registry} sent this request on to ${host}, which wants a login that ${registry} did not give.`;
	return new ProblemError({
		code: 'registry-failure',
		origin: 'registry',
		reason,
		registry,
		status: 401,
	});
}

/** A registry that asked to be left alone for longer than anybody waits. */
function closed(registry: string, retryAfterMs: number): Problem {
	const reason = `${registry} takes no more requests for now.`;
	return { code: 'rate-limited', origin: 'registry', reason, registry, status: 429, retryAfterMs };
}

/** Only failures are quoted. */
function withAuthorization<A extends AnswerHead>(answer: A, sent: string | undefined): A {
	if (sent === undefined || answer.status < 400) return answer;
	return { ...answer, authorization: new Secret(sent) };
}

function permissionFor({ repository, access = pull }: RegistryRequest): Permission {
	return { repository: repository?.repository ?? '', access };
}

/** What refusals and logins need to know of a delivery. */
export function requestOf({ body: _, url, ...rest }: Delivery): RegistryRequest {
	return { ...rest, path: url.pathname };
}

export class RegistryClient {
	readonly #options: LinesOptions;
	readonly #lines: Lines;

	constructor(options: LinesOptions) {
		this.#options = options;
		this.#lines = new Lines(options);
	}

	/** The answer in memory, whatever its status. @throws ProblemError where there is none */
	collect(request: RegistryRequest, call: Call): Promise<Answer> {
		return this.#perform(request, call, {
			send: (dispatcher, outgoing) => collect(dispatcher, outgoing, call.capBytes),
			discard: () => undefined,
		});
	}

	/** The answer as it comes; its body must be read or destroyed. @throws ProblemError where there is none */
	stream(request: RegistryRequest, call: Call): Promise<StreamedAnswer> {
		return this.#perform(request, call, {
			send: stream,
			discard: ({ body }) =>
				void body.dump({ limit: limits.errorBodyBytes }).catch(() => undefined),
		});
	}

	/** The origin of a registry, for telling whether a link stays there. */
	endpoint(registry: string): RegistryEndpoint {
		return this.#lines.endpoint(registry);
	}

	/** What an answer other than success means. */
	async refusal(request: RegistryRequest, call: Call, answer: Answer): Promise<ProblemError> {
		if (answer.status === 401) {
			const credential = await this.#options.credentials.find({
				registry: call.registry,
				repository: request.repository?.repository ?? '',
			});
			const login = loginProblem(call.registry, request, credential);
			if (login) return this.#failed(login);
		}
		const body = Buffer.from(answer.bytes.subarray(0, limits.errorBodyBytes)).toString('utf8');
		const now = this.#options.pace.clock();
		const { status, headers, authorization } = answer;
		const response = { status, headers, body, secrets: secretsIn(authorization?.reveal() ?? '') };
		return this.#failed(new ProblemError(problemFrom(request, call.registry, response, now)));
	}

	/** Waits that many milliseconds. @throws ProblemError `cancelled` */
	async pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
		try {
			await this.#options.pace.wait(ms, signal);
		} catch (cause) {
			throw new ProblemError(cancelled, { cause });
		}
	}

	/** The clock and the chance of this client. */
	get pace(): Pace {
		return this.#options.pace;
	}

	/**
	 * Sends a body to an address that the registry gave: once, and without a place in the width, as bodies take long.
	 * The login goes along only where the address is the registry's own; the body is the caller's to close.
	 * @throws ProblemError where there is no answer
	 */
	async deliver(delivery: Delivery, call: Call): Promise<Answer> {
		const request = requestOf(delivery);
		const line = await this.#lineTo(request, call);
		const { generation } = line.width;
		try {
			await this.#opened(line, call);
			const answer = await this.#delivered(line, delivery, call);
			this.#pauseAfter(line, { answer }, 1);
			if (asksForLess(answer.status)) line.width.shrink(generation);
			return answer;
		} catch (error) {
			const failure = delivery.body?.failure;
			if (failure !== undefined && !call.signal?.aborted) throw failure;
			const endpoint = endpointOfUrl(delivery.url);
			const problem = this.#problemOf({ endpoint }, request, call, error);
			if (asksForLess(problem.code)) line.width.shrink(generation);
			throw this.#failed(new ProblemError(problem, { cause: error }));
		}
	}

	async #delivered(line: Line, delivery: Delivery, { signal }: Call): Promise<Answer> {
		const { endpoint, reach, auth } = line;
		const { agents, egress } = this.#options;
		const { method, url, headers, body } = delivery;
		const target = endpointOfUrl(url);
		this.#options.watch?.onRequest();
		const isOwn = target.origin === endpoint.origin;
		const permission = permissionFor(requestOf(delivery));
		const authorization = isOwn ? await auth.headerFor(permission) : undefined;
		const sent = authorization === undefined ? headers : { ...headers, authorization };
		const dispatcher = agents.to(target, egress.reachOfDerived(endpoint, reach, target), endpoint);
		const outgoing: Outgoing = { method, path: url.pathname + url.search, headers: sent, signal };
		const answer = body
			? await sendBody(dispatcher, outgoing, body, agents.uploadPatience)
			: await collect(
					dispatcher,
					{ ...outgoing, withinMs: agents.uploadPatience.answerMs },
					limits.errorBodyBytes,
				);
		if (answer.status === 401 && !isOwn) throw refusedElsewhere(endpoint.registry, target);
		// The body cannot be sent again here; whoever sends it anew finds a new login.
		if (answer.status === 401) {
			await auth.answer(permission, authorization, answer.headers['www-authenticate']);
		}
		return withAuthorization(answer, authorization);
	}

	/** Waits for the registry's gate. @throws ProblemError `rate-limited` where that takes too long */
	async #opened({ gate }: Line, { registry, signal }: Call): Promise<void> {
		const { clock, wait, random } = this.#options.pace;
		for (;;) {
			const closedMs = gate.remainingMs(clock());
			if (closedMs === 0) return;
			if (closedMs > retryLimits.totalWaitMs) throw new ProblemError(closed(registry, closedMs));
			await wait(closedMs + random() * gateSpreadMs, signal);
		}
	}

	async #perform<A extends AnswerHead>(
		request: RegistryRequest,
		call: Call,
		intake: Intake<A>,
	): Promise<A> {
		const line = await this.#lineTo(request, call);
		let waitedMs = 0;
		for (let attempt = 1; ; attempt += 1) {
			const outcome = await this.#scouted(line, request, call, intake);
			const pauseMs = this.#pauseAfter(line, outcome, attempt);
			const over =
				pauseMs === undefined ||
				call.once === true ||
				attempt >= retryLimits.attempts ||
				waitedMs + pauseMs > retryLimits.totalWaitMs;
			if (over && 'answer' in outcome) return outcome.answer;
			if (over && 'error' in outcome) throw this.#failed(outcome.error);
			if ('answer' in outcome) intake.discard(outcome.answer);
			waitedMs += pauseMs ?? 0;
			this.#options.watch?.onRetry();
			await this.pause(pauseMs ?? 0, call.signal);
		}
	}

	/** Tells who counts of a failure. */
	#failed(error: ProblemError): ProblemError {
		this.#options.watch?.onFailure(error.problem.code);
		return error;
	}

	/** @throws ProblemError where the request is not to be made */
	#lineTo(request: RegistryRequest, { registry, namedBy }: Call): Promise<Line> {
		const { repository } = request;
		this.#options.admission?.(request, registry);
		return this.#lines.to({ registry, repository: repository?.repository ?? '', namedBy });
	}

	/** Lets the first request of a registry go ahead, so that hundreds do not each meet the same refusal. */
	async #scouted<A extends AnswerHead>(
		line: Line,
		request: RegistryRequest,
		call: Call,
		intake: Intake<A>,
	): Promise<Outcome<A>> {
		const scouting = scoutingOf(line, request);
		while (scouting.scout) await scouting.scout;
		const { unreachable } = line;
		if (unreachable && unreachable.until > this.#options.pace.clock()) {
			return { error: new ProblemError({ ...unreachable.problem, reference: request.subject }) };
		}
		if (scouting.done) return this.#attempt(line, request, call, intake);
		let arrived = (): void => undefined;
		scouting.scout = new Promise((resolve) => (arrived = resolve));
		const outcome = await this.#attempt(line, request, call, intake);
		scouting.scout = undefined;
		scouting.done ||= 'answer' in outcome && (!isWrite(request) || outcome.answer.status !== 401);
		arrived();
		return outcome;
	}

	async #attempt<A extends AnswerHead>(
		line: Line,
		request: RegistryRequest,
		call: Call,
		intake: Intake<A>,
	): Promise<Outcome<A>> {
		let generation: number | undefined;
		try {
			await this.#place(line, call);
			generation = line.width.generation;
			this.#options.watch?.onRequest();
			const answer = await this.#authorized(line, request, call, intake);
			this.#learn(line, answer.status, generation);
			return { answer };
		} catch (error) {
			const problem = this.#problemOf(line, request, call, error);
			this.#learn(line, problem.code, generation ?? line.width.generation);
			this.#noteUnreachable(line, problem);
			return { error: new ProblemError(problem, { cause: error }) };
		} finally {
			if (generation !== undefined) this.#leave(line);
		}
	}

	/** Waits for the registry's gate, for a place in its width, and for one among all registries. */
	async #place(line: Line, call: Call): Promise<void> {
		const { gate, width } = line;
		const { signal } = call;
		const { clock } = this.#options.pace;
		for (;;) {
			await this.#opened(line, call);
			const turn = width.enter();
			if (turn) await turn;
			const place = this.#options.roads.places.enter();
			if (place) await place;
			if (!signal?.aborted && gate.remainingMs(clock()) === 0) return;
			this.#leave(line);
			if (signal?.aborted) throw abortReason(signal);
		}
	}

	#leave({ width }: Line): void {
		this.#options.roads.places.leave();
		width.leave();
	}

	async #authorized<A extends AnswerHead>(
		line: Line,
		request: RegistryRequest,
		call: Call,
		intake: Intake<A>,
	): Promise<A> {
		const permission = permissionFor(request);
		const known = line.auth.headerFor(permission);
		const sent = known instanceof Promise ? await known : known;
		const answer = await this.#send(line, request, { call, intake, authorization: sent });
		if (answer.status !== 401) return answer;
		const authenticate = answer.headers['www-authenticate'];
		const renewed = await line.auth.answer(permission, sent, authenticate);
		if (renewed === undefined) return answer;
		intake.discard(answer);
		const second = await this.#send(line, request, { call, intake, authorization: renewed });
		if (second.status === 401) line.auth.noteRefusal(permission, renewed);
		else if (isAcceptance(second.status)) line.auth.noteAcceptance(permission, renewed);
		return second;
	}

	/** Only the registry itself answers with 401 here: what it sends us to has no say in how to log in. */
	async #send<A extends AnswerHead>(
		line: Line,
		request: RegistryRequest,
		how: { call: Call; intake: Intake<A>; authorization: string | undefined },
	): Promise<A> {
		const { endpoint, reach } = line;
		const { agents, egress } = this.#options;
		const { method, path, headers, body } = request;
		const common = { method, body, signal: how.call.signal, withinMs: agents.answerMs };
		const { intake, authorization } = how;
		if (!safePath.test(path)) throw new RangeError('a path that no registry has');
		const sent = authorization === undefined ? headers : { ...headers, authorization };
		const dispatcher = agents.to(endpoint, reach);
		const answer = await intake.send(dispatcher, { ...common, path, headers: sent });
		scoutingOf(line, request).done ||= answer.status !== 401;
		if (!isRedirect(answer.status)) return withAuthorization(answer, authorization);
		const url = new URL(path, endpoint.origin);
		const first: Hop = { url, headers: sent, writes: isWrite(request) };
		const follow = async ({ url, headers: kept }: Hop): Promise<A> => {
			const target = endpointOfUrl(url);
			const onward = agents.to(target, egress.reachOfDerived(endpoint, reach, target), endpoint);
			const outgoing = { ...common, path: url.pathname + url.search, headers: kept };
			try {
				const next = await intake.send(onward, outgoing);
				if (next.status !== 401 || target.origin === endpoint.origin) return next;
				intake.discard(next);
				throw refusedElsewhere(endpoint.registry, target);
			} catch (error) {
				throw new ProblemError(transportProblem(error, target, endpoint.registry), {
					cause: error,
				});
			}
		};
		const last = await followRedirects(first, answer, follow, intake.discard);
		return withAuthorization(last, authorization);
	}

	#problemOf(
		{ endpoint }: { readonly endpoint: Endpoint },
		request: RegistryRequest,
		call: Call,
		error: unknown,
	): Problem {
		if (call.signal?.aborted) {
			return cancelled;
		}
		const problem = transportProblem(error, endpoint, call.registry);
		return { ...problem, reference: request.subject };
	}

	#learn(line: Line, what: number | ProblemCode, generation: number): void {
		if (asksForLess(what)) line.width.shrink(generation);
		else if (typeof what === 'number') line.width.grow();
	}

	/** Where the first request did not get through, those behind it need not find out one by one. */
	#noteUnreachable(line: Line, problem: Problem): void {
		if (line.reading.done || line.writing.done) return;
		// One repository's token server says little of the others', but none is waited for again and again.
		if (problem.origin === 'token-server' && problem.code !== 'timeout') return;
		if (!unreachableCodes.has(problem.code)) return;
		line.unreachable = { problem, until: this.#options.pace.clock() + unreachableMemoryMs };
	}

	/** Milliseconds until another attempt makes sense; undefined where it makes none. */
	#pauseAfter(line: Line, outcome: Outcome<AnswerHead>, attempt: number): number | undefined {
		const { clock, random } = this.#options.pace;
		const pauseMs = backoffMs(attempt, random);
		if ('error' in outcome) {
			const { problem } = outcome.error;
			if (isPassingProblem(problem.code)) return pauseMs;
			// A connection may have died unnoticed; a registry that never answered is not waited for twice.
			const isKnown = line.reading.done || line.writing.done;
			if (problem.code === 'timeout' && isKnown && attempt === 1) return pauseMs;
			if (problem.origin === 'token-server' && isPassingStatus(problem.status ?? 0)) return pauseMs;
			return undefined;
		}
		const { status, headers } = outcome.answer;
		if (!isPassingStatus(status)) return undefined;
		const askedMs = retryAfterMs(headers['retry-after'], clock());
		if (status !== 429 && askedMs === undefined) return pauseMs;
		const closedMs = Math.max(askedMs ?? 0, pauseMs);
		line.gate.closeUntil(clock() + closedMs);
		return closedMs;
	}
}
