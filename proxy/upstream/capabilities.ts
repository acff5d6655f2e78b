/** What a registry says of itself, asked without writing anything. */
import type { Digest } from '../../shared/oci/digest.ts';
import { byDigest, type Repository } from '../../shared/oci/reference.ts';
import {
	factsOfHeaders,
	factsOfKind,
	mergeFacts,
	type CapabilityFact,
} from '../../shared/registry/capabilities.ts';
import { pingRequest, referrersRequest } from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { Answer } from './exchange.ts';
import type { RegistryClient } from './registry-client.ts';

/** Of nothing: a registry with a referrers API answers for a digest that it does not have too. */
const digestOfNothing =
	'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' as Digest;

export interface CapabilityQuestion {
	readonly client: RegistryClient;
	readonly repository: Repository;
	readonly signal?: AbortSignal | undefined;
}

/** Whatever a registry does not answer stays unknown. */
async function ask<T>(question: () => Promise<T>, signal: AbortSignal | undefined) {
	try {
		return await question();
	} catch (error) {
		signal?.throwIfAborted();
		if (!(error instanceof ProblemError)) throw error;
		return undefined;
	}
}

function answerOf(
	{ status, headers, bytes }: Answer,
	registry: string,
): Pick<CapabilityFact, 'answer' | 'evidence'> {
	const said = `${registry} answers ${status} to GET /v2/…/referrers/…`;
	const type = headers['content-type'] ?? '';
	if (status === 200 && type.includes('application/vnd.oci.image.index.v1+json')) {
		return { answer: 'yes', evidence: `${said}, with an index.` };
	}
	// distribution-spec, "Listing Referrers": 404 is for registries without the API. A hidden repository gives it too.
	const isOfRepository = Buffer.from(bytes).toString('utf8').includes('NAME_UNKNOWN');
	if ([404, 405].includes(status) && !isOfRepository) return { answer: 'no', evidence: `${said}.` };
	return { answer: 'unknown', evidence: `${said}, which does not tell.` };
}

async function referrersFact(
	{ client, repository, signal }: CapabilityQuestion,
	checkedAt: number,
): Promise<CapabilityFact> {
	const { registry } = repository;
	const subject = byDigest(repository, digestOfNothing);
	const call = { registry, signal, capBytes: limits.listingPageBytes };
	const answer = await client.collect(referrersRequest(subject), call);
	const fact = { about: 'referrers', basis: 'stated', checkedAt } as const;
	return { registry, ...fact, ...answerOf(answer, registry) };
}

/**
 * Facts from what the registry states and what it is known for; never throws for a registry that does not answer:
 * then there are fewer.
 * @param checkedAt in milliseconds since 1970
 */
export async function findCapabilities(
	question: CapabilityQuestion,
	checkedAt: number,
): Promise<readonly CapabilityFact[]> {
	const { client, repository, signal } = question;
	const { registry } = repository;
	const call = { registry, signal, capBytes: limits.errorBodyBytes };
	const [ping, referrers] = await Promise.all([
		ask(() => client.collect(pingRequest(repository), call), signal),
		ask(() => referrersFact(question, checkedAt), signal),
	]);
	return mergeFacts(
		factsOfKind(registry, checkedAt),
		ping ? factsOfHeaders(registry, ping.headers, checkedAt) : [],
		referrers ? [referrers] : [],
	);
}
