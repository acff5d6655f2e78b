/** What stands against writing somewhere through a team's server, known before it is tried. */
import { bestKey } from '../../shared/login/entry-key.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import type { Access } from './access.ts';

export type WriteObstacle =
	| { readonly kind: 'not-served'; readonly served: readonly string[] }
	/** none was given to this tab */
	| { readonly kind: 'no-login'; readonly registry: string };

/** Undefined where nothing is known to stand against it, and always where the server is the user's own. */
export function writeObstacle(
	access: Pick<Access, 'logins' | 'served'> | undefined,
	repository: Repository,
): WriteObstacle | undefined {
	const served = access?.served?.();
	if (!access || !served) return undefined;
	if (bestKey(served, repository, true) === undefined) return { kind: 'not-served', served };
	const entries = access.logins.all.map(({ entry }) => entry);
	if (bestKey(entries, repository, true) !== undefined) return undefined;
	return { kind: 'no-login', registry: repository.registry };
}
