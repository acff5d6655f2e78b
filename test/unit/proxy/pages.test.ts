import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPages } from '../../../proxy/routes/pages.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { fakeApp } from './fake-reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-pages-'));
mkdirSync(join(folder, 'web/assets'), { recursive: true });
writeFileSync(join(folder, 'secret.txt'), 'secret');
writeFileSync(join(folder, 'web/index.html'), '<!doctype html>');
writeFileSync(join(folder, 'web/theme.js'), 'theme');
writeFileSync(join(folder, 'web/assets/index-Ab3_xY-9.js'), 'code');
symlinkSync(join(folder, 'secret.txt'), join(folder, 'web/link.txt'));
afterAll(() => {
	rmSync(folder, { recursive: true });
});

const { send } = fakeApp({ pages: readPages(join(folder, 'web')) });

describe('the pages', () => {
	it.each([
		['/', '<!doctype html>', 'text/html; charset=utf-8', 'no-cache'],
		['/index.html', '<!doctype html>', 'text/html; charset=utf-8', 'no-cache'],
		['/theme.js', 'theme', 'text/javascript; charset=utf-8', 'no-cache'],
		[
			'/assets/index-Ab3_xY-9.js',
			'code',
			'text/javascript; charset=utf-8',
			'public, max-age=31536000, immutable',
		],
	])('serve %s without a token', async (path, text, type, caching) => {
		const response = await send(path, { headers: { [tokenHeader]: undefined } });
		expect(response.status).toBe(200);
		expect(await response.text()).toBe(text);
		expect(response.headers.get('content-type')).toBe(type);
		expect(response.headers.get('cache-control')).toBe(caching);
	});

	it('are not sent again where nothing changed', async () => {
		const etag = (await send('/')).headers.get('etag') ?? '';
		const again = await send('/', { headers: { 'if-none-match': etag } });
		expect(again.status).toBe(304);
		expect(await again.text()).toBe('');
		expect((await send('/', { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
	});

	it.each([
		'/../secret.txt',
		'/..%2fsecret.txt',
		'/%2e%2e/secret.txt',
		'/assets/../../secret.txt',
		'/..\\secret.txt',
		'/%5c..%5csecret.txt',
		'//secret.txt',
		'/index.html%00.js',
		'/link.txt',
		'/assets',
		'/assets/',
		'/nothing',
		'/__proto__',
		'/constructor',
	])('have nothing at %s', async (path) => {
		const response = await send(path);
		expect(response.status).toBe(404);
		expect(await response.text()).not.toContain('secret');
	});

	it('are none where nothing was built', () => {
		expect(readPages(join(folder, 'missing')).size).toBe(0);
	});

	it('are what was there at the start', async () => {
		writeFileSync(join(folder, 'web/theme.js'), 'changed');
		expect(await (await send('/theme.js')).text()).toBe('theme');
	});
});
