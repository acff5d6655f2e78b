import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkWritable, readTextFile, writeTextFile } from '../../../proxy/cli/files.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-files-'));
});
afterEach(() => {
	rmSync(folder, { recursive: true });
});
const file = (name: string) => join(folder, name);

describe('a file that is read', () => {
	it('is text, whole, up to the limit', async () => {
		writeFileSync(file('a'), 'größe');
		expect(await readTextFile(file('a'), 7)).toBe('größe');
		await expect(readTextFile(file('a'), 6)).rejects.toThrow('larger than 6 bytes');
	});

	it('may be a pipe, which is bounded too', async () => {
		await run('mkfifo', [file('pipe')]);
		const feed = (text: string) => run('sh', ['-c', `printf '%s' '${text}' > "$0"`, file('pipe')]);
		const [text] = await Promise.all([readTextFile(file('pipe'), 10), feed('short')]);
		expect(text).toBe('short');
		await Promise.all([
			expect(readTextFile(file('pipe'), 3)).rejects.toThrow('larger than 3 bytes'),
			feed('too long'),
		]);
		await expect(readTextFile('/dev/zero', 100_000)).rejects.toThrow('larger than');
	});

	it.each([
		['missing', /“.*missing” cannot be read: it is not there/],
		['folder', /cannot be read: it is a folder/],
		['file/below', /a part of its path is no folder/],
		['circle', /lead in a circle/],
	])('is refused with the reason: %s', async (name, message) => {
		mkdirSync(file('folder'));
		writeFileSync(file('file'), '');
		symlinkSync('circle', file('circle'));
		const reading = readTextFile(file(name), 10);
		await expect(reading).rejects.toThrow(UsageError);
		await expect(reading).rejects.toThrow(message);
	});

	it.skipIf(isRoot)('is refused where that is not permitted', async () => {
		writeFileSync(file('a'), '');
		chmodSync(file('a'), 0);
		await expect(readTextFile(file('a'), 10)).rejects.toThrow('that is not permitted');
	});
});

describe('a file that is written', () => {
	it('replaces what was there in one step, and leaves nothing beside it', async () => {
		writeFileSync(file('a'), 'old');
		await checkWritable(file('a'));
		await writeTextFile(file('a'), 'new');
		expect(readFileSync(file('a'), 'utf8')).toBe('new');
		expect(readdirSync(folder)).toEqual(['a']);
	});

	it('may be read by others', async () => {
		const before = process.umask(0o022);
		await writeTextFile(file('a'), 'new');
		process.umask(before);
		expect(statSync(file('a')).mode & 0o777).toBe(0o644);
	});

	it('never takes the place of a device', async () => {
		await checkWritable('/dev/null');
		await writeTextFile('/dev/null', 'text');
		expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
	});

	it.each([
		['folder', /“.*folder” cannot be written: it is a folder/],
		['nowhere/a', /it is not there/],
	])('is refused beforehand with the reason: %s', async (name, message) => {
		mkdirSync(file('folder'));
		await expect(checkWritable(file(name))).rejects.toThrow(message);
		await expect(writeTextFile(file(name), '')).rejects.toThrow(message);
		expect(readdirSync(folder)).toEqual(['folder']);
	});
});
