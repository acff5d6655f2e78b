import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../web/cache/database.ts';
import type { CapabilityFact } from '../../../shared/registry/capabilities.ts';
import { Journal } from '../../../web/cache/journal.ts';
import { hashOf } from '../../support/fake-registries.ts';

const idOf = (number: number) => hashOf('sha256', new Uint8Array([number]));

let database: Database;
let keeps: boolean;
let now: number;
let journal: Journal;

beforeEach(() => {
	database = new Database();
	keeps = true;
	now = 1000;
	journal = new Journal({ database, keeps: () => keeps, now: () => (now += 1) });
});
afterEach(() => database.clear());

const run = (number: number) => ({ id: idOf(number), title: `run ${number}`, text: '{}' });
const receipt = (number: number) => ({ plan: idOf(number), title: `r ${number}`, text: '{}' });
const titles = async () => (await journal.unfinished()).map(({ title }) => title);

describe('the journal of runs', () => {
	it('has what was begun and not finished, the newest first', async () => {
		for (const number of [1, 2, 3]) await journal.begin(run(number));
		await journal.finish(receipt(2));
		expect(await titles()).toEqual(['run 3', 'run 1']);
		expect(await journal.receipts()).toEqual([{ ...receipt(2), finishedAt: 1004 }]);
	});

	it('has a run once, however often it was begun', async () => {
		await journal.begin(run(1));
		await journal.begin(run(1));
		expect(await titles()).toEqual(['run 1']);
	});

	it('forgets a run on request', async () => {
		await journal.begin(run(1));
		await journal.forget(idOf(1));
		expect(await titles()).toEqual([]);
	});

	it('keeps the newest twenty receipts', async () => {
		for (let number = 1; number <= 23; number += 1) await journal.finish(receipt(number));
		const kept = (await journal.receipts()).map(({ title }) => title);
		expect(kept).toHaveLength(20);
		expect([kept[0], kept[19]]).toEqual(['r 23', 'r 4']);
	});

	it('keeps nothing while nothing is to be kept, and still takes finished runs away', async () => {
		await journal.begin(run(1));
		keeps = false;
		await journal.begin(run(2));
		await journal.finish(receipt(1));
		expect(await titles()).toEqual([]);
		expect(await journal.receipts()).toEqual([]);
	});

	it('is forgotten with everything else', async () => {
		await journal.begin(run(1));
		await journal.finish(receipt(2));
		await database.clear();
		expect(await titles()).toEqual([]);
		expect(await journal.receipts()).toEqual([]);
	});
});

describe('what is known of registries', () => {
	const fact: CapabilityFact = {
		registry: 'registry.test',
		about: 'sparse',
		answer: 'no',
		basis: 'observed',
		evidence: 'registry.test refused one.',
		checkedAt: 5,
	};

	it('is kept, of each thing the newest', async () => {
		await journal.keepFacts([fact, { ...fact, about: 'mount' }]);
		const newer = { ...fact, answer: 'yes', checkedAt: 9 } as const;
		await journal.keepFacts([newer]);
		await journal.keepFacts([{ ...fact, checkedAt: 3 }]);
		expect(await journal.facts()).toEqual([{ ...fact, about: 'mount' }, newer]);
	});

	it('is not kept while nothing is to be', async () => {
		keeps = false;
		await journal.keepFacts([fact]);
		expect(await journal.facts()).toEqual([]);
	});

	it('is left out where this page does not understand it', async () => {
		await journal.keepFacts([fact]);
		await database.keepFacts([{ key: 'x', fact: { ...fact, about: 'wisdom' } as never }]);
		expect(await journal.facts()).toEqual([fact]);
	});
});

describe('the database of an older version', () => {
	function openOlder() {
		return openDB('espalier', 1, {
			upgrade(older) {
				older.createObjectStore('documents', { keyPath: 'digest' }).createIndex('usedAt', 'usedAt');
				older.createObjectStore('sightings', { keyPath: 'reference' });
			},
		});
	}

	it('keeps its documents and gets what it lacks', async () => {
		const older = await openOlder();
		await older.put('documents', { digest: idOf(1), mediaType: '', bytes: '', usedAt: 1 });
		older.close();
		await journal.begin(run(1));
		expect(await database.count()).toBe(1);
		expect(await titles()).toEqual(['run 1']);
	});

	it('that an older page holds open keeps nobody waiting, and is used once it is free', async () => {
		const older = await openOlder();
		await journal.begin(run(1));
		expect(await titles()).toEqual([]);
		older.close();
		await expect
			.poll(async () => {
				await journal.begin(run(2));
				return titles();
			})
			.toEqual(['run 2']);
	});

	it('makes way for a newer page, and works on afterwards', async () => {
		await journal.begin(run(1));
		const newer = await openDB('espalier', 99);
		newer.close();
		// The newer version cannot be opened by this one: nothing is kept, nothing breaks.
		await journal.begin(run(2));
		expect(await titles()).toEqual([]);
		const { deleteDB } = await import('idb');
		await deleteDB('espalier');
	});
});
