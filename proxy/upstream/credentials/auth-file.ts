/** Docker's and Podman's auth files as text: entries, helpers, and the forms a secret is kept in. */
import * as z from 'zod';
import type { Credential } from './credential.ts';
import { Secret } from './secret.ts';

const entrySchema = z.looseObject({
	auth: z.string().optional(),
	username: z.string().optional(),
	password: z.string().optional(),
	identitytoken: z.string().optional(),
	registrytoken: z.string().optional(),
});
export type AuthEntry = z.infer<typeof entrySchema>;

const fileSchema = z.looseObject({
	auths: z.record(z.string(), entrySchema.nullable()).nullish(),
	credsStore: z.string().nullish(),
	credHelpers: z.record(z.string(), z.string()).nullish(),
});

/** `DOCKER_AUTH_CONFIG` is strict: nothing but entries with `auth`. */
const environmentSchema = z.strictObject({
	auths: z.record(z.string(), z.strictObject({ auth: z.string().min(1) })),
});

export interface AuthFile {
	readonly auths: ReadonlyMap<string, AuthEntry>;
	/** helper names by registry */
	readonly credHelpers: ReadonlyMap<string, string>;
	readonly credsStore: string | undefined;
}

export type ParsedAuthFile =
	{ readonly ok: true; readonly file: AuthFile } | { readonly ok: false; readonly reason: string };

/** `config`: Docker's config.json and Podman's auth.json; `dockercfg`: the old file, entries alone. */
export type AuthFileForm = 'config' | 'dockercfg' | 'environment';

function fileOf(value: unknown, form: AuthFileForm): AuthFile | undefined {
	if (form === 'environment') {
		const parsed = environmentSchema.safeParse(value);
		if (!parsed.success) return undefined;
		const auths = new Map(Object.entries(parsed.data.auths));
		return { auths, credHelpers: new Map(), credsStore: undefined };
	}
	const parsed = fileSchema.safeParse(form === 'dockercfg' ? { auths: value } : value);
	if (!parsed.success) return undefined;
	const { auths, credHelpers, credsStore } = parsed.data;
	return {
		auths: new Map(Object.entries(auths ?? {}).map(([key, entry]) => [key, entry ?? {}])),
		credHelpers: new Map(Object.entries(credHelpers ?? {})),
		credsStore: credsStore ?? undefined,
	};
}

/** Reads an auth file. The reason of a refusal quotes nothing of it, as anything in it may be secret. */
export function parseAuthFile(text: string, form: AuthFileForm): ParsedAuthFile {
	let value: unknown;
	try {
		value = JSON.parse(text.replace(/^\uFEFF/, ''));
	} catch {
		return { ok: false, reason: 'it is not JSON' };
	}
	const file = fileOf(value, form);
	return file ? { ok: true, file } : { ok: false, reason: 'it is not laid out as an auth file' };
}

/** The two halves of `auth`: base64 of `user:password`, some with trailing NULs; a password may hold colons. */
function decodeAuth(auth: string): readonly [string, string] | undefined {
	if (!/^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(auth)) return undefined;

	const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
	const colon = text.indexOf(':');
	return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
}

/** By this user name, helpers say that the password is an identity token. */
const tokenUser = '<token>';

/** What can stand in a header. */
const sendable = /^[\x21-\x7e]+$/;

interface Place {
	readonly source: string;
	readonly entry: string;
}

/** A user name and password as a credential; none where both are empty. */
export function passwordCredential(username: string, password: string, place: Place): Credential {
	if (username === '' && password === '') return { kind: 'none' };
	if (username === tokenUser) {
		return { kind: 'identity-token', token: new Secret(password), ...place };
	}
	return { kind: 'password', username, password: new Secret(password), ...place };
}

/** The credential of an entry. An empty entry is Docker's mark for "a helper has it" and counts as none. */
export function entryCredential(entry: AuthEntry, place: Place): Credential {
	const { auth, username, password, identitytoken, registrytoken } = entry;
	if (registrytoken && sendable.test(registrytoken)) {
		return { kind: 'registry-token', token: new Secret(registrytoken), ...place };
	}
	const pair = auth ? decodeAuth(auth) : ([username ?? '', password ?? ''] as const);
	if (identitytoken) {
		const user = pair?.[0] ?? '';
		return {
			kind: 'identity-token',
			token: new Secret(identitytoken),
			...(user && { username: user }),
			...place,
		};
	}
	if (pair) return passwordCredential(pair[0], pair[1], place);
	return {
		kind: 'unusable',
		source: place.source,
		reason: `The entry ${place.entry} in ${place.source} is damaged: its “auth” is not base64 of a user name and a password.`,
	};
}
