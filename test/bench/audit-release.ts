/**
 * `npm run bench:audit`: how long a release of full size takes, cold: in the page and from a terminal, on loopback and
 * with 50 ms of round trip.
 * Prints a table; asserts nothing. Needs docker-registry, Chromium, the genuine fixtures and a built program.
 */
import { spawn } from 'node:child_process';
import { chromium, type Browser, type Page } from '@playwright/test';
import { Pool } from 'undici';
import { manifestAccept } from '../../shared/oci/media-type.ts';
import { formatRoute } from '../../shared/link/route.ts';
import { coverageReportSchema, type CoverageReport } from '../../shared/report/coverage-report.ts';
import { chromiumLaunchOptions } from '../support/chromium.ts';
import { startDelayProxy } from '../support/delay-proxy.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import {
	makeHome,
	program,
	runEspalier,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { pushFullRelease } from '../support/full-release.ts';
import { inParallel } from '../support/push.ts';

const rounds = 5;
const roundTripMs = 50;
/** Looking at every frame would take part of what is measured. */
const looking = { polling: 50 };

function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function seconds(values: readonly number[]): string {
	return `${(median(values) / 1000).toFixed(2)} s (${values.map((value) => (value / 1000).toFixed(2)).join(', ')})`;
}

async function repeat(work: () => Promise<number>): Promise<readonly number[]> {
	const times: number[] = [];
	for (let round = 0; round < rounds; round += 1) times.push(await work());
	return times;
}

/** The least that any client has to do: the same lists and children, unverified, 32 at a time. */
async function bareRequests(report: CoverageReport): Promise<number> {
	const [registry = '', ...path] = (report.components[0]?.reference.split('@')[0] ?? '').split('/');
	const lists = report.components.flatMap(({ digest }) => digest ?? []);
	const children = new Set(
		report.components.flatMap(({ platforms }) => platforms.flatMap(({ digest }) => digest ?? [])),
	);
	const pool = new Pool(`http://${registry}`, { connections: 32 });
	const startedAt = performance.now();
	for (const digests of [lists, [...children]]) {
		await inParallel(digests, 32, async (digest) => {
			const { body } = await pool.request({
				method: 'GET',
				path: `/v2/${path.join('/')}/manifests/${digest}`,
				headers: { accept: manifestAccept },
			});
			await body.text();
		});
	}
	const tookMs = performance.now() - startedAt;
	await pool.close();
	return tookMs;
}

function command(home: Home, args: readonly string[]): Promise<number> {
	const startedAt = performance.now();
	const child = spawn(process.execPath, [program, 'audit', ...args], {
		env: home.env,
		stdio: 'ignore',
	});
	return new Promise((resolve) =>
		child.once('close', () => resolve(performance.now() - startedAt)),
	);
}

interface PageTimes {
	/** from navigation until every cell is known */
	readonly knownMs: number;
	/** until every platform is compared too */
	readonly comparedMs: number;
}

/** A profile that does not know the registry yet is asked first. */
async function sayYes(page: Page): Promise<void> {
	await page.getByRole('button', { name: 'Read from it' }).click();
}

/** A new browser profile each time: nothing is cached. */
async function coldPage(browser: Browser, link: string): Promise<PageTimes> {
	const context = await browser.newContext();
	const page = await context.newPage();
	const startedAt = performance.now();
	await page.goto(link);
	await sayYes(page);
	await page.waitForFunction(
		() =>
			document.querySelectorAll('td[data-status="placeholder"]').length === 95 &&
			!document.querySelector('td[data-status="pending"]'),
		undefined,
		looking,
	);
	const knownMs = performance.now() - startedAt;
	await page.waitForFunction(
		() => document.querySelector('table[aria-busy="false"]'),
		undefined,
		looking,
	);
	const comparedMs = performance.now() - startedAt;
	await context.close();
	return { knownMs, comparedMs };
}

/** Reads once, then opens the release by digest in the same profile. */
async function secondVisit(
	browser: Browser,
	espalier: RunningEspalier,
	refs: { tag: string; digest: string },
): Promise<{ ms: number; documents: number }> {
	const context = await browser.newContext();
	const page = await context.newPage();
	const open = (ref: string) =>
		page.goto(espalier.linkTo(formatRoute({ view: 'release', params: { ref } })));
	await open(refs.tag);
	await sayYes(page);
	await page.waitForFunction(
		() => document.querySelector('table[aria-busy="false"]'),
		undefined,
		looking,
	);
	await page.waitForTimeout(1000);
	let documents = 0;
	page.on('request', (request) => {
		if (/\/api\/(manifests|configs|blob)/.test(request.url())) documents += 1;
	});
	await page.goto('about:blank');
	const startedAt = performance.now();
	await open(refs.digest);
	await page.waitForFunction(
		() => document.querySelector('table[aria-busy="false"]'),
		undefined,
		looking,
	);
	const ms = performance.now() - startedAt;
	await context.close();
	return { ms, documents };
}

const registry = await startDockerRegistry();
const home = await makeHome();
const espalier = await startEspalier(home);
const browser = await chromium.launch(chromiumLaunchOptions());
const far = await startDelayProxy(registry.host, roundTripMs);
try {
	const release = await pushFullRelease(registry.host, 'docker');
	const { stdout } = await runEspalier(home, ['audit', release.reference, '--json']);
	const report = coverageReportSchema.parse(JSON.parse(stdout));
	const link = espalier.linkTo(
		formatRoute({ view: 'release', params: { ref: release.reference } }),
	);
	const pages: PageTimes[] = [];
	for (let round = 0; round < rounds; round += 1) pages.push(await coldPage(browser, link));
	const visit = await secondVisit(browser, espalier, {
		tag: release.reference,
		digest: `${registry.host}/ocp/release@${release.digest}`,
	});
	const rows: (readonly [string, string])[] = [
		['bare requests, lists and children', seconds(await repeat(() => bareRequests(report)))],
		[
			'espalier audit --check children (lists and children)',
			seconds(await repeat(() => command(home, [release.reference, '--check', 'children']))),
		],
		[
			'espalier audit (and all configs compared)',
			seconds(await repeat(() => command(home, [release.reference]))),
		],
		[
			'page, cold: every cell known (lists and children)',
			seconds(pages.map(({ knownMs }) => knownMs)),
		],
		['page, cold: every platform compared', seconds(pages.map(({ comparedMs }) => comparedMs))],
		[`page, second visit by digest (${visit.documents} document requests)`, seconds([visit.ms])],
	];
	// Its components are named by the far address too, and its tag is written anew: so it comes last.
	const { reference: farReference } = await pushFullRelease(far.host, 'docker');
	rows.push([
		`espalier audit --check children, ${roundTripMs} ms`,
		seconds(await repeat(() => command(home, [farReference, '--check', 'children']))),
	]);
	const farLink = espalier.linkTo(formatRoute({ view: 'release', params: { ref: farReference } }));
	const farPage = await coldPage(browser, farLink);
	rows.push([`page, cold: every cell known, ${roundTripMs} ms`, seconds([farPage.knownMs])]);
	process.stdout.write(
		`| ${report.totals.components} components × 4 architectures | median of ${rounds} |\n| --- | --- |\n`,
	);
	for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);
} finally {
	await far.stop();
	await browser.close();
	await espalier.stop();
	await registry.stop();
	await home.remove();
}
