/** What a login has to allow, and the scope of the bearer token that allows it (Docker token authentication). */

/** In one repository. Tokens for reading are never asked for more than reading. */
export interface Access {
	readonly action: 'pull' | 'push' | 'delete';
	/** the repository of the same registry that a blob is taken over from */
	readonly mountFrom?: string;
}

export const pull: Access = { action: 'pull' };

/** What writing needs, and looking before writing where a registry shows a repository only to who may write. */
export const push: Access = { action: 'push' };

const actions: Readonly<Record<Access['action'], string>> = {
	pull: 'pull',
	push: 'pull,push',
	delete: 'pull,push,delete',
};

/** The scope to ask for; that of the registry's list of repositories where `repository` is ''. */
export function tokenScope(repository: string, { action, mountFrom }: Access): string {
	if (repository === '') return 'registry:catalog:*';
	// A few registries look at the first scope alone.
	const own = `repository:${repository}:${actions[action]}`;
	return mountFrom === undefined ? own : `${own} repository:${mountFrom}:pull`;
}

/**
 * The scope that a registry asks for after it was sent too little, where it may be followed: for writing,
 * and for nothing but the repositories that the request is about.
 */
export function widerScope(
	repository: string,
	{ action, mountFrom }: Access,
	asked: string | undefined,
): string | undefined {
	const scopes = asked?.split(' ').filter(Boolean) ?? [];
	if (action === 'pull' || scopes.length === 0) return undefined;
	const isOurs = (scope: string): boolean => {
		const own = `repository:${repository}:`;
		if (scope.startsWith(own)) return /^[a-z*]+(?:,[a-z*]+)*$/.test(scope.slice(own.length));
		return mountFrom !== undefined && scope === `repository:${mountFrom}:pull`;
	};
	return scopes.every(isOurs) ? scopes.join(' ') : undefined;
}
