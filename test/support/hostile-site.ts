/** A site that means no good, under several names of this computer, and what its pages try. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HostileSite {
	readonly port: number;
	stop(): Promise<void>;
}

/** With `?go=URL` it goes there by itself, as soon as it is there. */
const script = `const to = new URLSearchParams(location.search).get('go'); if (to) location.assign(to);`;
const page = `<!doctype html><title>hostile</title><body><button>Go</button><script>${script}</script>`;

async function listen(host: string, port: number): Promise<Server | undefined> {
	const server = createServer((_, response) => {
		response.setHeader('content-type', 'text/html');
		response.end(page);
	});
	try {
		server.listen(port, host);
		await once(server, 'listening');
		return server;
	} catch {
		// This address may not be there.
		return undefined;
	}
}

/** The same page on every path of 127.0.0.1, 127.0.0.2 and ::1. */
export async function startHostileSite(): Promise<HostileSite> {
	const first = await listen('127.0.0.1', 0);
	if (!first) throw new Error('no loopback');
	const { port } = first.address() as AddressInfo;
	const others = await Promise.all(['127.0.0.2', '::1'].map((host) => listen(host, port)));
	return {
		port,
		stop: async () => {
			for (const server of [first, ...others]) {
				server?.closeAllConnections();
				server?.close();
			}
			await once(first, 'close').catch(() => undefined);
		},
	};
}

/** What a page found out or brought about that it should not have; empty where all went well. */
export type Spoils = readonly string[];

/**
 * Runs in a page of the hostile site, without anybody's hand.
 * @param victims the origins of the server that is attacked
 */
export async function attackFromPage(victims: readonly string[]): Promise<Spoils> {
	const spoils: string[] = [];
	const patience = 3_000;
	const settled = (work: (done: (what?: string) => void) => void, name: string): Promise<void> =>
		new Promise((resolve) => {
			const timer = setTimeout(resolve, patience);
			work((what) => {
				clearTimeout(timer);
				if (what !== undefined) spoils.push(`${name}: ${what}`);
				resolve();
			});
		});
	const reference = { registry: 'store', repository: 'demo/release', tag: '4.20.0-demo' };
	const json = JSON.stringify({ requests: [{ reference }], moves: [], copies: [] });
	const reads = [
		'/',
		'/index.html',
		'/theme-boot.js',
		'/favicon.svg',
		'/api/session',
		'/api/session/mode',
		`/api/session/proof?nonce=${'n'.repeat(43)}`,
		'/api/tags?repository=store/demo/release',
		'/api/registries?repository=quay.io/a/b',
		'/v2/',
		'/v2/_catalog',
		'/v2/demo/release/tags/list',
		'/v2/demo/release/manifests/4.20.0-demo',
	];
	const writes = [
		'/api/session/exchange',
		'/api/session/code',
		'/api/manifests',
		'/api/copies',
		'/api/manifests/push',
		'/api/tags/move',
		'/v2/demo/release/blobs/uploads/',
		'/',
	];
	const embedded = ['/', '/theme-boot.js', '/favicon.svg', '/api/session/mode', '/v2/_catalog'];
	const simple = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'];
	const custom = [
		{ 'content-type': 'application/json' },
		{ 'x-espalier-token': 'T'.repeat(43) },
		{ 'x-espalier-logins': 'W10' },
		{ authorization: 'Basic YW55OmFueQ==' },
	];

	async function tryFetch(url: string, init: RequestInit): Promise<void> {
		try {
			const answer = await fetch(url, { credentials: 'include', ...init });
			const text = await answer.text();
			if (answer.type !== 'opaque' || answer.status !== 0 || text !== '') {
				spoils.push(`fetch ${init.method ?? 'GET'} ${url}: ${answer.status} ${text.slice(0, 80)}`);
			}
		} catch {
			// A network error, which says nothing: that is how it should be.
		}
	}

	function element<K extends keyof HTMLElementTagNameMap>(
		name: K,
		prepare: (element: HTMLElementTagNameMap[K]) => void,
		loaded: (element: HTMLElementTagNameMap[K]) => string | undefined,
	): Promise<void> {
		return settled((done) => {
			const made = document.createElement(name);
			made.addEventListener('load', () => done(loaded(made)));
			made.addEventListener('error', () => done());
			prepare(made);
			document.body.append(made);
		}, name);
	}

	function frameSpoils(frame: HTMLIFrameElement | HTMLObjectElement): string | undefined {
		try {
			const text = frame.contentDocument?.body.textContent ?? '';
			return text === '' ? undefined : `reads ${text.slice(0, 80)}`;
		} catch {
			return undefined;
		}
	}

	function form(url: string, enctype: string, method: string): Promise<void> {
		return settled((done) => {
			const frame = document.createElement('iframe');
			frame.name = `f${Math.random()}`;
			const made = document.createElement('form');
			Object.assign(made, { action: url, method, enctype, target: frame.name });
			const field = document.createElement('input');
			// As text/plain this is a JSON document, but for the end of the line.
			field.name = `${json.slice(0, -1)},"x":"`;
			field.value = '"}';
			made.append(field);
			document.body.append(frame, made);
			frame.addEventListener('load', () => done(frameSpoils(frame)));
			made.submit();
		}, `form ${url}`);
	}

	const everything: Promise<void>[] = [];
	for (const victim of victims) {
		for (const path of reads) {
			const url = victim + path;
			everything.push(tryFetch(url, { mode: 'cors' }), tryFetch(url, { mode: 'no-cors' }));
			for (const headers of custom) everything.push(tryFetch(url, { headers }));
		}
		for (const path of embedded) {
			const url = victim + path;
			for (const tag of ['img', 'script', 'embed', 'video'] as const) {
				const take = (made: HTMLElement) => made.setAttribute('src', url);
				everything.push(element(tag, take, () => (tag === 'embed' ? undefined : `loads ${url}`)));
			}
			everything.push(
				element('iframe', (frame) => (frame.src = url), frameSpoils),
				element('object', (made) => (made.data = url), frameSpoils),
				element(
					'link',
					(link) => Object.assign(link, { rel: 'stylesheet', href: url }),
					() => `loads ${url}`,
				),
				element(
					'link',
					(link) => Object.assign(link, { rel: 'prefetch', href: url }),
					() => undefined,
				),
				settled((done) => {
					const source = new EventSource(url, { withCredentials: true });
					source.onopen = () => done('opens');
					source.onmessage = () => done('hears');
					source.onerror = () => {
						source.close();
						done();
					};
				}, `EventSource ${url}`),
				element(
					'script',
					(script) => Object.assign(script, { type: 'module', src: url }),
					() => `loads ${url}`,
				),
			);
			try {
				new Worker(url);
				spoils.push(`Worker ${url}`);
			} catch {
				// Not of this origin.
			}
		}
		// Browsers make connections wait longer after each one that failed.
		for (const path of ['/', '/api/session', '/v2/']) {
			everything.push(
				settled((done) => {
					const socket = new WebSocket(`${victim}${path}`.replace('http', 'ws'));
					socket.onopen = () => done('opens');
					socket.onerror = () => done();
				}, `WebSocket ${path}`),
			);
		}
		for (const path of writes) {
			const url = victim + path;
			for (const type of simple) {
				const headers = { 'content-type': type };
				everything.push(
					tryFetch(url, { method: 'POST', mode: 'no-cors', headers, body: json }),
					tryFetch(url, { method: 'POST', mode: 'cors', headers, body: json }),
					form(url, type, 'post'),
				);
				navigator.sendBeacon(url, new Blob([json], { type }));
			}
			for (const headers of custom) {
				for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
					everything.push(tryFetch(url, { method, headers, body: json }));
				}
			}
			const pinging = document.createElement('a');
			Object.assign(pinging, { href: '#', ping: url });
			pinging.click();
		}
	}
	await Promise.all(everything);
	for (const entry of performance.getEntriesByType('resource')) {
		const { name, responseStatus, transferSize, encodedBodySize } =
			entry as PerformanceResourceTiming;
		if (!victims.some((victim) => name.startsWith(victim))) continue;
		if (responseStatus || transferSize || encodedBodySize) {
			spoils.push(`timing of ${name}: ${responseStatus} ${transferSize} ${encodedBodySize}`);
		}
	}
	return spoils;
}
