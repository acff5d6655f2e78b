/** An upload that a registry has begun: where it is at the moment, and what can be asked of it there. */
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';
import type { OutgoingBody } from './body-sender.ts';
import type { Answer } from './exchange.ts';
import { requestOf, type Call, type Delivery, type RegistryClient } from './registry-client.ts';
import { completionUrl, uploadUrl } from './upload-location.ts';

const dismissalPatienceMs = 5_000;
const octets = { 'content-type': 'application/octet-stream' };

/** Some registries answer 201 to a part, too. */
export function isTaken({ status }: Answer): boolean {
	return status >= 200 && status < 300;
}

export class UploadSession {
	readonly client: RegistryClient;
	readonly blob: DigestReference;
	#url: URL;
	#isDismissed = false;

	/** @param url as the registry said */
	constructor(client: RegistryClient, blob: DigestReference, url: URL) {
		this.client = client;
		this.blob = blob;
		this.#url = url;
	}

	/** The whole blob, or the end of one that went in parts. */
	completion(body?: OutgoingBody): Delivery {
		const url = completionUrl(this.#url, this.blob.digest);
		const headers = body ? octets : { 'content-length': '0' };
		return { ...this.#common(), method: 'PUT', url, headers, ...(body && { body }) };
	}

	/** @param firstByte of the part, where it is one of several (distribution-spec, "Pushing a blob in chunks") */
	part(body: OutgoingBody, firstByte?: number): Delivery {
		const range = firstByte !== undefined && {
			'content-range': `${firstByte}-${firstByte + body.sizeBytes - 1}`,
		};
		return {
			...this.#common(),
			method: 'PATCH',
			url: this.#url,
			headers: { ...octets, ...range },
			body,
		};
	}

	/** How far it is. */
	status(): Delivery {
		return { ...this.#common(), method: 'GET', url: this.#url, headers: {} };
	}

	/** @throws ProblemError where there is no answer */
	deliver(delivery: Delivery, signal: AbortSignal | undefined): Promise<Answer> {
		return this.client.deliver(delivery, this.#call(signal));
	}

	/** Goes on where the registry says, which may be elsewhere after every answer. @throws ProblemError */
	follow({ headers: { location } }: Answer): void {
		if (location === undefined) return;
		this.#url = uploadUrl(location, this.#url, this.client.endpoint(this.blob.registry));
	}

	refusal(delivery: Delivery, answer: Answer): Promise<ProblemError> {
		return this.client.refusal(requestOf(delivery), this.#call(undefined), answer);
	}

	/** `connection-lost` says that a new upload would do. */
	problem(code: ProblemCode, what: string, status?: number): ProblemError {
		const { registry } = this.blob;
		const reference = formatReference(this.blob);
		const reason = `${registry} ${what}.`;
		const place = { origin: 'registry', registry, reference } as const;
		return new ProblemError({ code, reason, ...place, ...(status !== undefined && { status }) });
	}

	forgotten(status: number | undefined): ProblemError {
		const what = `has forgotten the upload of ${formatReference(this.blob)}`;
		return this.problem('connection-lost', what, status);
	}

	/** As far as the registry listens: many want a permission for this that writing does not need. */
	async dismiss(): Promise<void> {
		if (this.#isDismissed) return;
		this.#isDismissed = true;
		const dismissal: Delivery = {
			...this.#common(),
			method: 'DELETE',
			url: this.#url,
			headers: {},
		};
		const patience = AbortSignal.timeout(dismissalPatienceMs);
		await this.deliver(dismissal, patience).catch(() => undefined);
	}

	#common() {
		const { blob } = this;
		return {
			repository: blob,
			subject: formatReference(blob),
			access: { action: 'push' },
		} as const;
	}

	#call(signal: AbortSignal | undefined): Call {
		return { registry: this.blob.registry, signal, capBytes: limits.errorBodyBytes };
	}
}
