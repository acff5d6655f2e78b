/** The built page, read once at the start. No request ever reaches the file system. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { Hono, type Context } from 'hono';
import { staticPageMark } from '../../shared/api/static-page.ts';
import type { NodeEnv } from '../server/node-request.ts';

interface PageFile {
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly etag: string;
	readonly headers: Readonly<Record<string, string>>;
}

/** What is served, by request path. */
export type Pages = ReadonlyMap<string, PageFile>;

const contentTypes: Readonly<Record<string, string>> = {
	'.css': 'text/css; charset=utf-8',
	'.html': 'text/html; charset=utf-8',
	'.ico': 'image/x-icon',
	'.js': 'text/javascript; charset=utf-8',
	'.json': 'application/json',
	'.png': 'image/png',
	'.svg': 'image/svg+xml',
	'.txt': 'text/plain; charset=utf-8',
	'.webmanifest': 'application/manifest+json',
	'.woff2': 'font/woff2',
};

/** Names that Vite derives from the content: what is behind one never changes. */
const hashedName = /^\/assets\/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+$/;

function toPageFile(path: string, content: Buffer): PageFile {
	const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
	return {
		bytes: new Uint8Array(content),
		etag,
		headers: {
			'content-type': contentTypes[extname(path)] ?? 'application/octet-stream',
			'cache-control': hashedName.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
			etag,
		},
	};
}

/** The page as it is where it came from the proxy, and not from a static host. */
function servedHere(page: Buffer): Buffer {
	return Buffer.from(page.toString('utf8').replace(staticPageMark, ''));
}

/** Reads a folder with everything below it. A folder that is not there has no pages. */
export function readPages(folder: string): Pages {
	const pages = new Map<string, PageFile>();
	for (const entry of listFiles(folder)) {
		const path = `/${entry.split(sep).join('/')}`;
		const content = readFileSync(join(folder, entry));
		pages.set(path, toPageFile(path, path === '/index.html' ? servedHere(content) : content));
	}
	const index = pages.get('/index.html');
	if (index) pages.set('/', index);
	return pages;
}

function listFiles(folder: string, below = ''): readonly string[] {
	try {
		return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
			const path = join(below, entry.name);
			if (entry.isDirectory()) return listFiles(folder, path);
			return entry.isFile() ? [path] : [];
		});
	} catch (error) {
		if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
		throw error;
	}
}

function sendFile(c: Context<NodeEnv>, file: PageFile): Response {
	if (c.req.header('if-none-match') === file.etag) return c.body(null, 304, { ...file.headers });
	return c.body(file.bytes, 200, { ...file.headers });
}

export function pageRoutes(pages: Pages) {
	return new Hono<NodeEnv>().get('*', (c) => {
		const file = pages.get(c.req.path);
		return file ? sendFile(c, file) : c.notFound();
	});
}
