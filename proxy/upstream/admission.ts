/**
 * Which requests to registries are made at all: looked at below everything that makes any, whoever named the
 * place, and before anything is sent.
 */
import { bestKey } from '../../shared/login/entry-key.ts';
import { formatRepository } from '../../shared/oci/reference.ts';
import { isWrite, type RegistryRequest } from '../../shared/registry/distribution.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { ServedRegistries } from './served-registries.ts';

/** @throws ProblemError where the request is not to be made */
export type Admission = (request: RegistryRequest, registry: string) => void;

/** Also looking into a repository as who may write there takes a login that may. */
function needsOwnLogin(request: RegistryRequest): boolean {
	return isWrite(request) || (request.access !== undefined && request.access.action !== 'pull');
}

/**
 * For a team's server: only what is served, mount sources included; and what takes more than reading only with a
 * login that came with the request. The operator's logins are never used for it.
 * @param entries what the logins that came with the request are for
 */
export function sharedAdmission(served: ServedRegistries, entries: readonly string[]): Admission {
	return (request, registry) => {
		const own = { registry, repository: request.repository?.repository ?? '' };
		const mountFrom = request.access?.mountFrom;
		const asked = mountFrom === undefined ? [own] : [own, { registry, repository: mountFrom }];
		const reference = request.subject;
		for (const repository of asked) {
			if (served.serves(repository)) continue;
			const reason = served.refusal(repository);
			throw new ProblemError({ code: 'not-served', origin: 'proxy', reason, registry, reference });
		}
		if (!needsOwnLogin(request) || bestKey(entries, own, true) !== undefined) return;
		const reason = `Writing to ${formatRepository(own)} takes your own login for it: this Espalier has none that may write.`;
		throw new ProblemError({ code: 'unauthorized', origin: 'proxy', reason, registry, reference });
	};
}
