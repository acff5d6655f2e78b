import { afterEach, describe, expect, it, vi } from 'vitest';
import { takeStreamSlot } from '../../../web/api/stream-slots.ts';

type Callback = (lock: object | null) => Promise<void> | undefined;

/** Web Locks as the browser has them, for one kind of lock. */
function fakeLocks() {
	const held = new Map<string, (() => void)[]>();
	return {
		held,
		async request(
			name: string,
			{ ifAvailable, signal }: { ifAvailable?: boolean; signal?: AbortSignal },
			callback: Callback,
		) {
			signal?.throwIfAborted();
			const waiting = held.get(name);
			if (waiting && ifAvailable) return callback(null);
			if (waiting) {
				await new Promise<void>((resolve, reject) => {
					waiting.push(resolve);
					signal?.addEventListener('abort', () => reject(signal.reason as Error));
				});
			} else held.set(name, []);
			await callback({});
			const next = held.get(name)?.shift();
			if (next) next();
			else held.delete(name);
		},
	};
}

afterEach(() => void vi.unstubAllGlobals());

describe('the slots for long answers', () => {
	it('are four; a fifth waits until one is free', async () => {
		const locks = fakeLocks();
		vi.stubGlobal('navigator', { locks });
		vi.spyOn(Math, 'random').mockReturnValue(0.3);
		const taken = [];
		for (let count = 0; count < 4; count += 1) taken.push(await takeStreamSlot(undefined));
		expect(locks.held.size).toBe(4);
		const order: string[] = [];
		const fifth = takeStreamSlot(undefined).then((release) => {
			order.push('fifth');
			return release;
		});
		await vi.waitFor(() => expect(locks.held.get('espalier-stream-1')).toHaveLength(1));
		order.push('freed');
		taken[1]?.();
		(await fifth)();
		expect(order).toEqual(['freed', 'fifth']);
		for (const release of taken) release();
		await vi.waitFor(() => expect(locks.held.size).toBe(0));
	});

	it('are not waited for by who has given up', async () => {
		vi.stubGlobal('navigator', { locks: fakeLocks() });
		for (let count = 0; count < 4; count += 1) await takeStreamSlot(undefined);
		const abort = new AbortController();
		const fifth = takeStreamSlot(abort.signal);
		const failure = expect(fifth).rejects.toThrow(/abort/i);
		abort.abort();
		await failure;
	});

	it('are without limit where the browser has no locks', async () => {
		vi.stubGlobal('navigator', {});
		for (let count = 0; count < 10; count += 1) (await takeStreamSlot(undefined))();
	});
});
