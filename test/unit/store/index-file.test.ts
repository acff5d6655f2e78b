import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Store } from '../../../proxy/store/store.ts';
import { temporaryFolder } from './fixture.ts';
import { indexOf } from './images.ts';

const { bytes } = indexOf([]);

interface Shared {
	readonly path: string;
	readonly one: Store;
	readonly other: Store;
}

/** As read when the file's own times tell whether it was changed: right after a change they are not trusted. */
async function tagsLongAfter(store: Store): Promise<readonly string[]> {
	const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
	try {
		return await store.repository('demo').tags();
	} finally {
		clock.mockRestore();
	}
}

/** Two processes' views of one store, with an index that both have read long after it was written. */
async function sharedStore(): Promise<Shared> {
	const root = await temporaryFolder();
	const [one, other] = [await Store.open(root), await Store.open(root)];
	await one.repository('demo').putManifest(bytes, { tag: 'v1' });
	const path = join(root, 'demo', 'index.json');
	await utimes(path, new Date(0), new Date(0));
	for (const store of [one, other]) expect(await tagsLongAfter(store)).toEqual(['v1']);
	return { path, one, other };
}

describe('an index that was read before', () => {
	it('is read again when another process has written it', async () => {
		const { one, other } = await sharedStore();
		for (let number = 2; number < 12; number += 1) {
			await one.repository('demo').putManifest(bytes, { tag: `v${number}` });
			expect(await tagsLongAfter(other)).toHaveLength(number);
		}
	});

	it('is read again when another tool has written into it, also the same number of bytes', async () => {
		const { path, one } = await sharedStore();
		const rename = async (tag: string): Promise<void> => {
			const text = await readFile(path, 'utf8');
			await writeFile(path, text.replace(/"v\d"/, `"${tag}"`));
		};
		await rename('v2');
		expect(await tagsLongAfter(one)).toEqual(['v2']);
		for (const tag of ['v3', 'v4']) {
			await rename(tag);
			expect(await one.repository('demo').tags()).toEqual([tag]);
		}
	});

	it('is refused when it was damaged since, and read again when it was mended', async () => {
		const { path, one } = await sharedStore();
		const sound = await readFile(path, 'utf8');
		for (const damaged of ['{', '{"schemaVersion":2,"manifests":[{}]}', '[]', '']) {
			await writeFile(path, damaged);
			await expect(one.repository('demo').tags()).rejects.toMatchObject({ kind: 'layoutDamaged' });
		}
		await writeFile(path, sound);
		expect(await one.repository('demo').tags()).toEqual(['v1']);
	});

	it('keeps fields that are not known, wherever they stand', async () => {
		const { path, one } = await sharedStore();
		const index = JSON.parse(await readFile(path, 'utf8')) as { manifests: object[] };
		const manifests = index.manifests.map((entry) => ({ ...entry, 'x-entry': 1 }));
		await writeFile(path, JSON.stringify({ ...index, manifests, 'x-index': { kept: true } }));
		await one.repository('demo').putManifest(bytes, { tag: 'v2' });
		const written = JSON.parse(await readFile(path, 'utf8')) as unknown;
		expect(written).toMatchObject({ 'x-index': { kept: true } });
		expect(JSON.stringify(written)).toContain('"x-entry":1');
	});
});
