/** Docker's and Podman's auth files as text: entries, helpers, and the forms a login is kept in. */
import * as z from 'zod';
import { fromJsonBytes } from '../oci/bytes-in-json.ts';
import { loginOf, type Login } from './login.ts';

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

/** Not with a pattern: that would look at every NUL that is followed by something else again and again. */
function withoutPadding(text: string): string {
	let end = text.length;
	while (end > 0 && text.charCodeAt(end - 1) === 0) end -= 1;
	return text.slice(0, end);
}

/** The two halves of `auth`: base64 of `user:password`, some with trailing NULs; a password may hold colons. */
function decodeAuth(auth: string): readonly [string, string] | undefined {
	if (!/^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(auth)) return undefined;
	const base64 = auth
		.trim()
		.replace(/={1,2}$/, '')
		.replaceAll('-', '+')
		.replaceAll('_', '/');
	const bytes = fromJsonBytes({ base64 });
	if (!bytes) return undefined;
	const text = withoutPadding(new TextDecoder().decode(bytes));
	const colon = text.indexOf(':');
	return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
}

/** What can stand in a header. */
const sendable = /^[\x21-\x7e]+$/;

/** The login of an entry. An empty entry is Docker's mark for "a helper has it" and counts as none. */
export function loginOfEntry(entry: AuthEntry): Login | 'none' | 'damaged' {
	const { auth, username, password, identitytoken, registrytoken } = entry;
	if (registrytoken && sendable.test(registrytoken)) {
		return { kind: 'registry-token', token: registrytoken };
	}
	const pair = auth ? decodeAuth(auth) : ([username ?? '', password ?? ''] as const);
	if (identitytoken) {
		const user = pair?.[0] ?? '';
		return { kind: 'identity-token', token: identitytoken, ...(user && { username: user }) };
	}
	return pair ? loginOf(pair[0], pair[1]) : 'damaged';
}
