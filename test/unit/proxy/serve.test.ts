import { once } from 'node:events';
import {
	chmodSync,
	mkdirSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServeArguments } from '../../../proxy/cli/arguments.ts';
import { open } from '../../../proxy/cli/open.ts';
import { serve } from '../../../proxy/cli/serve.ts';
import { createToken } from '../../../proxy/guard/token.ts';
import { parseEntry } from '../../../shared/link/entry.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { dataDirectory } from '../../../proxy/server/data-directory.ts';
import { findServer, findServerOn } from '../../../proxy/server/running-server.ts';
import {
	listRuntimeFiles,
	readRuntimeFile,
	removeRuntimeFile,
	writeRuntimeFile,
} from '../../../proxy/server/runtime-file.ts';

let folder: string;
let data: string;
const stops: (() => Promise<unknown>)[] = [];

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-serve-'));
	vi.stubEnv('XDG_DATA_HOME', folder);
	data = dataDirectory({ env: process.env, platform: process.platform, home: folder });
});
afterEach(async () => {
	for (const stop of stops.splice(0)) await stop();
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true });
});

const args = (port?: number): ServeArguments => ({
	...(port !== undefined && { port }),
	store: join(folder, 'store'),
	registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] },
	openBrowser: false,
	commandFlags: '',
});

/** A context whose output can be waited for, and that can be told to stop. */
function context() {
	const stop = new AbortController();
	let text = '';
	let found: (url: URL) => void = () => undefined;
	const url = new Promise<URL>((resolve) => (found = resolve));
	const write = (more: string) => {
		text += more;
		const match = /http:\S+/.exec(text);
		if (match) found(new URL(match[0]));
	};
	const stdout = { write };
	return {
		given: { stdout, stderr: stdout, pagesFolder: folder, until: stop.signal },
		url,
		stop: () => {
			stop.abort();
		},
		printed: () => text,
	};
}

/** A server in this process; its address once it is there. */
async function started(): Promise<URL> {
	const { given, url, stop } = context();
	const ended = serve(args(0), given);
	stops.push(() => {
		stop();
		return ended;
	});
	return url;
}

describe.skipIf(process.platform !== 'linux')('the runtime file', () => {
	const runtime = () => ({ port: 4763, token: createToken(), pid: process.pid, startedAt: 1 });

	it('is for its owner only, also where the folder was open', () => {
		mkdirSync(join(data, 'run'), { recursive: true });
		chmodSync(join(data, 'run'), 0o755);
		const written = runtime();
		writeRuntimeFile(data, written);
		expect(statSync(join(data, 'run')).mode & 0o777).toBe(0o700);
		expect(statSync(join(data, 'run/4763.json')).mode & 0o777).toBe(0o600);
		expect(readRuntimeFile(data, 4763)).toEqual(written);
		expect(readdirSync(join(data, 'run'))).toEqual(['4763.json']);
	});

	it('is replaced by a later one, which an earlier server does not remove', () => {
		const [first, second] = [runtime(), runtime()];
		writeRuntimeFile(data, first);
		writeRuntimeFile(data, second);
		removeRuntimeFile(data, first);
		expect(readRuntimeFile(data, 4763)).toEqual(second);
		removeRuntimeFile(data, second);
		expect(listRuntimeFiles(data)).toEqual([]);
	});

	it.each(['', '{', '[]', '{"port":4763}', '{"port":1,"token":"a","pid":1,"startedAt":1}'])(
		'counts for nothing where it says %j',
		(text) => {
			mkdirSync(join(data, 'run'), { recursive: true });
			writeFileSync(join(data, 'run/4763.json'), text);
			expect(readRuntimeFile(data, 4763)).toBeUndefined();
			expect(listRuntimeFiles(data)).toEqual([]);
		},
	);

	it('of a process that is gone leads nowhere', async () => {
		const url = await started();
		const live = readRuntimeFile(data, Number(url.port))!;
		expect(await findServerOn(data, live.port)).toEqual(live);
		// The largest process number that Linux can have is 2^22.
		writeRuntimeFile(data, { ...live, pid: 2 ** 22 + 1 });
		expect(await findServerOn(data, live.port)).toBeUndefined();
	});

	it.each(['{"version":"1"}', `{"proof":"${createToken()}"}`, '{"proof":""}', 'x'])(
		'leads nowhere where something else listens now, which never gets the token: %s',
		async (answer) => {
			const seen: IncomingHttpHeaders[] = [];
			const other = createServer((incoming, outgoing) => {
				seen.push(incoming.headers);
				outgoing.end(answer);
			}).listen(0, '127.0.0.1');
			await once(other, 'listening');
			stops.push(async () => other.close());
			const { port } = other.address() as AddressInfo;
			writeRuntimeFile(data, { ...runtime(), port });
			expect(await findServerOn(data, port)).toBeUndefined();
			expect(seen).toHaveLength(1);
			expect(seen[0]).not.toHaveProperty(tokenHeader);
		},
	);

	it('leads nowhere where something else passes the question on to the server', async () => {
		const url = await started();
		const live = readRuntimeFile(data, Number(url.port))!;
		const other = createServer((incoming, outgoing) => {
			void fetch(`http://127.0.0.1:${live.port}${incoming.url}`)
				.then((response) => response.text())
				.then((text) => outgoing.end(text));
		}).listen(0, '127.0.0.1');
		await once(other, 'listening');
		stops.push(async () => other.close());
		const { port } = other.address() as AddressInfo;
		writeRuntimeFile(data, { ...live, port });
		expect(await findServerOn(data, port)).toBeUndefined();
	});
});

describe.skipIf(process.platform !== 'linux')('espalier serve', () => {
	it('prints one address and how to stop, and cleans up when it is told to', async () => {
		const { given, url, stop, printed } = context();
		const ended = serve(args(0), given);
		const { port, hash } = await url;
		expect(hash).toMatch(/^#t=[A-Za-z0-9_-]{43}$/);
		expect(readRuntimeFile(data, Number(port))?.token).toBe(hash.slice(3));
		stop();
		expect(await ended).toBe(0);
		expect(printed().match(/http:/g)).toHaveLength(1);
		expect(printed()).toContain('Ctrl+C');
		expect(listRuntimeFiles(data)).toEqual([]);
	});

	it('started a second time points to the first', async () => {
		const first = await started();
		const second = context();
		expect(await serve(args(Number(first.port)), second.given)).toBe(0);
		expect((await second.url).href).toBe(first.href);
		expect(second.printed()).toContain('already running');
	});

	it('says what to do where the port is taken', async () => {
		const other = createServer().listen(0, '127.0.0.1');
		await once(other, 'listening');
		stops.push(async () => other.close());
		const { port } = other.address() as AddressInfo;
		const { given, printed } = context();
		expect(await serve(args(port), given)).toBe(1);
		expect(printed()).toBe(
			`Port ${port} is taken by another program. Choose another one with “--port N”.\n`,
		);
	});
});

describe.skipIf(process.platform !== 'linux')('the browser', () => {
	const opened = () => join(folder, 'opened');

	/** Stands in for xdg-open, and writes down what it was given. */
	beforeEach(() => {
		const script = `#!/bin/sh\nprintf '%s\\n' "$*" >> '${opened()}'\n`;
		writeFileSync(join(folder, 'xdg-open'), script, { mode: 0o755 });
		vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
		vi.stubEnv('DISPLAY', ':0');
		for (const name of ['CI', 'SSH_CONNECTION', 'SSH_TTY']) vi.stubEnv(name, undefined);
	});

	/** The addresses that the browser was given, once there are so many. */
	async function addresses(count: number): Promise<readonly URL[]> {
		return vi.waitFor(() => {
			const lines = existsSync(opened()) ? readFileSync(opened(), 'utf8').split('\n') : [];
			expect(lines).toHaveLength(count + 1);
			return lines.slice(0, -1).map((line) => new URL(line));
		});
	}

	async function exchanged({ origin, hash }: URL): Promise<unknown> {
		const entry = parseEntry(hash)!;
		const response = await fetch(`${origin}/api/session/exchange`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ code: 'code' in entry ? entry.code : '' }),
		});
		return response.json();
	}

	it('is given a code for the token, by the first start, the second one and a link', async () => {
		const browse = { openBrowser: true };
		const to = '#/release?ref=quay.io/a:1';
		const { given, url, stop } = context();
		const ended = serve({ ...args(0), ...browse }, given);
		stops.push(() => {
			stop();
			return ended;
		});
		const { origin, hash, port } = await url;
		const token = hash.slice('#t='.length);
		await addresses(1);
		await serve({ ...args(Number(port)), ...browse }, context().given);
		await addresses(2);
		await open({ ...args(), ...browse, link: `${origin}/${to}` }, context().given);
		const found = await addresses(3);
		expect(found.map((address) => address.origin)).toEqual([origin, origin, origin]);
		expect(found.map((address) => parseEntry(address.hash)?.to)).toEqual(['#/', '#/', to]);
		for (const address of found) {
			expect(address.href).not.toContain(token);
			expect(await exchanged(address)).toEqual({ token });
			expect(await exchanged(address)).toHaveProperty('problem');
		}
	});
});

describe.skipIf(process.platform !== 'linux')('espalier open', () => {
	it('takes a link to whatever server runs, and prefers the one of the link', async () => {
		const [one, two] = [await started(), await started()];
		const opened = async (link: string) => {
			const { given, url } = context();
			expect(await open({ ...args(), link }, given)).toBe(0);
			return url;
		};
		const to = '#/release?ref=quay.io/a:1';
		const there = await opened(`http://localhost:${one.port}/${to}`);
		expect(there.href).toBe(`${one.origin}/${one.hash}&to=${encodeURIComponent(to)}`);
		expect((await opened(`http://127.0.0.1:${two.port}/${to}`)).port).toBe(two.port);
		expect([one.port, two.port]).toContain((await opened(to)).port);
	});

	it('takes the link that a browser was given, whose code is dropped', async () => {
		const url = await started();
		const { given, url: printed } = context();
		const to = '#/release?ref=quay.io/a:1';
		const link = `${url.origin}/#c=${createToken()}&to=${encodeURIComponent(to)}`;
		expect(await open({ ...args(), link }, given)).toBe(0);
		expect((await printed).href).toBe(`${url.origin}/${url.hash}&to=${encodeURIComponent(to)}`);
	});

	it('starts a server where none runs', async () => {
		const { given, url, stop } = context();
		const ended = open({ ...args(0), link: 'quay.io/a/b:1' }, given);
		expect((await url).hash).toMatch(
			/^#t=.{43}&named=1&to=%23%2Frelease%3Fref%3Dquay\.io%2Fa%2Fb%3A1$/,
		);
		stop();
		expect(await ended).toBe(0);
		expect(await findServer(data, 0)).toBeUndefined();
	});
});
