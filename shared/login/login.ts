/** What a person gives to be let into a registry: its three forms, and the name it is kept under. */
import * as z from 'zod';

const printable = z
	.string()
	.max(8192)
	// What cannot stand in a header would break it, or smuggle another one in (D15).
	.refine((text) => !/[\0-\x1f\x7f]/.test(text), 'control characters');

export const loginSchema = z.discriminatedUnion('kind', [
	z.strictObject({ kind: z.literal('password'), username: printable, password: printable }),
	/** an OAuth2 refresh token */
	z.strictObject({
		kind: z.literal('identity-token'),
		username: printable.optional(),
		token: printable.min(1),
	}),
	/** a bearer token, sent as it is */
	z.strictObject({
		kind: z.literal('registry-token'),
		token: z
			.string()
			.max(8192)
			.regex(/^[\x21-\x7e]+$/),
	}),
]);
export type Login = z.infer<typeof loginSchema>;

/** A login, and the registry or namespace that it is for, such as `quay.io` or `quay.io/team`. */
export const keyedLoginSchema = z.strictObject({ entry: z.string().max(300), login: loginSchema });
export type KeyedLogin = z.infer<typeof keyedLoginSchema>;

export type ReadKeyedLogin =
	{ readonly ok: true; readonly login: KeyedLogin } | { readonly ok: false };

/** A login under its entry, where both can be sent. */
export function keyedLogin(entry: string, login: Login): ReadKeyedLogin {
	const parsed = keyedLoginSchema.safeParse({ entry, login });
	return parsed.success ? { ok: true, login: parsed.data } : { ok: false };
}

/** By this user name, helpers and people say that the password is an identity token. */
const tokenUser = '<token>';

/** A user name and password as a login; none where both are empty. */
export function loginOf(username: string, password: string): Login | 'none' {
	if (username === '' && password === '') return 'none';
	if (username === tokenUser) return { kind: 'identity-token', token: password };
	return { kind: 'password', username, password };
}
