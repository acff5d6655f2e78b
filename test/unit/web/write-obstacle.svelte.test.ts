import { describe, expect, it } from 'vitest';
import { Logins } from '../../../web/state/logins.svelte.ts';
import { writeObstacle } from '../../../web/state/write-obstacle.ts';

const parts = { registry: 'quay.io', repository: 'team/parts' };
const login = { kind: 'password', username: 'u', password: 'p' } as const;

function obstacleOf(served: readonly string[] | undefined, entries: readonly string[] = []) {
	const logins = new Logins();
	for (const entry of entries) logins.add(entry, login);
	return writeObstacle({ logins, served: () => served }, parts)?.kind;
}

describe('what stands against writing', () => {
	it.each([
		['nothing, where the server is the user’s own', undefined, [], undefined],
		['a login that nobody gave', ['quay.io'], [], 'no-login'],
		['a login for another registry', ['quay.io'], ['ghcr.io'], 'no-login'],
		['a login for another namespace', ['quay.io'], ['quay.io/tea'], 'no-login'],
		['nothing, with a login for the registry', ['quay.io/team'], ['quay.io'], undefined],
		['nothing, with a login for the namespace', ['quay.io'], ['quay.io/team'], undefined],
		['a registry that is not served', ['ghcr.io'], ['quay.io'], 'not-served'],
		['a namespace that is not served', ['quay.io/tea'], ['quay.io'], 'not-served'],
		['everything, where nothing is served', [], ['quay.io'], 'not-served'],
	] as const)('is %s', (_name, served, entries, kind) => {
		expect(obstacleOf(served, entries)).toBe(kind);
	});

	it('is nothing where a page has no server to speak of', () => {
		expect(writeObstacle(undefined, parts)).toBeUndefined();
		expect(writeObstacle({ logins: new Logins() }, parts)).toBeUndefined();
	});
});
