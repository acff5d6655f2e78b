import { generateKey, createMessage, sign } from 'openpgp';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { page } from 'vitest/browser';
import { expectAccessible, openRelease } from './app-page.ts';
import { ReleaseMaker } from '../support/release-maker.ts';

beforeEach(() => page.viewport(1280, 900));
// As other files find it.
afterAll(() => page.viewport(414, 896));
afterEach(() => {
	history.replaceState(null, '', '#/');
	vi.unstubAllGlobals();
});

const summary = () => page.getByText('Signature:');

async function signedRelease() {
	const { privateKey, publicKey } = await generateKey({
		type: 'ecc',
		userIDs: [{ name: 'Page Signer', email: 'page@example.com' }],
		format: 'object',
		date: new Date('2025-01-01T00:00:00Z'),
	});
	const maker = new ReleaseMaker();
	maker.addBuilt('pod');
	const text = JSON.stringify({
		kind: 'ConfigMap',
		metadata: { annotations: { 'release.openshift.io/verification-config-map': '' } },
		data: {
			'store-a': 'https://signatures.example/a',
			'store-b': 'https://mirror.example/b',
			'verifier-public-key-a': publicKey.armor(),
		},
	});
	await maker.finish({ files: [{ name: '0000_90_keys.json', text }] });
	const digest = (await maker.read()).root!.digest;
	const signFor = async (subject: string) => {
		const statement = JSON.stringify({
			critical: {
				type: 'atomic container signature',
				image: { 'docker-manifest-digest': subject },
				identity: { 'docker-reference': 'quay.io/acme/release:1' },
			},
		});
		const message = await createMessage({ binary: new TextEncoder().encode(statement) });
		const options = { message, signingKeys: privateKey, format: 'binary' } as const;
		return (await sign({
			...options,
			date: new Date('2025-02-01T00:00:00Z'),
		})) as Uint8Array<ArrayBuffer>;
	};
	return { maker, digest, publicKey: publicKey.armor(), signFor };
}

/** The proxy, as far as signatures go; everything else fails as it does without one. */
function answerWith(signature: Uint8Array | undefined): { bodies: string[] } {
	const bodies: string[] = [];
	vi.stubGlobal('fetch', (url: string, init?: RequestInit) => {
		if (!url.endsWith('/api/signatures')) return Promise.reject(new TypeError('no proxy'));
		const body = typeof init?.body === 'string' ? init.body : '';
		bodies.push(body);
		const { stores } = JSON.parse(body) as { stores: string[] };
		const signatures = signature ? [btoa(String.fromCharCode(...signature))] : [];
		return Promise.resolve(
			Response.json({ answers: stores.map((store) => ({ store, signatures })) }),
		);
	});
	return { bodies };
}

async function open(maker: ReleaseMaker) {
	await openRelease(maker);
	await expect.element(page.getByRole('grid')).toHaveAttribute('aria-busy', 'false');
	await summary().click();
}

function give(files: readonly File[]) {
	const transfer = new DataTransfer();
	for (const file of files) transfer.items.add(file);
	const input = document.querySelector<HTMLInputElement>('input[type=file][multiple]')!;
	input.files = transfer.files;
	input.dispatchEvent(new Event('change', { bubbles: true }));
}

describe('the signature of a release', () => {
	it('contacts nobody until it is asked to, and names whom it would contact', async () => {
		const { maker, digest, signFor } = await signedRelease();
		const { bodies } = answerWith(await signFor(digest));
		await open(maker);
		const look = page.getByRole('button', {
			name: 'Look for signatures at signatures.example, mirror.example',
		});
		await expect.element(look).toBeVisible();
		await expect.element(page.getByText('not looked at')).toBeVisible();
		expect(bodies).toEqual([]);
		await look.click();
		await expect
			.element(page.getByText('valid, but only the payload vouches for the key'))
			.toBeVisible();
		await expect.element(page.getByText(/This release is signed by Page Signer/)).toBeVisible();
		expect(bodies).toHaveLength(1);
		await expectAccessible();
	});

	it('says that there is none only where the stores say so', async () => {
		const { maker } = await signedRelease();
		answerWith(undefined);
		await open(maker);
		await page.getByRole('button', { name: /^Look for/ }).click();
		await expect.element(page.getByText('there is none', { exact: true })).toBeVisible();
	});

	it('says that it could not be checked where nobody answers', async () => {
		const { maker } = await signedRelease();
		vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no proxy')));
		await open(maker);
		await page.getByRole('button', { name: /^Look for/ }).click();
		await expect.element(page.getByText('could not be checked', { exact: true })).toBeVisible();
	});

	it('takes files, checks with them without a network, and forgets them', async () => {
		const { maker, digest, publicKey, signFor } = await signedRelease();
		const { bodies } = answerWith(undefined);
		await open(maker);
		await expect.element(page.getByRole('button', { name: /^Look for/ })).toBeVisible();
		give([new File([publicKey], 'key.asc'), new File([await signFor(digest)], 'signature-1')]);
		await expect.element(page.getByText('valid', { exact: true })).toBeVisible();
		await expect.element(page.getByText(/The key is the one that you gave/)).toBeVisible();
		expect(bodies).toEqual([]);
		await page.getByRole('button', { name: 'Forget all' }).click();
		await expect.element(page.getByText('not looked at')).toBeVisible();
		give([new File([await signFor(`sha256:${'b2'.repeat(32)}`)], 'other')]);
		await expect.element(page.getByText('bad', { exact: true })).toBeVisible();
	});
});
