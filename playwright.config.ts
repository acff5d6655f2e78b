import { defineConfig } from '@playwright/test';
import { chromiumLaunchOptions } from './test/support/chromium.ts';

export default defineConfig({
	testDir: 'test/e2e',
	testMatch: '**/*.spec.ts',
	globalSetup: './test/e2e/global-setup.ts',
	// Two cores, and a registry that shares them.
	workers: 1,
	timeout: 60_000,
	expect: { timeout: 15_000 },
	forbidOnly: true,
	use: {
		browserName: 'chromium',
		launchOptions: chromiumLaunchOptions(),
		viewport: { width: 1440, height: 900 },
		trace: 'off',
		screenshot: 'off',
	},
});
