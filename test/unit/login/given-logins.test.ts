import { describe, expect, it } from 'vitest';
import {
	looksLikeAuthFile,
	mostAuthFileCharacters,
	readEntry,
	readGivenLogins,
} from '../../../shared/login/given-logins.ts';
import { keyedLogin } from '../../../shared/login/login.ts';

const marker = 'hunter2-marker';

function base64(text: string): string {
	return Buffer.from(text).toString('base64');
}

function given(value: unknown) {
	return readGivenLogins(JSON.stringify(value));
}

describe('what a login is for', () => {
	it.each([
		['quay.io', 'quay.io'],
		[' https://Quay.io/ ', 'quay.io'],
		['quay.io/team', 'quay.io/team'],
		['quay.io/team/images/', 'quay.io/team/images'],
		['localhost:5000', 'localhost:5000'],
		['[::1]:5000', '[::1]:5000'],
		['index.docker.io', 'docker.io'],
		['docker.io/library', 'docker.io/library'],
	])('is read out of %j', (text, entry) => {
		expect(readEntry(text)).toEqual({ ok: true, entry });
	});

	it.each([
		'',
		'   ',
		'quay',
		'quay.io/Team',
		'quay.io/team:tag',
		'quay.io//team',
		`me:${marker}@quay.io`,
		marker,
		'store',
		'store/demo',
	])('is not read out of %j, which is not quoted', (text) => {
		const read = readEntry(text);
		expect(read.ok).toBe(false);
		expect(JSON.stringify(read)).not.toContain(marker);
	});
});

describe('a login under its entry', () => {
	it.each([`a\r\nx-evil: ${marker}`, 'nul\0', 'x'.repeat(8193)])(
		'is refused where it could not be sent',
		(password) => {
			expect(keyedLogin('quay.io', { kind: 'password', username: 'me', password })).toEqual({
				ok: false,
			});
		},
	);
});

describe('a pull secret that somebody gives', () => {
	it('gives its logins, whatever way they are written', () => {
		expect(
			given({
				auths: {
					'quay.io': { auth: base64('me:pass:word'), email: 'me@example.test' },
					'quay.io/team': { username: 'robot', password: 'p' },
					'https://index.docker.io/v1/': { auth: base64('hub:p') },
					'ghcr.io': { identitytoken: 'refresh' },
					'r.example:5000': { registrytoken: 'bearer' },
				},
			}),
		).toEqual({
			ok: true,
			notes: [],
			logins: [
				{ entry: 'quay.io', login: { kind: 'password', username: 'me', password: 'pass:word' } },
				{ entry: 'quay.io/team', login: { kind: 'password', username: 'robot', password: 'p' } },
				{ entry: 'docker.io', login: { kind: 'password', username: 'hub', password: 'p' } },
				{ entry: 'ghcr.io', login: { kind: 'identity-token', token: 'refresh' } },
				{ entry: 'r.example:5000', login: { kind: 'registry-token', token: 'bearer' } },
			],
		});
	});

	it('may be an old .dockercfg, and may begin with a byte order mark', () => {
		const text = `\uFEFF${JSON.stringify({ 'quay.io': { auth: base64('me:p') } })}`;
		expect(readGivenLogins(text)).toMatchObject({ ok: true, logins: [{ entry: 'quay.io' }] });
	});

	it('names what helpers of another computer have', () => {
		expect(
			given({
				auths: { 'quay.io': {}, 'ghcr.io': null },
				credHelpers: { 'ghcr.io': 'gh', 'x.dkr.ecr.y.amazonaws.com': 'ecr-login' },
				credsStore: 'desktop',
			}),
		).toEqual({
			ok: true,
			logins: [],
			notes: [
				expect.stringMatching(/^“quay\.io”: .* helper “desktop”/),
				expect.stringMatching(/^“ghcr\.io”: .* helper “gh”/),
				expect.stringMatching(/^“x\.dkr\.ecr\.y\.amazonaws\.com”: .* helper “ecr-login”/),
			],
		});
		expect(given({ auths: {}, credsStore: 'desktop' })).toMatchObject({
			ok: false,
			reason: expect.stringContaining('“desktop”') as unknown,
		});
	});

	it('names damaged entries, quotes nothing of them, and gives the others', () => {
		const read = given({
			auths: {
				'a.example': { auth: `${marker}%%%` },
				'b.example': { auth: base64(marker) },
				'c.example': { auth: base64(`me:${marker}\n`) },
				[`${'d'.repeat(301)}.example`]: { auth: base64(`me:${marker}`) },
				'e.example': { auth: base64('me:p') },
				'f.example': {},
			},
		});
		expect(read).toMatchObject({ ok: true, logins: [{ entry: 'e.example' }] });
		expect(read.ok && read.notes).toEqual([
			'“a.example”: the entry is damaged and left out.',
			'“b.example”: the entry is damaged and left out.',
			'“c.example”: the entry is damaged and left out.',
			expect.stringMatching(/^“d{200}”: the entry is damaged/),
			'“f.example”: there is no login in this entry.',
		]);
		expect(JSON.stringify(read.ok && read.notes)).not.toContain(marker);
	});

	it.each([
		['', 'not JSON'],
		[marker, 'not JSON'],
		[`{"auths": "${marker}"}`, 'not laid out'],
		[`["${marker}"]`, 'not laid out'],
		[`{"quay.io": "${marker}"}`, 'not laid out'],
		['{"auths": {}}', 'no login in it'],
		['{}', 'no login in it'],
		[`"${'x'.repeat(mostAuthFileCharacters)}"`, 'too large'],
	])('is refused without being quoted', (text, reason) => {
		const read = readGivenLogins(text);
		expect(read).toMatchObject({ ok: false, reason: expect.stringContaining(reason) as unknown });
		expect(JSON.stringify(read)).not.toContain(marker);
	});

	it.each([
		['{"auths":{}}', true],
		['{"credHelpers":{}}', true],
		[' {"HttpHeaders":{},"credsStore":"x"}', true],
		['{"schema":"espalier/plan/1"}', false],
		['[{"auths":{}}]', false],
		['auths', false],
		['', false],
	])('is known by its keys: %s', (text, looks) => {
		expect(looksLikeAuthFile(text)).toBe(looks);
	});
});

describe('a Kubernetes Secret', () => {
	const config = JSON.stringify({ auths: { 'quay.io': { auth: base64(`me:${marker}`) } } });
	const data = { '.dockerconfigjson': base64(config) };

	it.each([
		['json', JSON.stringify({ kind: 'Secret', data }, undefined, 4)],
		['yaml', `apiVersion: v1\ndata:\n  .dockerconfigjson: ${base64(config)}\nkind: Secret\n`],
	])('is taken for the pull secret in it, as %s', (_, text) => {
		const read = readGivenLogins(text);
		expect(read.ok && read.logins.map(({ entry }) => entry)).toEqual(['quay.io']);
		expect(looksLikeAuthFile(text)).toBe(true);
	});

	it('is told what was expected where it holds none, and quotes nothing', () => {
		const read = readGivenLogins(`kind: Secret\ndata:\n  password: ${marker}\n`);
		expect(!read.ok && read.reason).toContain('oc extract secret/pull-secret');
		expect(JSON.stringify(read)).not.toContain(marker);
	});
});
