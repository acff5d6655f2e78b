/** One blob on its way into a registry: in one piece, or in a way that older registries know (distribution-spec, "Pushing Blobs"). */
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf, type ProblemCode } from '../../shared/registry/problem.ts';
import type { OpenUpload, UploadBody } from '../transfer/target.ts';
import { OutgoingBody } from './body-sender.ts';
import type { Answer } from './exchange.ts';
import { requestOf, type Call, type Delivery, type RegistryClient } from './registry-client.ts';
import { isPassingStatus } from './retry.ts';
import { completionUrl, uploadUrl } from './upload-location.ts';

export interface BlobUploadOptions {
	readonly client: RegistryClient;
	readonly blob: DigestReference;
	/** as the registry said */
	readonly url: URL;
	/** Registries that want a blob in parts; shared by all uploads, as one finds out for the others. */
	readonly inParts: Set<string>;
	readonly isPresent: (signal: AbortSignal | undefined) => Promise<boolean>;
}

/** By these a registry says that it does not take a blob in one piece. */
const wantsParts: ReadonlySet<number> = new Set([404, 405, 411, 501]);
/** After these the blob may be there all the same: the answer was lost, or another one's than the registry's. */
const lostAnswers: ReadonlySet<ProblemCode> = new Set(['connection-lost', 'timeout', 'truncated']);
const cancelPatienceMs = 5_000;

/** Some registries answer 201 to a part, too. */
function isTaken({ status }: Answer): boolean {
	return status >= 200 && status < 300;
}

export class BlobUpload implements OpenUpload {
	readonly #options: BlobUploadOptions;
	#url: URL;
	#ended = false;

	constructor(options: BlobUploadOptions) {
		this.#options = options;
		this.#url = options.url;
	}

	async send(source: UploadBody, signal: AbortSignal | undefined): Promise<void> {
		if (this.#ended) throw new RangeError('an upload can be sent only once');
		this.#ended = true;
		const body = new OutgoingBody(source);
		try {
			await this.#sendOrFind(body, signal);
		} catch (error) {
			void this.#dismiss();
			throw error;
		} finally {
			body.close();
		}
	}

	async cancel(): Promise<void> {
		this.#ended = true;
		await this.#dismiss();
	}

	/** Where everything went out and no good answer came back, looks whether the blob has arrived. */
	async #sendOrFind(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		try {
			await this.#transmit(body, signal);
		} catch (error) {
			const { code, status = 0 } = problemOf(error);
			const lost = lostAnswers.has(code) || isPassingStatus(status) || status === 202;
			const failedHere = body.failure !== undefined || signal?.aborted === true;
			if (failedHere || !body.isHandedOver || !lost) throw error;
			if (!(await this.#options.isPresent(signal).catch(() => false))) throw error;
		}
	}

	async #transmit(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		const { blob, inParts } = this.#options;
		if (!inParts.has(blob.registry)) {
			const whole = this.#completion({ 'content-type': 'application/octet-stream' }, body);
			const answer = await this.#deliver(whole, signal);
			if (!wantsParts.has(answer.status)) {
				await this.#check(whole, answer, body);
				return;
			}
			const refusal = await this.#refusal(whole, answer);
			const { upstreamCode } = refusal.problem;
			if (upstreamCode === 'BLOB_UPLOAD_UNKNOWN') throw this.#forgotten(refusal);
			if (answer.status === 404 && upstreamCode !== undefined) throw refusal;
			inParts.add(blob.registry);
			if (!body.isRepeatable) throw this.#otherwiseNextTime(refusal);
		}
		await this.#transmitInParts(body, signal);
	}

	/** One part, as large as the blob, and an empty request that ends it. */
	async #transmitInParts(body: OutgoingBody, signal: AbortSignal | undefined): Promise<void> {
		const headers = { 'content-type': 'application/octet-stream' };
		const part: Delivery = { ...this.#common(headers), method: 'PATCH', url: this.#url, body };
		const answer = await this.#deliver(part, signal);
		const { client, blob, inParts } = this.#options;
		if (wantsParts.has(answer.status)) inParts.delete(blob.registry);
		await this.#check(part, answer, body);
		const { location } = answer.headers;
		if (location !== undefined) {
			this.#url = uploadUrl(location, this.#url, client.endpoint(blob.registry));
		}
		const end = this.#completion({ 'content-length': '0' });
		await this.#check(end, await this.#deliver(end, signal), body);
	}

	/** @throws ProblemError of a refusal, and of an answer that came before it can be true */
	async #check(delivery: Delivery, answer: Answer, body: OutgoingBody): Promise<void> {
		if (!isTaken(answer)) throw await this.#refusal(delivery, answer);
		const unfinished = delivery.method === 'PUT' && answer.status === 202;
		if (body.isHandedOver && !unfinished) return;
		throw this.#problem(
			unfinished ? 'registry-failure' : 'connection-lost',
			`answered ${answer.status} before it had all of ${formatReference(this.#options.blob)}`,
			answer.status,
		);
	}

	#common(headers: Readonly<Record<string, string>>) {
		const { blob } = this.#options;
		const subject = formatReference(blob);
		return { repository: blob, subject, access: { action: 'push' }, headers } as const;
	}

	#completion(headers: Readonly<Record<string, string>>, body?: OutgoingBody): Delivery {
		const url = completionUrl(this.#url, this.#options.blob.digest);
		return { ...this.#common(headers), method: 'PUT', url, ...(body && { body }) };
	}

	#call(signal: AbortSignal | undefined): Call {
		return { registry: this.#options.blob.registry, signal, capBytes: limits.errorBodyBytes };
	}

	#deliver(delivery: Delivery, signal: AbortSignal | undefined): Promise<Answer> {
		return this.#options.client.deliver(delivery, this.#call(signal));
	}

	#refusal(delivery: Delivery, answer: Answer): Promise<ProblemError> {
		return this.#options.client.refusal(requestOf(delivery), this.#call(undefined), answer);
	}

	#problem(code: ProblemCode, what: string, status?: number): ProblemError {
		const { blob } = this.#options;
		const { registry } = blob;
		const reference = formatReference(blob);
		const reason = `${registry} ${what}.`;
		const place = { origin: 'registry', registry, reference } as const;
		return new ProblemError({ code, reason, ...place, ...(status !== undefined && { status }) });
	}

	/** A new upload would do; `connection-lost` says so. */
	#forgotten({ problem: { status } }: ProblemError): ProblemError {
		const what = `has forgotten the upload of ${formatReference(this.#options.blob)}`;
		return this.#problem('connection-lost', what, status);
	}

	/** Too much went out to begin again from memory; the next upload goes the other way from its start. */
	#otherwiseNextTime({ problem: { status } }: ProblemError): ProblemError {
		const what = `takes no blob in one piece and broke off ${formatReference(this.#options.blob)}`;
		return this.#problem('connection-lost', what, status);
	}

	/** As far as the registry listens: many want a permission for this that writing does not need. */
	async #dismiss(): Promise<void> {
		const dismissal: Delivery = { ...this.#common({}), method: 'DELETE', url: this.#url };
		const patience = AbortSignal.timeout(cancelPatienceMs);
		await this.#deliver(dismissal, patience).catch(() => undefined);
	}
}
