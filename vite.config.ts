import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumLaunchOptions } from './test/support/chromium.ts';

const apiDuringDevelopment = `http://127.0.0.1:${process.env['ESPALIER_DEV_PORT'] ?? '4764'}`;

/** One file for the page, the proxy bundle (`vite build --ssr`) and the three kinds of tests. */
export default defineConfig(({ isSsrBuild }) =>
	isSsrBuild
		? {
				build: {
					target: 'node20',
					outDir: 'dist/proxy',
					emptyOutDir: true,
					// Less to read at every start of a command; names stay, for stack traces.
					rolldownOptions: {
						output: {
							minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
						},
					},
				},
				ssr: { noExternal: true },
			}
		: {
				root: process.env['VITEST'] ? '.' : 'web',
				plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
				build: {
					outDir: '../dist/web',
					emptyOutDir: true,
					target: 'es2023',
					assetsInlineLimit: 0,
					modulePreload: { polyfill: false },
				},
				server: {
					// Endpoints have no dot in their path; the page's own modules below web/api have.
					proxy: { '^/api/[\\w/-]+(?:\\?.*)?$': apiDuringDevelopment, '/v2': apiDuringDevelopment },
				},
				test: {
					projects: [
						{
							extends: true,
							test: {
								name: 'unit',
								environment: 'node',
								include: ['test/unit/**/*.test.ts'],
								exclude: ['**/*.svelte.test.ts'],
							},
						},
						{
							extends: true,
							resolve: { conditions: ['browser'] },
							test: {
								name: 'runes',
								environment: 'node',
								include: ['test/unit/**/*.svelte.test.ts'],
							},
						},
						{
							extends: true,
							// Found during a run, these would reload the page under the tests.
							optimizeDeps: {
								include: [
									'@noble/hashes/sha2.js',
									'axe-core',
									'fflate',
									'idb',
									'modern-tar',
									'semver/functions/valid.js',
									'yaml',
									'zod',
								],
							},
							test: {
								name: 'browser',
								include: ['test/browser/**/*.test.ts'],
								browser: {
									enabled: true,
									headless: true,
									screenshotFailures: false,
									instances: [{ browser: 'chromium' }],
									provider: playwright({ launchOptions: chromiumLaunchOptions() }),
								},
							},
						},
					],
				},
			},
);
