import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BodyPlaces, type BodyPlace } from '../../../proxy/transfer/body-places.ts';
import { BodyWidth } from '../../../proxy/transfer/body-width.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();
setMaxListeners(0, signal);

describe('bodies of several runs to one registry', () => {
	it('each come to their turn, however many larger and smaller ones are brought meanwhile', async () => {
		const places = new BodyPlaces(() => 0, new BodyWidth({ start: 2, cap: 2 }));
		const open: BodyPlace[] = [];
		const bring = (sizeBytes: number): Promise<void> =>
			places.enter(sizeBytes, signal).then((place) => void open.push(place));
		for (const sizeBytes of [9, 1, 9, 1]) void bring(sizeBytes * MiB);
		const admitted = new AbortController();
		const waiting = bring(4 * MiB).then(() => admitted.abort());
		let turns = 0;
		for (; !admitted.signal.aborted && turns < 100; turns += 1) {
			void bring(9 * MiB);
			void bring(1 * MiB);
			await new Promise(setImmediate);
			open.shift()?.leave('done');
			await new Promise(setImmediate);
		}
		await waiting;
		expect(turns).toBeLessThan(40);
	});
});
