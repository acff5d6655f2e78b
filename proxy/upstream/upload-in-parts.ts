/** A blob in parts: one that breaks off is taken up again where the registry says that it is. */
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import { OutgoingBody } from './body-sender.ts';
import type { Answer } from './exchange.ts';
import type { Delivery } from './registry-client.ts';
import { backoffMs, isLostAnswer, isPassingStatus } from './retry.ts';
import { isTaken, type UploadSession } from './upload-session.ts';
import type { UploadWays } from './upload-ways.ts';

/** One after the other, without a byte that the registry has not had. */
const triesWithoutProgress = 3;
const sliceBytes = 64 * 1024;
/** Where a part is not what the registry is waiting for. */
const outOfPlace = 416;

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += sliceBytes) {
		yield await Promise.resolve(bytes.subarray(at, at + sliceBytes));
	}
}

/** How many bytes a registry has; undefined where it does not say so. It says `0-0` of none and of one. */
function takenBytes({ headers: { range = '' } }: Answer): number | undefined {
	const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(range)?.[1];
	if (last === undefined) return undefined;
	return last === '0' ? 0 : Number(last) + 1;
}

/** What is to be tried again. */
interface Interrupted {
	readonly failure: ProblemError;
}

export interface PartedBody {
	readonly session: UploadSession;
	readonly ways: UploadWays;
	readonly body: OutgoingBody;
	readonly partBytes: number;
	readonly signal: AbortSignal | undefined;
}

export class UploadInParts {
	readonly #work: PartedBody;
	#partBytes: number;

	constructor(work: PartedBody) {
		this.#work = work;
		this.#partBytes = work.partBytes;
	}

	/** All of it but its end. @throws ProblemError */
	async send(): Promise<void> {
		const { body } = this.#work;
		for (let at = 0; at < body.sizeBytes;) {
			const bytes = await body.take(Math.min(this.#partBytes, body.sizeBytes - at));
			await this.#sendAll(bytes, at);
			at += bytes.length;
		}
		await body.end();
	}

	/** @param firstByte where these bytes are in the blob */
	async #sendAll(bytes: Uint8Array, firstByte: number): Promise<void> {
		const end = firstByte + bytes.length;
		let vainTries = 0;
		for (let at = firstByte; at < end;) {
			const rest = bytes.subarray(at - firstByte);
			const partBytes = this.#partBytes;
			const sent = await this.#send(rest.subarray(0, partBytes), at);
			if (this.#partBytes < partBytes) continue;
			const next = typeof sent === 'number' ? sent : await this.#ask(sent, vainTries);
			if (next < firstByte || next > end) {
				throw this.#work.session.problem('connection-lost', 'has other bytes than it was sent');
			}
			vainTries = next > at ? 0 : vainTries + 1;
			if (vainTries > triesWithoutProgress) throw this.#stuck(sent);
			at = next;
			this.#work.body.passed(at);
		}
	}

	#stuck(sent: number | Interrupted): ProblemError {
		if (typeof sent !== 'number') return sent.failure;
		return this.#work.session.problem('connection-lost', 'takes parts and does not keep them');
	}

	/** @returns where the registry is then, or what came between */
	async #send(bytes: Uint8Array, at: number): Promise<number | Interrupted> {
		const { session, body, signal } = this.#work;
		let sent = 0;
		const part = new OutgoingBody({
			sizeBytes: bytes.length,
			chunks: slices(bytes),
			onBytes: (count) => body.passed(at + (sent += count)),
		});
		const delivery = session.part(part, at);
		let answer: Answer;
		try {
			answer = await session.deliver(delivery, signal);
		} catch (error) {
			return this.#interrupted(error);
		} finally {
			part.close();
		}
		if (!isTaken(answer)) return this.#refused(delivery, answer, bytes.length);
		session.follow(answer);
		// An answer before the end of the part is about what had come by then.
		if (!part.isHandedOver) return { failure: session.problem('connection-lost', 'broke off') };
		return takenBytes(answer) || at + bytes.length;
	}

	/** @throws what trying again does not help against */
	#interrupted(error: unknown): Interrupted {
		const isOver = this.#work.signal?.aborted === true || !(error instanceof ProblemError);
		if (isOver || !isLostAnswer(error.problem.code)) throw error;
		return { failure: error };
	}

	async #refused(delivery: Delivery, answer: Answer, partBytes: number): Promise<Interrupted> {
		const { session, ways } = this.#work;
		const failure = await session.refusal(delivery, answer);
		const { status } = answer;
		const { registry } = session.blob;
		if (status === 413 && ways.noteTooLarge(registry, partBytes)) {
			this.#partBytes = Math.floor(partBytes / 2);
			return { failure };
		}
		if (status === outOfPlace || status === 401 || isPassingStatus(status)) return { failure };
		if (status === 404) throw session.forgotten(status);
		if (status === 405 || status === 501 || status === 400) {
			ways.noteNoParts(registry);
			throw session.problem('connection-lost', 'takes no blob in parts', status);
		}
		throw failure;
	}

	/** Asks the registry how far it is. @throws ProblemError */
	async #ask({ failure }: Interrupted, triesBefore: number): Promise<number> {
		const { session, signal } = this.#work;
		const { client } = session;
		for (let tries = triesBefore + 1; ; tries += 1) {
			await client.pause(backoffMs(tries, client.pace.random), signal);
			const status = session.status();
			const answer = await session.deliver(status, signal).catch((error: unknown) => {
				if (signal?.aborted || !isLostAnswer(problemOf(error).code)) throw error;
				return undefined;
			});
			const isOver = tries > triesBefore + triesWithoutProgress;
			if (answer === undefined || isPassingStatus(answer.status) || answer.status === 401) {
				if (isOver) throw failure;
				continue;
			}
			if (!isTaken(answer)) throw session.forgotten(answer.status);
			session.follow(answer);
			const taken = takenBytes(answer);
			if (taken === undefined) throw session.forgotten(answer.status);
			return taken;
		}
	}
}
