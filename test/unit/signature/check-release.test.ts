import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOf, type Digest } from '../../../shared/oci/digest.ts';
import type { PlatformKey } from '../../../shared/oci/platform.ts';
import {
	checkReleaseSignatures,
	type ReleaseToCheck,
} from '../../../shared/signature/check-release.ts';
import { isPublicKeyFile } from '../../../shared/signature/given-file.ts';
import { verifySigned } from '../../../shared/signature/openpgp.ts';
import {
	readStore,
	signatureUrl,
	storeHosts,
	type FindSignatures,
	type StoreAnswer,
} from '../../../shared/signature/stores.ts';
import { releaseVerdict, type SubjectVerdicts } from '../../../shared/signature/verdict.ts';
import { findVerificationConfigMap } from '../../../shared/signature/verification-config-map.ts';
import { signatureGate, signatureReport } from '../../../shared/report/signature-report.ts';
import { fixturesMissing } from '../../support/fixtures.ts';
import {
	genuineConfigMap,
	genuineSignature,
	makeSigner,
	redHatKeys,
	signText,
	statement,
	type OwnSigner,
} from './genuine.ts';

const now = Date.parse('2027-01-01T00:00:00Z');
const digestNumber = (number: number): Digest =>
	digestOf('sha256', new Uint8Array(32).fill(number));
const root = digestNumber(1);
const images = (['linux/amd64', 'linux/arm64'] as PlatformKey[]).map((platform, index) => ({
	digest: digestNumber(index + 2),
	platform,
}));
const store = 'https://store.example.com/signatures';

/** A store that has these signatures, by digest. */
function storeWith(
	signatures: ReadonlyMap<string, readonly Uint8Array[]>,
	problem?: StoreAnswer['problem'],
): FindSignatures & { asked: string[] } {
	const asked: string[] = [];
	const find: FindSignatures = ({ digest, stores }) => {
		asked.push(digest);
		return Promise.resolve(
			stores.map(({ url }) => ({ store: url, signatures: signatures.get(digest) ?? [], problem })),
		);
	};
	return Object.assign(find, { asked });
}

describe('the signatures of a release', () => {
	let signer: OwnSigner;
	const sign = (digest: Digest) => signText(statement(digest), signer);

	beforeAll(async () => {
		signer = await makeSigner();
	});

	async function check(
		find: FindSignatures,
		change: Partial<ReleaseToCheck> = {},
	): Promise<SubjectVerdicts> {
		const keyrings = [{ name: 'key.asc', bytes: signer.keyring, from: 'user' as const }];
		const stores = [{ url: store, namedBy: 'payload' as const }];
		return checkReleaseSignatures(
			{ root, images, keyrings, stores, files: [], ...change },
			{ verify: verifySigned, now, find },
		);
	}

	it('ask for nothing more where the release itself is signed', async () => {
		const find = storeWith(new Map([[root, [await sign(root)]]]));
		const subjects = await check(find);
		expect(find.asked).toEqual([root]);
		expect(releaseVerdict(subjects)).toMatchObject({
			covers: 'release',
			verdict: { kind: 'valid', trust: 'given' },
		});
	});

	it('may be those of each image, and then say so', async () => {
		const signed = await Promise.all(
			images.map(async ({ digest }) => [digest, [await sign(digest)]] as const),
		);
		const subjects = await check(storeWith(new Map(signed)));
		expect(subjects.map(({ verdict }) => verdict.kind)).toEqual(['none', 'valid', 'valid']);
		expect(releaseVerdict(subjects)).toMatchObject({
			covers: 'images',
			verdict: { kind: 'valid' },
		});
		expect(signatureReport(subjects).sentence).toContain('Each image of this release is signed by');
	});

	it('are none where only some images are signed', async () => {
		const [first] = images;
		const find = storeWith(new Map([[first!.digest, [await sign(first!.digest)]]]));
		expect(releaseVerdict(await check(find)).verdict).toEqual({ kind: 'none', asked: [store] });
	});

	it('are bad where one of an image is bad', async () => {
		const [first, second] = images;
		const signature = await sign(first!.digest);
		const find = storeWith(
			new Map([
				[first!.digest, [signature]],
				[second!.digest, [signature]],
			]),
		);
		expect(releaseVerdict(await check(find)).verdict.kind).toBe('bad');
	});

	it('are not called absent where a store could not be asked', async () => {
		const find = storeWith(new Map(), { code: 'timeout', origin: 'registry', reason: 'Too slow.' });
		expect(releaseVerdict(await check(find)).verdict).toEqual({
			kind: 'unchecked',
			reasons: ['Too slow.'],
		});
	});

	it('are taken from files too, each for the digest that it states', async () => {
		const files = await Promise.all(
			images.map(async ({ digest }, at) => ({ from: `file-${at}`, bytes: await sign(digest) })),
		);
		const subjects = await check(storeWith(new Map()), { stores: [], files });
		expect(releaseVerdict(subjects)).toMatchObject({
			covers: 'images',
			verdict: { kind: 'valid' },
		});
		const fewer = await check(storeWith(new Map()), { stores: [], files: files.slice(1) });
		expect(releaseVerdict(fewer).verdict.kind).toBe('unchecked');
	});

	it('are bad where a file is for no digest of the release', async () => {
		const files = [{ from: 'other', bytes: await sign(digestNumber(9)) }];
		const { verdict } = releaseVerdict(await check(storeWith(new Map()), { stores: [], files }));
		expect(verdict.kind).toBe('bad');
	});

	it('let a release pass or not, by how much is known of the key', async () => {
		const find = storeWith(new Map([[root, [await sign(root)]]]));
		const keyrings = [{ name: 'own', bytes: signer.keyring, from: 'payload' as const }];
		const codes = async (subjects: Promise<SubjectVerdicts>) => {
			const report = signatureReport(await subjects);
			return [signatureGate(report, false).exitCode, signatureGate(report, true).exitCode];
		};
		expect(await codes(check(find))).toEqual([0, 0]);
		expect(await codes(check(find, { keyrings }))).toEqual([0, 3]);
		expect(await codes(check(storeWith(new Map())))).toEqual([0, 3]);
		expect(await codes(check(find, { stores: [] }))).toEqual([0, 4]);
		const wrong = storeWith(new Map([[root, [await sign(digestNumber(9))]]]));
		expect(await codes(check(wrong))).toEqual([3, 3]);
	});
});

describe('signature stores', () => {
	it('have a folder for each digest', () => {
		for (const base of ['https://h.example/a/b', 'https://h.example/a/b//#x']) {
			expect(signatureUrl(new URL(base), root, 2).href).toBe(
				`https://h.example/a/b/sha256=${'01'.repeat(32)}/signature-2`,
			);
		}
	});

	it.each([
		['http://h.example/a', 'payload'],
		['file:///etc/passwd', 'payload'],
		['file:///etc/passwd', 'user'],
		['https://user:secret@h.example/', 'user'],
		['javascript:alert(1)', 'payload'],
		['nonsense', 'payload'],
	] as const)('are not asked at %s where the %s names it', (url, namedBy) => {
		const read = readStore({ url, namedBy });
		expect(read.ok).toBe(false);
		expect(JSON.stringify(read)).not.toContain('secret');
	});

	it('may be reached without TLS where the user says so', () => {
		expect(readStore({ url: 'http://localhost:1/a', namedBy: 'user' }).ok).toBe(true);
	});

	it('are named by host before they are asked, each once', () => {
		const urls = ['https://a.example/x', 'https://a.example/y', 'http://b.example/', 'https://c/'];
		expect(storeHosts(urls.map((url) => ({ url, namedBy: 'payload' })))).toEqual([
			'a.example',
			'c',
		]);
	});
});

describe('the verification ConfigMap of a payload', () => {
	const bytes = (text: string) => new TextEncoder().encode(text);
	const configMap = (data: string) =>
		bytes(`apiVersion: v1
kind: ConfigMap
metadata:
  name: keys
  annotations:
    release.openshift.io/verification-config-map: ""
data: ${data}
`);

	it.skipIf(fixturesMissing)('gives the keys and stores of a genuine release', () => {
		const found = findVerificationConfigMap([
			{ name: '0000_90_cluster-update-keys_configmap.yaml', bytes: readFileSync(genuineConfigMap) },
		]);
		expect(found?.stores).toEqual([
			'https://storage.googleapis.com/openshift-release/official/signatures/openshift/release',
			'https://mirror.openshift.com/pub/openshift-v4/signatures/openshift/release',
		]);
		expect(found?.keyrings.map(({ name }) => name)).toEqual(['verifier-public-key-redhat']);
		expect(isPublicKeyFile(found!.keyrings[0]!.bytes)).toBe(true);
	});

	it('is the first by file name, whatever its place in the archive', () => {
		const found = findVerificationConfigMap([
			{ name: 'b.yaml', bytes: configMap('{"store-b": "https://b"}') },
			{ name: 'a.json', bytes: bytes('release.openshift.io/verification-config-map {{') },
			{
				name: 'a.yaml',
				bytes: configMap('{"store-a": " https://a ", "verifier-public-key-x": k}'),
			},
			{ name: '0.txt', bytes: configMap('{"store-0": "https://0"}') },
		]);
		expect(found).toEqual({
			file: 'a.yaml',
			keyrings: [{ name: 'verifier-public-key-x', bytes: bytes('k') }],
			stores: ['https://a'],
		});
	});

	it.each([
		[
			'another kind',
			bytes(
				'kind: Secret\nmetadata: {annotations: {release.openshift.io/verification-config-map: ""}}',
			),
		],
		[
			'no annotation',
			bytes('kind: ConfigMap\nmetadata: {name: release.openshift.io/verification-config-map}'),
		],
		['data that is no text', configMap('{"store-a": {"x": 1}}')],
		[
			'a bomb of aliases',
			bytes(`a: &a [x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b]
d: [*c,*c,*c,*c,*c,*c,*c,*c]
kind: ConfigMap
metadata: {annotations: {release.openshift.io/verification-config-map: ""}}`),
		],
	])('is not taken from %s', (_, content) => {
		expect(findVerificationConfigMap([{ name: 'a.yaml', bytes: content }])).toBeUndefined();
	});
});

describe('a file that somebody gives', () => {
	it.skipIf(fixturesMissing)('is a key or a signature by what it holds', async () => {
		const signer = await makeSigner();
		expect(isPublicKeyFile(redHatKeys())).toBe(true);
		expect(isPublicKeyFile(new Uint8Array(signer.publicKey.write()))).toBe(true);
		expect(isPublicKeyFile(genuineSignature())).toBe(false);
		expect(isPublicKeyFile(new Uint8Array())).toBe(false);
	});
});
