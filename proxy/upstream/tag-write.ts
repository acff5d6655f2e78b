/** Tags: looked at, then written under a condition, then looked at again; what moved meanwhile stays as it is (D7). */
import { isDigest, type Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import { bareMediaType } from '../../shared/oci/media-type.ts';
import { formatReference, formatRepository, type Reference } from '../../shared/oci/reference.ts';
import {
	forWriting,
	manifestPushRequest,
	manifestRequest,
	tagCondition,
	tagRemovalRequest,
	type RegistryRequest,
} from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';
import type { TagPlace, TagWrite } from '../transfer/target.ts';
import { refuseStore } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { hashBytes } from '../hashing.ts';
import { answersGetOnly } from './presence.ts';
import type { Call, RegistryClient } from './registry-client.ts';
import { backoffMs, isPassingProblem, isPassingStatus, retryLimits } from './retry.ts';

type Place = Digest | 'absent';

/** A change of one tag: from where it may be, to where it shall be, and the request that does it. */
interface Change {
	readonly tag: TagWrite;
	readonly to: Place;
	readonly request: RegistryRequest;
	readonly isDone: (answer: Answer) => boolean;
}

/** A refusal that somebody else's change may be behind. */
const maybeConflict: ReadonlySet<number> = new Set([409, 412]);

function tagReference({ registry, repository, tag }: TagWrite): Reference & { tag: string } {
	return { registry, repository, tag };
}

export class Tags {
	readonly #client: RegistryClient;
	/** Writes under way, by the manifest that they are about. */
	readonly #turns = new Map<string, Promise<unknown>>();

	constructor(client: RegistryClient) {
		this.#client = client;
	}

	/**
	 * Some registries answer 404 to HEAD alone, so only a GET tells of a tag that it is absent; and what HEAD states
	 * is held against the bytes before it counts as a conflict.
	 */
	async resolve(
		{ registry, repository, expect, digest }: TagPlace,
		tag: string,
		signal: AbortSignal | undefined,
	): Promise<Place> {
		const reference = { registry, repository, tag };
		const call = this.#call(registry, signal);
		if (expect === 'absent') return this.#read(reference, call);
		const head = forWriting(manifestRequest(reference, 'HEAD'));
		const answer = await this.#client.collect(head, call);
		const { status } = answer;
		const stated = answer.headers['docker-content-digest'];
		const isPlausible = expect === undefined || stated === expect || stated === digest;
		if (status === 200 && isPlausible && stated !== undefined && isDigest(stated)) return stated;
		const isUnsaid = status === 200 || status === 404 || answersGetOnly(status);
		if (isUnsaid) return this.#read(reference, call);
		throw await this.#client.refusal(head, call, answer);
	}

	/** @returns where the tag is instead, where that is not as expected */
	async set(
		tag: TagWrite,
		manifest: Document,
		signal: AbortSignal | undefined,
	): Promise<'set' | { readonly found: Place }> {
		const condition = tagCondition(tag.expect);
		const change: Change = {
			tag,
			to: manifest.digest,
			request: manifestPushRequest(tagReference(tag), manifest, condition),
			isDone: ({ status }) => status >= 200 && status < 300,
		};
		const found = await this.#inTurn(`${formatRepository(tag)}@${manifest.digest}`, () =>
			this.#change(change, signal),
		);
		return found === manifest.digest ? 'set' : { found };
	}

	/** @returns where the tag is instead, where that is not as expected */
	async remove(
		tag: TagWrite,
		signal: AbortSignal | undefined,
	): Promise<'removed' | { readonly found: Place }> {
		const condition = tag.expect === 'absent' ? {} : tagCondition(tag.expect);
		const found = await this.#change(
			{
				tag,
				to: 'absent',
				request: tagRemovalRequest(tag, tag.tag, condition),
				isDone: ({ status }) => (status >= 200 && status < 300) || status === 404,
			},
			signal,
		);
		return found === 'absent' ? 'removed' : { found };
	}

	/** docker-registry 2.8 answers 500 to who reads a manifest while it is put under another tag, so one at a time. */
	async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
		const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work, work);
		this.#turns.set(key, turn);
		try {
			return await turn;
		} finally {
			if (this.#turns.get(key) === turn) this.#turns.delete(key);
		}
	}

	/** Between two tries the tag is looked at again: the first may have gone through, or somebody else's. */
	async #change(change: Change, signal: AbortSignal | undefined): Promise<Place> {
		const { to } = change;
		const tag = { ...change.tag, digest: to };
		for (let attempt = 1; ; attempt += 1) {
			const seen = await this.resolve(tag, tag.tag, signal);
			if (seen === to || seen !== tag.expect) return seen;
			const failure = await this.#ask(change, signal);
			if (failure === undefined) return this.#settled(change, signal);
			const { code, status = 0 } = failure.problem;
			if (maybeConflict.has(status) || code === 'timeout') {
				const found = await this.resolve(tag, tag.tag, signal);
				if (found !== tag.expect) return found;
			}
			const passing = isPassingProblem(code) || isPassingStatus(status);
			if (!passing || attempt >= retryLimits.attempts) throw failure;
			await this.#pause(attempt, signal);
		}
	}

	/** Sends the change once. @returns why it was not carried out, as far as is known */
	async #ask(
		{ tag, request, isDone }: Change,
		signal: AbortSignal | undefined,
	): Promise<ProblemError | undefined> {
		const call: Call = { ...this.#call(tag.registry, signal), once: true };
		try {
			const answer = await this.#client.collect(request, call);
			return isDone(answer) ? undefined : await this.#client.refusal(request, call, answer);
		} catch (error) {
			if (!(error instanceof ProblemError) || problemOf(error).code === 'cancelled') throw error;
			return error;
		}
	}

	/** Where the tag is after a change that the registry said it made; some take a moment to see it themselves. */
	async #settled({ tag, to }: Change, signal: AbortSignal | undefined): Promise<Place> {
		const { registry, repository } = tag;
		for (let attempt = 1; ; attempt += 1) {
			const found = await this.resolve({ registry, repository }, tag.tag, signal);
			if (found === to || found !== tag.expect) return found;
			if (attempt >= retryLimits.attempts) break;
			await this.#pause(attempt, signal);
		}
		const reference = formatReference(tagReference(tag));
		const where = tag.expect === 'absent' ? 'does not have it' : `still has it at ${tag.expect}`;
		const reason = `${registry} said that it changed ${reference} and ${where}.`;
		throw new ProblemError({
			code: 'registry-failure',
			origin: 'registry',
			reason,
			registry,
			reference,
		});
	}

	async #read(reference: Reference, call: Call): Promise<Place> {
		const request = forWriting(manifestRequest(reference));
		const answer = await this.#client.collect(request, call);
		if (answer.status === 404) return 'absent';
		if (answer.status !== 200) throw await this.#client.refusal(request, call, answer);
		const mediaType = bareMediaType(answer.headers['content-type'] ?? '');
		const statedDigest = answer.headers['docker-content-digest'];
		const received = { bytes: answer.bytes, mediaType, statedDigest };
		return (await verifyDocument(reference, received, hashBytes)).digest;
	}

	#pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
		return this.#client.pause(backoffMs(attempt, this.#client.pace.random), signal);
	}

	#call(registry: string, signal: AbortSignal | undefined): Call {
		refuseStore(registry);
		return { registry, signal, capBytes: limits.documentBytes };
	}
}
