import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loginOfEntry, parseAuthFile } from '../../../shared/login/auth-file.ts';
import { bestKey } from '../../../shared/login/entry-key.ts';
import { loginOf, loginSchema } from '../../../shared/login/login.ts';

function base64(text: string): string {
	return Buffer.from(text).toString('base64');
}

describe('an entry of an auth file', () => {
	it('holds a user name up to the first colon, and a password that may have more', () => {
		const text = fc
			.string({ unit: 'grapheme', minLength: 1 })
			.filter((one) => !/[\0\uFEFF]/.test(one));
		fc.assert(
			fc.property(
				text.filter((one) => !one.includes(':') && one !== '<token>'),
				text,
				(username, password) => {
					const auth = base64(`${username}:${password}`);
					expect(loginOfEntry({ auth })).toEqual({ kind: 'password', username, password });
				},
			),
		);
	});

	it.each([
		['trailing NULs', { auth: base64('me:p\0\0\0') }],
		['the alphabet for URLs', { auth: Buffer.from('me:p').toString('base64url') }],
		['no padding', { auth: base64('me:p').replace(/=+$/, '') }],
		['a line break behind it', { auth: `${base64('me:p')}\n` }],
		['fields of their own', { username: 'me', password: 'p' }],
	])('is read with %s', (_, entry) => {
		expect(loginOfEntry(entry)).toEqual({ kind: 'password', username: 'me', password: 'p' });
	});

	it('may be a token of either kind, whatever else is there', () => {
		const auth = base64('me:p');
		expect(loginOfEntry({ auth, identitytoken: 'refresh' })).toEqual({
			kind: 'identity-token',
			token: 'refresh',
			username: 'me',
		});
		expect(loginOfEntry({ auth: base64('<token>:refresh') })).toEqual({
			kind: 'identity-token',
			token: 'refresh',
		});
		expect(loginOfEntry({ auth, registrytoken: 'bearer' })).toEqual({
			kind: 'registry-token',
			token: 'bearer',
		});
	});

	it('with a bearer token that no header can hold has that left out', () => {
		expect(loginOfEntry({ registrytoken: 'a b' })).toBe('none');
	});

	it.each(['%%%', base64('no colon'), 'ab=c', '='])('is damaged with %j', (auth) => {
		expect(loginOfEntry({ auth })).toBe('damaged');
	});

	it('that is empty says that a helper has it', () => {
		expect(loginOfEntry({})).toBe('none');
		expect(loginOfEntry({ auth: '' })).toBe('none');
		expect(loginOfEntry({ auth: base64(':') })).toBe('none');
	});
});

describe('an auth file', () => {
	it.each([
		['config', '{"auths":{"a":{"auth":"x"}},"unknown":1}'],
		['dockercfg', '{"a":{"auth":"x"}}'],
		['environment', '{"auths":{"a":{"auth":"x"}}}'],
	] as const)('is read as %s', (form, text) => {
		const parsed = parseAuthFile(text, form);
		expect(parsed.ok && [...parsed.file.auths]).toEqual([['a', { auth: 'x' }]]);
	});

	it.each([
		['config', '{"auths":[]}'],
		['config', '{"auths":{"a":{"auth":1}}}'],
		['dockercfg', '[]'],
		['environment', '{"auths":{"a":{}}}'],
		['environment', '{"auths":{"a":{"auth":"x"}},"more":1}'],
		['config', '{"auths":'],
	] as const)('is refused as %s: %s', (form, text) => {
		expect(parseAuthFile(text, form).ok).toBe(false);
	});

	it('without logins is an empty one', () => {
		const parsed = parseAuthFile('{"auths":null,"credsStore":null}', 'config');
		expect(parsed).toMatchObject({ ok: true, file: { credsStore: undefined } });
	});
});

describe('a login', () => {
	it('is none where nothing was given, and an identity token by the user name for it', () => {
		expect(loginOf('', '')).toBe('none');
		expect(loginOf('<token>', 't')).toEqual({ kind: 'identity-token', token: 't' });
		expect(loginOf('me', '')).toEqual({ kind: 'password', username: 'me', password: '' });
	});

	it('holds nothing that would smuggle a header in', () => {
		for (const bad of ['a\nb', 'a\rb', 'a\0b', '\x7f']) {
			expect(loginSchema.safeParse({ kind: 'identity-token', token: bad }).success).toBe(false);
		}
	});
});

describe('the entry for a repository', () => {
	const at = (registry: string, repository: string) => ({ registry, repository });

	it('is the longest namespace, then the registry, then another way to write it', () => {
		const keys = ['https://quay.io/v1/', 'quay.io/a', 'quay.io/a/b'];
		expect(bestKey(keys, at('quay.io', 'a/b/c'), true)).toBe('quay.io/a/b');
		expect(bestKey(keys, at('quay.io', 'a/bc'), true)).toBe('quay.io/a');
		expect(bestKey(keys, at('quay.io', 'z'), true)).toBe('https://quay.io/v1/');
		expect(bestKey(keys, at('quay.io', 'a/b/c'), false)).toBe('https://quay.io/v1/');
	});

	it('is none of another registry, port or name that only begins alike', () => {
		const keys = ['quay.io', 'r.example:5000'];
		expect(bestKey(keys, at('quay.io.evil.test', 'a'), true)).toBeUndefined();
		expect(bestKey(keys, at('r.example', 'a'), true)).toBeUndefined();
		expect(bestKey(keys, at('r.example:5001', 'a'), true)).toBeUndefined();
	});
});
