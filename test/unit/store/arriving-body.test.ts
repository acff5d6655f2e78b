import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arrivingBody } from '../../../proxy/store/arriving-body.ts';
import { bytesOf } from './images.ts';

const stallMs = 60_000;

interface Sender {
	readonly chunks: AsyncIterator<Uint8Array>;
	readonly send: (text: string) => void;
	readonly end: () => void;
	readonly breakOff: () => void;
}

function sender(headers: Record<string, string> = {}): Sender {
	let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
	const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
	const init = { method: 'PUT', body, headers, duplex: 'half' };
	const request = new Request('http://127.0.0.1/', init);
	return {
		chunks: arrivingBody({ request, stallMs })[Symbol.asyncIterator](),
		send: (text) => controller?.enqueue(bytesOf(text)),
		end: () => controller?.close(),
		breakOff: () => controller?.error(new Error('the connection was reset')),
	};
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the body of a request', () => {
	it('may take as long as it likes while something of it arrives', async () => {
		const { chunks, send, end } = sender();
		for (const text of ['one', 'two', 'three']) {
			const next = chunks.next();
			await vi.advanceTimersByTimeAsync(stallMs - 1);
			send(text);
			expect(await next).toEqual({ done: false, value: bytesOf(text) });
		}
		end();
		expect(await chunks.next()).toMatchObject({ done: true });
	});

	it('is given up when nothing of it arrives', async () => {
		const { chunks, send } = sender();
		send('one');
		await chunks.next();
		const next = expect(chunks.next()).rejects.toMatchObject({
			kind: 'uploadStalled',
			status: 408,
		});
		await vi.advanceTimersByTimeAsync(stallMs);
		await next;
	});

	it('is not given up while nobody asks for more of it', async () => {
		const { chunks, send } = sender();
		send('one');
		await chunks.next();
		await vi.advanceTimersByTimeAsync(10 * stallMs);
		send('two');
		expect(await chunks.next()).toMatchObject({ done: false });
		expect(vi.getTimerCount()).toBe(0);
	});

	it('is cut short where the connection breaks, or where less comes than was announced', async () => {
		const broken = sender();
		broken.breakOff();
		await expect(broken.chunks.next()).rejects.toMatchObject({ kind: 'uploadCutShort' });
		const short = sender({ 'content-length': '10' });
		short.send('one');
		await short.chunks.next();
		short.end();
		await expect(short.chunks.next()).rejects.toMatchObject({ kind: 'uploadCutShort' });
	});

	it('is nothing where there is none', async () => {
		const request = new Request('http://127.0.0.1/', { method: 'PUT' });
		const chunks = arrivingBody({ request, stallMs })[Symbol.asyncIterator]();
		expect(await chunks.next()).toMatchObject({ done: true });
	});
});
