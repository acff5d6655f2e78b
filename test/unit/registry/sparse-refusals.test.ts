import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import {
	manifestPushRequest,
	manifestRequest,
	problemFrom,
} from '../../../shared/registry/distribution.ts';
import { problemSchema } from '../../../shared/registry/problem.ts';

const index = `sha256:${'a'.repeat(64)}` as Digest;
const [first, second] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}` as Digest);
const to = { registry: 'registry.test', repository: 'acme/parts', digest: index };
const push = manifestPushRequest(to, {
	mediaType: mediaTypes.ociIndex,
	digest: index,
	bytes: new Uint8Array(),
});

function problemOfBody(errors: readonly unknown[], status = 400) {
	const response = { status, headers: {}, body: JSON.stringify({ errors }) };
	return problemSchema.parse(problemFrom(push, 'registry.test', response, 0));
}

describe('a refused index says as data which children are missing', () => {
	it('with one error a child, as distribution answers', () => {
		const missing = (detail: string) => ({
			code: 'MANIFEST_BLOB_UNKNOWN',
			message: 'blob unknown to registry',
			detail,
		});
		const problem = problemOfBody([missing(first!), missing(second!), missing(first!)]);
		expect(problem).toMatchObject({ code: 'parts-missing', missing: [first, second] });
		expect(problem.reason).toContain(`misses parts of it: ${first}, ${second}.`);
	});

	it('with the child in its message, as Quay answers', () => {
		const message = `Could not find child manifest with digest \`${first}\``;
		const problem = problemOfBody([{ code: 'MANIFEST_INVALID', message, detail: {} }]);
		expect(problem).toMatchObject({ code: 'parts-missing', missing: [first] });
	});

	it('and with nothing but the index’s own digest, as zot answers, it says that it is refused', () => {
		const description = 'During upload, manifests undergo several checks ensuring validity.';
		const detail = { reference: index };
		const zot = { code: 'MANIFEST_INVALID', message: 'manifest invalid', description, detail };
		const problem = problemOfBody([zot]);
		expect(problem).toMatchObject({ code: 'manifest-refused', upstreamCode: 'MANIFEST_INVALID' });
		expect(problem).not.toHaveProperty('missing');
	});

	it('never with more than a thousand', () => {
		const errors = Array.from({ length: 1200 }, (_, at) => ({
			code: 'MANIFEST_BLOB_UNKNOWN',
			detail: `sha256:${String(at).padStart(64, '0')}`,
		}));
		expect(problemOfBody(errors).missing).toHaveLength(1000);
	});
});

it('another refusal, and a failed read, name nothing as missing', () => {
	const denied = problemOfBody([{ code: 'DENIED', message: `no ${first}` }], 403);
	expect(denied).not.toHaveProperty('missing');
	const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', detail: first }] });
	const response = { status: 404, headers: {}, body };
	expect(problemFrom(manifestRequest(to), 'registry.test', response, 0)).not.toHaveProperty(
		'missing',
	);
});
