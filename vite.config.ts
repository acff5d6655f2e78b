import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { thirdPartyLicenses } from './.config/third-party-licenses.ts';
import { staticPagePolicy } from './proxy/guard/headers.ts';
import { staticPageMeta } from './shared/api/static-page.ts';
import { chromiumLaunchOptions } from './test/support/chromium.ts';

const licenses = thirdPartyLicenses();
/** So that another build of this library can take its place (LGPL-3.0 §4d). */
const openpgpApart = { groups: [{ name: 'openpgp', test: /\/node_modules\/openpgp\// }] };
const apiDuringDevelopment = `http://127.0.0.1:${process.env['ESPALIER_DEV_PORT'] ?? '4764'}`;

/** What a static host cannot send as headers, and the mark that the proxy takes away where it serves the page. */
const forStaticHosts: Plugin = {
	name: 'for-static-hosts',
	apply: 'build',
	transformIndexHtml: () =>
		[{ 'http-equiv': 'content-security-policy', content: staticPagePolicy }, staticPageMeta].map(
			(attrs) => ({ tag: 'meta', attrs, injectTo: 'head-prepend' as const }),
		),
};

/** One file for the page, the proxy bundle (`vite build --ssr`) and the three kinds of tests. */
export default defineConfig(({ isSsrBuild }) =>
	isSsrBuild
		? {
				plugins: [licenses.program()],
				build: {
					target: 'node20',
					outDir: 'dist/proxy',
					emptyOutDir: true,
					// Less to read at every start of a command; names stay, for stack traces.
					rolldownOptions: {
						output: {
							codeSplitting: openpgpApart,
							minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
						},
					},
				},
				ssr: { noExternal: true },
			}
		: {
				root: process.env['VITEST'] ? '.' : 'web',
				// Works below any path.
				base: './',
				plugins: [
					svelte({ configFile: false, compilerOptions: { runes: true } }),
					forStaticHosts,
					licenses.page(),
				],
				worker: { plugins: () => [licenses.worker()] },
				build: {
					outDir: '../dist/web',
					emptyOutDir: true,
					target: 'es2023',
					assetsInlineLimit: 0,
					modulePreload: { polyfill: false },
					rolldownOptions: { output: { codeSplitting: openpgpApart } },
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
									'openpgp',
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
