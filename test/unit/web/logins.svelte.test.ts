import { describe, expect, it, vi } from 'vitest';
import { isAuthFile, Logins } from '../../../web/state/logins.svelte.ts';

const password = 'hunter2-marker';
const mine = { kind: 'password', username: 'me', password } as const;

function pullSecret(...hosts: readonly string[]): string {
	const auth = Buffer.from(`me:${password}`).toString('base64');
	return JSON.stringify({ auths: Object.fromEntries(hosts.map((host) => [host, { auth }])) });
}

describe('the logins of a tab', () => {
	it('are shown without their secrets', () => {
		const logins = new Logins();
		expect(logins.add('quay.io', mine)).toBe(true);
		expect(logins.add('ghcr.io', { kind: 'identity-token', token: password })).toBe(true);
		expect(logins.shown).toEqual([
			{ entry: 'quay.io', kind: 'password', username: 'me' },
			{ entry: 'ghcr.io', kind: 'identity-token', username: undefined },
		]);
		expect(JSON.stringify(logins)).not.toContain(password);
	});

	it('take the place of an earlier one for the same entry', () => {
		const logins = new Logins();
		logins.add('quay.io', mine);
		logins.add('quay.io/team', mine);
		logins.add('quay.io', { ...mine, username: 'you' });
		expect(logins.shown.map(({ entry, username }) => [entry, username])).toEqual([
			['quay.io/team', 'me'],
			['quay.io', 'you'],
		]);
	});

	it('are refused where they could not be sent', () => {
		const logins = new Logins();
		expect(logins.add('quay.io', { ...mine, password: 'a\nb' })).toBe(false);
		expect(logins.all).toEqual([]);
	});

	it('are gone when they are removed or forgotten', async () => {
		const logins = new Logins();
		await logins.give(pullSecret('quay.io', 'ghcr.io', 'r.test'));
		logins.remove('ghcr.io');
		logins.remove('unknown');
		expect(logins.shown.map(({ entry }) => entry)).toEqual(['quay.io', 'r.test']);
		logins.forget();
		expect(logins.all).toEqual([]);
	});

	it('come out of a pull secret, of which everything useless is named', async () => {
		const logins = new Logins();
		await logins.give(pullSecret('quay.io'));
		expect(logins.said).toBe('1 login was added.');
		await logins.give(JSON.stringify({ auths: { 'ghcr.io': {} }, credsStore: 'desktop' }));
		expect(logins.said).toBe('No login of it can be used here.');
		expect(logins.notes).toHaveLength(1);
		await logins.give('{');
		expect(logins.said).toContain('not JSON');
		expect(logins.notes).toEqual([]);
		expect(logins.shown).toHaveLength(1);
	});

	it('let what waited for one go on, once', async () => {
		const logins = new Logins();
		const onadded = vi.fn();
		logins.ask({ entry: 'quay.io', onadded });
		await logins.give('{}');
		expect(onadded).not.toHaveBeenCalled();
		logins.add('quay.io', mine);
		expect(onadded).toHaveBeenCalledTimes(1);
		expect(logins.wish).toBeUndefined();
		logins.add('ghcr.io', mine);
		expect(onadded).toHaveBeenCalledTimes(1);
	});

	it('are asked for no longer when the question is closed', () => {
		const logins = new Logins();
		const onadded = vi.fn();
		logins.ask({ entry: 'quay.io', onadded });
		logins.close();
		logins.add('quay.io', mine);
		expect(onadded).not.toHaveBeenCalled();
	});

	it('come out of a dropped file, which shows what became of it', async () => {
		const logins = new Logins();
		await logins.giveFile(new File([pullSecret('quay.io', 'ghcr.io')], 'pull-secret.txt'));
		expect(logins.wish).toEqual({ entry: '' });
		expect(logins.said).toBe('2 logins were added.');
		await logins.giveFile(new File(['x'.repeat(1024 * 1024 + 1)], 'pull-secret.txt'));
		expect(logins.said).toContain('too large');
	});
});

describe('a file of logins', () => {
	it.each([
		['pull-secret.txt', 'anything', true],
		['.dockercfg', '{}', true],
		['config.json', '{"auths":{}}', true],
		['config.json', '{"schema":"espalier/plan/1"}', false],
		['plan.json', '{', false],
		['large.json', `{"auths":{},"x":"${'x'.repeat(1024 * 1024)}"}`, false],
	])('is known by name or content: %s', async (name, content, isOne) => {
		expect(await isAuthFile(new File([content], name))).toBe(isOne);
	});
});
