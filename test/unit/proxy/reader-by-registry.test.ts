import { describe, expect, it } from 'vitest';
import { readByRegistry } from '../../../proxy/server/reader-by-registry.ts';
import type { DocumentRequest, RegistryReader } from '../../../shared/registry/registries.ts';
import { fakeReader } from './fake-reader.ts';

function named(name: string): RegistryReader {
	return fakeReader({
		async *readManifests(requests) {
			for (const request of requests) {
				yield { ok: false, request, problem: { code: 'denied', origin: 'proxy', reason: name } };
			}
		},
		async *tags() {
			yield name;
		},
	});
}

const reader = readByRegistry(named('store'), named('network'));
const request = (registry: string): DocumentRequest => ({
	reference: { registry, repository: 'a', tag: '1' },
});

async function answers(registries: readonly string[]): Promise<string[]> {
	const lines: string[] = [];
	for await (const result of reader.readManifests(registries.map(request))) {
		const { registry } = result.request.reference;
		lines.push(`${registry} from ${result.ok ? '' : result.problem.reason}`);
	}
	return lines.sort();
}

describe('readByRegistry', () => {
	it('asks the embedded registry for its own name, and the network for all others', async () => {
		expect(await answers(['quay.io', 'store', 'ghcr.io', 'store'])).toEqual([
			'ghcr.io from network',
			'quay.io from network',
			'store from store',
			'store from store',
		]);
		expect(await answers(['quay.io'])).toEqual(['quay.io from network']);
		expect(await answers(['store'])).toEqual(['store from store']);
		expect(await answers([])).toEqual([]);
	});

	it('sends listings to the one that has them', async () => {
		for (const [registry, expected] of [
			['store', 'store'],
			['quay.io', 'network'],
		] as const) {
			for await (const tag of reader.tags({ registry, repository: 'a' })) {
				expect(tag).toBe(expected);
			}
		}
	});

	it('passes on what goes wrong in one of two', async () => {
		const broken = fakeReader({
			async *readManifests() {
				throw new Error('it broke');
			},
		});
		const results = readByRegistry(broken, named('network')).readManifests(
			['store', 'quay.io'].map(request),
		);
		await expect(async () => {
			for await (const result of results) expect(result.ok).toBe(false);
		}).rejects.toThrow('it broke');
	});
});
