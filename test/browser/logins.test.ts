import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import type { Problem } from '../../shared/registry/problem.ts';
import type { Access } from '../../web/state/access.ts';
import { KnownRegistries } from '../../web/state/known-registries.svelte.ts';
import { Logins } from '../../web/state/logins.svelte.ts';
import AccessPage from './AccessPage.svelte';
import { expectAccessible, setTheme } from './app-page.ts';

const secret = 'hunter2-marker';
const unauthorized: Problem = {
	code: 'unauthorized',
	origin: 'registry',
	registry: 'quay.io',
	reason: 'quay.io wants a login for quay.io/team/image.',
	status: 401,
};

let kept: string[];
let access: Access;
let described: string[];

beforeEach(async () => {
	await page.viewport(1000, 900);
	kept = [];
	described = [];
	const database = {
		registries: () => Promise.resolve(kept),
		keepRegistries: (more: readonly string[]) => {
			kept.push(...more);
			return Promise.resolve();
		},
	};
	const logins = new Logins();
	access = {
		logins,
		known: new KnownRegistries({ database, keeps: () => true }),
		describe: ({ registry, repository }) => {
			described.push(`${registry}/${repository}`);
			const kind = logins.all.length > 0 ? 'password' : 'none';
			return Promise.resolve({ registry, transport: 'https', credential: { registry, kind } });
		},
	};
});
afterEach(async () => {
	delete document.documentElement.dataset['theme'];
	await page.viewport(414, 896);
});

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
const dialog = () => page.getByRole('dialog', { name: 'Logins of this tab' });
const field = (name: string) => page.getByLabelText(name, { exact: true });

describe('the panel of logins', () => {
	it('is worked by keyboard alone, from the card that asks for a login to the next try', async () => {
		const onretry = vi.fn();
		await render(AccessPage, { access, problem: unauthorized, onretry });
		(button('Log in to quay.io').element() as HTMLElement).focus();
		await userEvent.keyboard('{Enter}');
		await expect.element(field('Registry or namespace')).toHaveValue('quay.io');
		while (document.activeElement?.id !== 'login-username') await userEvent.tab();
		await userEvent.keyboard('me');
		await userEvent.tab();
		await userEvent.keyboard(`${secret}{Enter}`);
		await expect.element(dialog()).not.toBeInTheDocument();
		expect(onretry).toHaveBeenCalledTimes(1);
		expect(access.logins.shown).toEqual([{ entry: 'quay.io', kind: 'password', username: 'me' }]);
	});

	it('gives the keyboard back to where it was when it is closed with Escape', async () => {
		await render(AccessPage, { access });
		(button('Logins').element() as HTMLElement).focus();
		await userEvent.keyboard('{Enter}');
		await expect.element(dialog()).toBeVisible();
		await userEvent.keyboard('{Escape}');
		await expect.element(dialog()).not.toBeInTheDocument();
		await expect.element(button('Logins')).toHaveFocus();
	});

	it('lists who is used where, never a secret, and removes one or all', async () => {
		access.logins.add('quay.io/team', { kind: 'password', username: 'me', password: secret });
		access.logins.add('ghcr.io', { kind: 'identity-token', token: secret });
		access.logins.add('r.test', { kind: 'registry-token', token: secret });
		await render(AccessPage, { access });
		await button('Logins').click();
		const list = page.getByRole('list', { name: 'Logins' });
		await expect.element(list).toHaveTextContent(/quay\.io\/team me, password or token/);
		await expect.element(list).toHaveTextContent(/ghcr\.io identity token/);
		expect(document.body.innerHTML).not.toContain(secret);
		await button('Remove the login for ghcr.io').click();
		expect(access.logins.shown.map(({ entry }) => entry)).toEqual(['quay.io/team', 'r.test']);
		await button('Forget all').click();
		expect(access.logins.all).toEqual([]);
		await expect.element(list).not.toBeInTheDocument();
	});

	it('says at each field what is wrong with it, and keeps what was typed', async () => {
		await render(AccessPage, { access });
		await button('Logins').click();
		await button('Log in').click();
		await expect.element(field('Registry or namespace')).toHaveFocus();
		await expect.element(page.getByText('Say for which registry the login is.')).toBeVisible();
		await field('Registry or namespace').fill('quay.io/team:tag');
		await expect.element(page.getByText(/After the registry comes a namespace/)).toBeVisible();
		await field('Registry or namespace').fill('quay.io/team');
		await button('Log in').click();
		await expect.element(field('User name')).toHaveFocus();
		await field('User name').fill('me');
		await button('Log in').click();
		await expect.element(field('Password or token')).toHaveFocus();
		await expect
			.element(field('Password or token'))
			.toHaveAccessibleDescription('There is nothing to log in with.');
		await field('Password or token').fill('x'.repeat(9000));
		await button('Log in').click();
		await expect.element(page.getByText(/too long to be sent/)).toBeVisible();
		expect(access.logins.all).toEqual([]);
		await field('Password or token').fill(secret);
		await button('Log in').click();
		await expect.element(page.getByText('The login for quay.io/team was added.')).toBeVisible();
		await expect.element(field('Password or token')).toHaveValue('');
	});

	it('takes an identity token without a user name', async () => {
		await render(AccessPage, { access });
		await button('Logins').click();
		await field('Registry or namespace').fill('acme.azurecr.io');
		await page.getByRole('radio', { name: 'identity token' }).click();
		await expect.element(field('User name')).not.toBeInTheDocument();
		await field('Identity token').fill(secret);
		await button('Log in').click();
		expect(access.logins.all).toEqual([
			{ entry: 'acme.azurecr.io', login: { kind: 'identity-token', token: secret } },
		]);
	});

	it('asks browsers neither to fill in nor to keep what is typed', async () => {
		await render(AccessPage, { access });
		await button('Logins').click();
		const password = field('Password or token').element();
		expect(password.getAttribute('type')).toBe('password');
		expect(password.getAttribute('autocomplete')).toBe('new-password');
		for (const name of [
			'Registry or namespace',
			'User name',
			'Pull secret or Docker config, as JSON',
		]) {
			const input = field(name).element();
			expect(input.getAttribute('autocomplete')).toBe('off');
			expect(input.getAttribute('spellcheck')).toBe('false');
		}
	});

	it('reads a pasted pull secret, names what is of no use, and leaves nothing of it in view', async () => {
		await render(AccessPage, { access });
		await button('Logins').click();
		const auth = btoa(`me:${secret}`);
		const auths = { 'quay.io': { auth }, 'ghcr.io': { auth: `%${secret}` }, 'r.test': {} };
		const text = field('Pull secret or Docker config, as JSON');
		await text.fill(JSON.stringify({ auths, credHelpers: { 'r.test': 'pass' } }));
		await button('Read it').click();
		await expect.element(page.getByText('1 login was added.')).toBeVisible();
		await expect.element(page.getByText('“ghcr.io”: the entry is damaged')).toBeVisible();
		await expect.element(page.getByText(/“r\.test”: .* helper “pass”/)).toBeVisible();
		await expect.element(text).toHaveValue('');
		await text.fill(secret);
		await button('Read it').click();
		await expect.element(page.getByText(/it is not JSON/)).toBeVisible();
		expect(document.body.innerHTML).not.toContain(secret);
	});

	it.each(['light', 'dark'] as const)('is accessible in the %s theme', async (theme) => {
		setTheme(theme);
		access.logins.add('quay.io/team', { kind: 'password', username: 'me', password: secret });
		await render(AccessPage, { access, problem: unauthorized });
		await button('Log in to quay.io').click();
		await button('Log in').click();
		await field('Pull secret or Docker config, as JSON').fill('{"auths":{"r.test":{}}}');
		await button('Read it').click();
		await expectAccessible();
		await page.viewport(320, 800);
		await expect.element(button('Forget all')).toBeVisible();
		expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(320);
	});
});

describe('a card about a refusal', () => {
	it.each<[string, Problem]>([
		['where no registry is named', { ...unauthorized, registry: undefined }],
		['of the embedded registry', { ...unauthorized, registry: 'store' }],
		['that no login changes', { ...unauthorized, code: 'connection-lost' }],
	])('offers no login %s', async (_, problem) => {
		await render(AccessPage, { access, problem });
		await expect.element(page.getByText('What is read')).toBeVisible();
		expect(page.getByRole('button', { name: /^Log in/ }).elements()).toHaveLength(0);
	});
});

describe('a registry that a link names', () => {
	it('is asked about before anything is read, by its name', async () => {
		const onleave = vi.fn();
		await render(AccessPage, { access, registries: ['quay.io', 'r.stranger.test:5000'], onleave });
		const card = page.getByRole('alert');
		await expect.element(card).toHaveTextContent('This link names a registry');
		await expect.element(card).toHaveTextContent('r.stranger.test:5000');
		await expect.element(card).not.toHaveTextContent('quay.io');
		expect(page.getByText('What is read').elements()).toHaveLength(0);
		await button('Not now').click();
		expect(onleave).toHaveBeenCalledTimes(1);
		await button('Read from it').click();
		await expect.element(page.getByText('What is read')).toBeVisible();
		expect(kept).toEqual(['r.stranger.test:5000']);
	});

	it.each(['light', 'dark'] as const)(
		'is asked about accessibly in the %s theme',
		async (theme) => {
			setTheme(theme);
			await render(AccessPage, { access, registries: ['a.test', 'b.test'] });
			await expect.element(button('Read from them')).toBeVisible();
			await expectAccessible();
		},
	);
});

describe('the login for a target', () => {
	it('is not asked for where a link named the registry, until the user does', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		try {
			await render(AccessPage, { access, writesTo: 'r.test/acme/pruned' });
			await tick();
			vi.runAllTimers();
			expect(described).toEqual([]);
		} finally {
			vi.useRealTimers();
		}
		access.known.type('to', 'r.test/acme/pruned');
		await expect.element(page.getByText('as none')).toBeVisible();
	});

	it('is said once the typing pauses, and again when there is another one', async () => {
		access.known.approve(['quay.i', 'r.test']);
		const view = await render(AccessPage, { access, writesTo: 'quay.i/a' });
		await view.rerender({ writesTo: 'r.test/acme/pruned' });
		await expect.element(page.getByText('as none')).toBeVisible();
		expect(described).toEqual(['r.test/acme/pruned']);
		access.logins.add('r.test', { kind: 'password', username: 'me', password: secret });
		await expect.element(page.getByText('as password')).toBeVisible();
		await button('Another login').click();
		await expect.element(field('Registry or namespace')).toHaveValue('r.test');
	});
});
