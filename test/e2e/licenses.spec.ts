import { expect, test } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const dist = join(import.meta.dirname, '../../dist');

for (const folder of ['.', 'web']) {
	test(`a build has the licences of what it bundles: ${folder}`, async () => {
		const text = await readFile(join(dist, folder, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
		expect(text).toMatch(/^openpgp \d\S*\nLicence: LGPL-3\.0/m);
		expect(text).toContain('GNU LESSER GENERAL PUBLIC LICENSE');
		expect(text).toMatch(/^svelte \d\S*\nLicence: MIT$/m);
		expect(text).not.toContain('node_modules');
	});
}
