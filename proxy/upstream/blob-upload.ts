/** One blob on its way into a registry: in one piece, or in a way that others know (distribution-spec, "Pushing Blobs"). */
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { problemOf, type ProblemError } from '../../shared/registry/problem.ts';
import type { OpenUpload, UploadBody } from '../transfer/target.ts';
import { OutgoingBody } from './body-sender.ts';
import { abortReason, type Answer } from './exchange.ts';
import type { Delivery, RegistryClient } from './registry-client.ts';
import { backoffMs, isLostAnswer, isPassingStatus } from './retry.ts';
import { UploadInParts } from './upload-in-parts.ts';
import { isTaken, UploadSession } from './upload-session.ts';
import type { UploadWays } from './upload-ways.ts';

export interface BlobUploadOptions {
	readonly client: RegistryClient;
	readonly blob: DigestReference;
	/** as the registry said */
	readonly url: URL;
	/** how small a part may be, as the registry said; 0 where it did not */
	readonly leastPartBytes: number;
	readonly ways: UploadWays;
	readonly isPresent: (signal: AbortSignal | undefined) => Promise<boolean>;
}

/** By these a registry says that it does not take a blob in one piece. */
const wantsParts: ReadonlySet<number> = new Set([404, 405, 411, 501]);
const triesToEnd = 3;

export class BlobUpload implements OpenUpload {
	readonly #options: BlobUploadOptions;
	readonly #session: UploadSession;
	#ended = false;

	constructor(options: BlobUploadOptions) {
		this.#options = options;
		this.#session = new UploadSession(options.client, options.blob, options.url);
	}

	async send(source: UploadBody, signal: AbortSignal | undefined): Promise<void> {
		if (this.#ended) throw new RangeError('an upload can be sent only once');
		this.#ended = true;
		const body = new OutgoingBody(source);
		try {
			await this.#sendOrFind(body, signal);
		} catch (error) {
			void this.#session.dismiss();
			if (body.failure === undefined && !signal?.aborted) this.#learn(body, error);
			throw error;
		} finally {
			body.close();
		}
	}

	async cancel(): Promise<void> {
		this.#ended = true;
		await this.#session.dismiss();
	}

	/** Where everything went out and no good answer came back, looks whether the blob has arrived. */
	async #sendOrFind(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		try {
			await this.#transmit(body, signal);
		} catch (error) {
			const failedHere = body.failure !== undefined || signal?.aborted === true;
			if (failedHere || !body.isHandedOver || !maybeDone(error)) throw error;
			if (!(await this.#options.isPresent(signal).catch(() => false))) throw error;
		}
	}

	/** What broke off in its middle goes in parts the next time: then less is lost, and each has its own login. */
	#learn(body: OutgoingBody, error: unknown): void {
		const { blob, ways } = this.#options;
		const { code, status = 0 } = problemOf(error);
		if (code === 'too-large') ways.noteTooLarge(blob.registry, body.sizeBytes);
		if (code === 'unauthorized') ways.noteLoginRefused(blob.registry, body.handedBytes);
		const isBroken = isLostAnswer(code) || isPassingStatus(status);
		if (isBroken && body.handedBytes > 0) ways.noteBrokenOff(blob.registry);
	}

	async #transmit(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		const { blob, ways, leastPartBytes } = this.#options;
		const way = ways.wayFor(blob.registry, body.sizeBytes, leastPartBytes);
		if (way.kind === 'parts') {
			await this.#transmitInParts(body, way.partBytes, signal);
			return;
		}
		if (way.kind === 'whole' && (await this.#transmitWhole(body, signal))) return;
		await this.#transmitInOnePart(body, signal);
	}

	async #transmitInParts(
		body: OutgoingBody,
		partBytes: number,
		signal: AbortSignal | undefined,
	): Promise<void> {
		const { ways } = this.#options;
		const places = ways.placesFor(partBytes);
		await places.enter();
		try {
			if (signal?.aborted) throw abortReason(signal);
			const session = this.#session;
			await new UploadInParts({ session, ways, body, partBytes, signal }).send();
		} finally {
			places.leave();
		}
		await this.#complete(signal);
	}

	/** @returns false where the registry wants it another way, and that is still possible */
	async #transmitWhole(body: OutgoingBody, signal: AbortSignal | undefined): Promise<boolean> {
		const session = this.#session;
		const whole = session.completion(body);
		const answer = await session.deliver(whole, signal);
		if (!wantsParts.has(answer.status)) {
			await this.#check(whole, answer, body);
			return true;
		}
		const refusal = await session.refusal(whole, answer);
		const { upstreamCode, status } = refusal.problem;
		if (upstreamCode?.startsWith('BLOB_UPLOAD_')) throw session.forgotten(status);
		if (answer.status === 404 && upstreamCode !== undefined) throw refusal;
		this.#options.ways.noteNotWhole(this.#options.blob.registry);
		if (!body.isRepeatable) throw this.#otherwiseNextTime(refusal);
		return false;
	}

	/** One part, as large as the blob, and an empty request that ends it. */
	async #transmitInOnePart(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		const session = this.#session;
		const part = session.part(body);
		const answer = await session.deliver(part, signal);
		const { blob, ways } = this.#options;
		if (wantsParts.has(answer.status)) ways.noteNotOnePart(blob.registry);
		await this.#check(part, answer, body);
		session.follow(answer);
		await this.#complete(signal);
	}

	/** The empty request that ends an upload in parts; whether a lost one was heard is looked up. */
	async #complete(signal: AbortSignal | undefined): Promise<void> {
		const session = this.#session;
		const { client, isPresent } = this.#options;
		for (let tries = 1; ; tries += 1) {
			const end = session.completion();
			try {
				const answer = await session.deliver(end, signal);
				if (isTaken(answer) && answer.status !== 202) return;
				throw isTaken(answer) ? this.#early(answer, true) : await session.refusal(end, answer);
			} catch (error) {
				if (signal?.aborted || !maybeDone(error) || tries >= triesToEnd) throw error;
				if (await isPresent(signal).catch(() => false)) return;
				await client.pause(backoffMs(tries, client.pace.random), signal);
			}
		}
	}

	/** @throws ProblemError of a refusal, and of an answer that came before it can be true */
	async #check(delivery: Delivery, answer: Answer, body: OutgoingBody): Promise<void> {
		if (!isTaken(answer)) throw await this.#session.refusal(delivery, answer);
		const unfinished = delivery.method === 'PUT' && answer.status === 202;
		if (!body.isHandedOver || unfinished) throw this.#early(answer, unfinished);
	}

	#early({ status }: Answer, unfinished: boolean): ProblemError {
		const code = unfinished ? 'registry-failure' : 'connection-lost';
		const what = `answered ${status} before it had all of ${formatReference(this.#options.blob)}`;
		return this.#session.problem(code, what, status);
	}

	/** Too much went out to begin again from memory; the next upload goes the other way from its start. */
	#otherwiseNextTime({ problem: { status } }: ProblemError): ProblemError {
		const what = `takes no blob in one piece and broke off ${formatReference(this.#options.blob)}`;
		return this.#session.problem('connection-lost', what, status);
	}
}

/** After these the blob may be there all the same: the answer was lost, or another one's than the registry's. */
function maybeDone(error: unknown): boolean {
	const { code, status = 0 } = problemOf(error);
	return isLostAnswer(code) || isPassingStatus(status) || status === 202;
}
