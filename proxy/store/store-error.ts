/** What the embedded registry refuses, with the codes of the distribution-spec ("Error Codes"). */
import { storeRegistry } from '../../shared/oci/reference.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';

interface Refusal {
	/** the code in the error body */
	readonly code: string;
	readonly status: number;
	readonly problem: ProblemCode;
}

const refusals = {
	nameInvalid: { code: 'NAME_INVALID', status: 400, problem: 'reference-invalid' },
	nameUnknown: { code: 'NAME_UNKNOWN', status: 404, problem: 'repository-unknown' },
	tagInvalid: { code: 'TAG_INVALID', status: 400, problem: 'reference-invalid' },
	digestInvalid: { code: 'DIGEST_INVALID', status: 400, problem: 'reference-invalid' },
	digestMismatch: { code: 'DIGEST_INVALID', status: 400, problem: 'digest-mismatch' },
	manifestUnknown: { code: 'MANIFEST_UNKNOWN', status: 404, problem: 'manifest-unknown' },
	manifestInvalid: { code: 'MANIFEST_INVALID', status: 400, problem: 'manifest-refused' },
	manifestTooLarge: { code: 'MANIFEST_INVALID', status: 413, problem: 'too-large' },
	manifestBlobUnknown: { code: 'MANIFEST_BLOB_UNKNOWN', status: 400, problem: 'parts-missing' },
	blobUnknown: { code: 'BLOB_UNKNOWN', status: 404, problem: 'blob-unknown' },
	blobTooLarge: { code: 'SIZE_INVALID', status: 413, problem: 'too-large' },
	uploadUnknown: { code: 'BLOB_UPLOAD_UNKNOWN', status: 404, problem: 'request-invalid' },
	uploadBusy: { code: 'BLOB_UPLOAD_INVALID', status: 409, problem: 'conflict' },
	uploadStalled: { code: 'BLOB_UPLOAD_INVALID', status: 408, problem: 'timeout' },
	uploadCutShort: { code: 'BLOB_UPLOAD_INVALID', status: 400, problem: 'truncated' },
	sizeInvalid: { code: 'SIZE_INVALID', status: 400, problem: 'request-invalid' },
	rangeInvalid: { code: 'RANGE_INVALID', status: 416, problem: 'request-invalid' },
	pageInvalid: { code: 'PAGINATION_NUMBER_INVALID', status: 400, problem: 'request-invalid' },
	precondition: { code: 'PRECONDITION', status: 412, problem: 'conflict' },
	unauthorized: { code: 'UNAUTHORIZED', status: 401, problem: 'unauthorized' },
	denied: { code: 'DENIED', status: 403, problem: 'denied' },
	unsupported: { code: 'UNSUPPORTED', status: 405, problem: 'unsupported' },
	notFound: { code: 'UNSUPPORTED', status: 404, problem: 'unsupported' },
	locked: { code: 'UNKNOWN', status: 503, problem: 'conflict' },
	full: { code: 'UNKNOWN', status: 507, problem: 'storage-full' },
	damaged: { code: 'UNKNOWN', status: 500, problem: 'digest-mismatch' },
	layoutDamaged: { code: 'UNKNOWN', status: 500, problem: 'malformed' },
} as const satisfies Readonly<Record<string, Refusal>>;

export type RefusalKind = keyof typeof refusals;

export interface RefusalOptions {
	/** The reference or repository it is about, as people write it. */
	readonly reference?: string;
	/** One error entry for each, such as every digest that is missing; one without detail by default. */
	readonly details?: readonly unknown[];
	/** Headers that belong to the answer, such as the `Range` that a 416 states. */
	readonly headers?: Readonly<Record<string, string>>;
	readonly cause?: unknown;
}

/** A refusal of the embedded registry: a problem for our own readers, and an HTTP answer for foreign clients. */
export class StoreError extends ProblemError {
	readonly kind: RefusalKind;
	readonly status: number;
	readonly details: readonly unknown[];
	readonly headers: Readonly<Record<string, string>>;

	constructor(kind: RefusalKind, reason: string, options: RefusalOptions = {}) {
		const { code, status, problem } = refusals[kind];
		super(
			{
				code: problem,
				origin: kind === 'damaged' || kind === 'layoutDamaged' ? 'content' : 'registry',
				reason,
				registry: storeRegistry,
				...(options.reference !== undefined && { reference: options.reference }),
				status,
				upstreamCode: code,
			},
			{ cause: options.cause },
		);
		this.name = 'StoreError';
		this.kind = kind;
		this.status = status;
		this.details = options.details ?? [];
		this.headers = options.headers ?? {};
	}

	/** The body of the answer (distribution-spec, "Error Codes"). */
	toJSON(): { errors: readonly { code: string; message: string; detail?: unknown }[] } {
		const entry = { code: refusals[this.kind].code, message: this.problem.reason };
		const errors = this.details.map((detail) => ({ ...entry, detail }));
		return { errors: errors.length > 0 ? errors : [entry] };
	}
}

/** The code of a failed system call (`ENOENT`), or undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
	if (!(error instanceof Error) || !('code' in error)) return undefined;
	return typeof error.code === 'string' ? error.code : undefined;
}

export function isAbsent(error: unknown): boolean {
	const code = systemCode(error);
	return code === 'ENOENT' || code === 'ENOTDIR';
}
