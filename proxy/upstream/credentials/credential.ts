/** What a registry may be given to let us in, and the port by which it is found. */
import type { CredentialUse } from '../../../shared/api/schema.ts';
import type { Login } from '../../../shared/login/login.ts';
import type { Repository } from '../../../shared/oci/reference.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import { Secret } from './secret.ts';

interface Found {
	/** the file, variable or helper it comes from */
	readonly source: string;
	/** the entry that matched, as written there */
	readonly entry: string;
	/** It came with one request: nothing of it may be kept beyond that. */
	readonly isPassing?: true;
}

export type Credential =
	| { readonly kind: 'none' }
	| (Found & { readonly kind: 'password'; readonly username: string; readonly password: Secret })
	/** an OAuth2 refresh token */
	| (Found & {
			readonly kind: 'identity-token';
			readonly username?: string | undefined;
			readonly token: Secret;
	  })
	/** a bearer token, sent as it is */
	| (Found & { readonly kind: 'registry-token'; readonly token: Secret })
	/** there is something, but it cannot be read; `reason` quotes none of it */
	| { readonly kind: 'unusable'; readonly source: string; readonly reason: string };

/** True for a credential that can be sent. */
export function isUsable(
	credential: Credential,
): credential is Exclude<Credential, { kind: 'none' | 'unusable' }> {
	return credential.kind !== 'none' && credential.kind !== 'unusable';
}

/** A login as a credential: from here on, its secret is one. */
export function credentialOf(login: Login, found: Found): Credential {
	if (login.kind === 'password') {
		return { ...found, ...login, password: new Secret(login.password) };
	}
	return { ...found, ...login, token: new Secret(login.token) };
}

/** What a problem says of a refused login that came with the request. */
export function typedLoginOf(credential: Credential): Pick<Problem, 'typedLogin'> {
	if (!isUsable(credential) || !credential.isPassing) return {};
	const username = 'username' in credential ? credential.username : undefined;
	return { typedLogin: { ...(username !== undefined && { username }) } };
}

export interface CredentialSource {
	/** The credential for a repository; never throws. */
	find(repository: Repository): Promise<Credential>;
	/** The same for people: never the secret. */
	describe(repository: Repository): Promise<CredentialUse>;
}

/** What may be shown of a credential. */
export function credentialUse(registry: string, credential: Credential): CredentialUse {
	const { kind } = credential;
	if (kind === 'none') return { registry, kind };
	if (kind === 'unusable') {
		return { registry, kind, source: credential.source, reason: credential.reason };
	}
	const username = 'username' in credential ? credential.username : undefined;
	const { source, entry } = credential;
	return { registry, kind, source, entry, ...(username !== undefined && { username }) };
}

/** For those who keep none: every registry is read anonymously. */
export const noCredentials: CredentialSource = {
	find: () => Promise.resolve({ kind: 'none' }),
	describe: ({ registry }) => Promise.resolve({ registry, kind: 'none' }),
};
