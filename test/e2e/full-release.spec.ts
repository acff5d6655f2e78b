import { expect, test, type Page } from '@playwright/test';
import { formatRoute } from '../../shared/link/route.ts';
import { coverageReportSchema } from '../../shared/report/coverage-report.ts';
import {
	fullRelease,
	fullReleaseMissing,
	skippedWithoutFullRelease,
} from '../support/full-release-in-registry.ts';
import {
	makeHome,
	runEspalier,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { readsWhenAsked } from '../support/reads-when-asked.ts';

test.skip(fullReleaseMissing, skippedWithoutFullRelease);

let home: Home;
let espalier: RunningEspalier;

test.beforeAll(async () => {
	home = await makeHome();
	espalier = await startEspalier(home);
});
test.beforeEach(({ context }) => readsWhenAsked(context));
test.afterAll(async () => {
	await espalier.stop();
	await home.remove();
});

const verdict =
	'46 of 190 components stand on placeholders: 95 cells that would pull the pod image instead of a build.';

function cells(page: Page, status: string) {
	return page.locator(`td[data-status="${status}"]`);
}

/** Name and statuses of every row shown, in order. */
async function matrix(page: Page): Promise<readonly string[]> {
	return page.locator('tbody tr').evaluateAll((rows) =>
		rows.map((row) => {
			const statuses = [...row.querySelectorAll('td[data-status]')].map((cell) =>
				cell.getAttribute('data-status'),
			);
			return `${row.querySelector('th')?.textContent.trim() ?? ''}: ${statuses.join(' ')}`;
		}),
	);
}

async function openRelease(page: Page, reference: string): Promise<void> {
	await page.goto(espalier.url);
	await page.getByLabel('Reference of a release').fill(reference);
	await page.getByRole('main').getByRole('button', { name: 'Open', exact: true }).click();
	await expect(page.getByText(verdict)).toBeVisible();
}

test('a release opened by tag shows its placeholders, filtered, sorted, and the same in another browser', async ({
	page,
	browser,
}) => {
	await openRelease(page, fullRelease.docker);
	await expect(cells(page, 'placeholder')).toHaveCount(95);
	await expect(cells(page, 'built')).toHaveCount(665);
	await expect(page.getByRole('heading', { name: 'OpenShift 4.20.0' })).toBeVisible();
	await expect(page.getByText('4 architectures, payloads agree')).toBeVisible();
	expect(page.url()).not.toContain(espalier.token);

	await page.getByLabel('Filter').fill('name:aws-* status:placeholder arch:s390x');
	await expect(page.getByText('6 of 190 components', { exact: true })).toBeVisible();
	await page.getByRole('button', { name: 'unique' }).click();
	await page.getByRole('button', { name: 'Columns' }).click();
	await page.getByRole('checkbox', { name: 'linux/amd64' }).uncheck();
	await page.keyboard.press('Escape');
	await page.getByRole('link', { name: 'aws-ebs-csi-driver', exact: true }).click();
	await expect(page.getByRole('complementary')).toContainText('placeholder of pod');
	await expect(page.locator('tbody tr')).toHaveCount(6);
	const seen = await matrix(page);

	const colleague = await browser.newContext();
	await readsWhenAsked(colleague);
	const theirs = await colleague.newPage();
	await theirs.goto(espalier.linkTo(new URL(page.url()).hash));
	await expect(theirs.locator('tbody tr')).toHaveCount(6);
	expect(await matrix(theirs)).toEqual(seen);
	await expect(theirs.getByRole('complementary')).toContainText('aws-ebs-csi-driver');
	await expect(theirs.getByLabel('Filter')).toHaveValue('name:aws-* status:placeholder arch:s390x');
	await expect(theirs.locator('thead')).not.toContainText('amd64');
	await colleague.close();
});

test('46 components are left when the legend shows placeholders only', async ({ page }) => {
	await openRelease(page, fullRelease.docker);
	await page
		.getByRole('group', { name: 'Show only' })
		.getByRole('button', { name: /placeholder/ })
		.click();
	await expect(page.getByText('46 of 190 components', { exact: true })).toBeVisible();
	await expect(page.locator('tbody tr')).toHaveCount(46);
});

test('the permanent link names the digest, and opening it again reads no document', async ({
	page,
	context,
}) => {
	await context.grantPermissions(['clipboard-read', 'clipboard-write']);
	await openRelease(page, fullRelease.docker);
	await page.getByRole('button', { name: 'Copy permanent link' }).click();
	const link = await page.evaluate(() => navigator.clipboard.readText());
	expect(link).toContain(`@${fullRelease.digest}`);

	const requested: string[] = [];
	page.on('request', (request) => requested.push(new URL(request.url()).pathname));
	await page.goto('about:blank');
	await page.goto(link);
	await expect(page.getByText(verdict)).toBeVisible();
	await expect(cells(page, 'placeholder')).toHaveCount(95);
	expect(requested.filter((path) => /^\/api\/(manifests|configs|blob)$/.test(path))).toEqual([]);
});

test('no row moves while documents arrive under the pointer', async ({ page }) => {
	// The configs of the components are held back until the pointer is in place.
	let proceed: () => void = () => undefined;
	const isInPlace = new Promise<void>((resolve) => (proceed = resolve));
	await page.route('**/api/configs', async (route) => {
		if ((route.request().postData() ?? '').includes('ocp/components')) await isInPlace;
		await route.continue();
	});
	await page.goto(
		espalier.linkTo(formatRoute({ view: 'release', params: { ref: fullRelease.docker } })),
	);
	const rows = page.locator('tbody tr');
	await expect(cells(page, 'placeholder')).toHaveCount(95);
	await rows.nth(3).hover();
	const places = () =>
		rows.evaluateAll((all) =>
			all
				.slice(0, 20)
				.map((row) => [
					row.querySelector('th')?.textContent.trim(),
					row.getBoundingClientRect().top,
				]),
		);
	const before = await places();
	proceed();
	await expect(page.getByText('sorted once you leave')).toBeVisible();
	const after = await places();
	expect(after).toEqual(before);
	await page.getByRole('heading', { name: 'OpenShift 4.20.0' }).hover();
	await expect(rows.first()).toContainText('agent-installer-ui');
});

test('Docker and OCI media types, page and terminal, all say the same', async ({ page }) => {
	await openRelease(page, fullRelease.oci);
	await page.getByRole('button', { name: 'Component', exact: true }).click();
	await expect(page.locator('tbody tr').first()).toContainText('agent-installer-api-server');
	const shown = await matrix(page);
	for (const reference of [fullRelease.docker, fullRelease.oci]) {
		const { code, stdout } = await runEspalier(home, ['audit', reference, '--json']);
		expect(code).toBe(0);
		const report = coverageReportSchema.parse(JSON.parse(stdout));
		expect(report.totals.componentsWith.placeholder).toBe(46);
		expect(report.totals.cells).toMatchObject({
			placeholder: 95,
			built: 665,
			missing: 0,
			unchecked: 0,
		});
		const audited = report.components.map(
			({ name, platforms }) => `${name}: ${platforms.map(({ status }) => status).join(' ')}`,
		);
		expect(audited).toEqual(shown);
	}
});

test('the command fails for a required platform that stands on placeholders, and not for one that is built', async () => {
	const failing = await runEspalier(home, [
		'audit',
		fullRelease.docker,
		'--require',
		'linux/s390x',
	]);
	expect(failing.code).toBe(3);
	expect(failing.stderr).toContain('linux/s390x: 41 of 190 components are not built for it.');
	const passing = await runEspalier(home, ['audit', fullRelease.docker, '--require', 'amd64']);
	expect(passing.code).toBe(0);
	const uncompared = await runEspalier(home, [
		'audit',
		fullRelease.docker,
		'--require',
		'amd64',
		'--check',
		'children',
	]);
	expect(uncompared.code).toBe(4);
});

test('a component is no release, and is shown with its children', async ({ page }) => {
	const { stdout } = await runEspalier(home, [
		'audit',
		fullRelease.docker,
		'--json',
		'--check',
		'children',
	]);
	const etcd = coverageReportSchema
		.parse(JSON.parse(stdout))
		.components.find(({ name }) => name === 'etcd');
	await page.goto(
		espalier.linkTo(formatRoute({ view: 'release', params: { ref: etcd?.reference ?? '' } })),
	);
	await expect(
		page.getByRole('heading', { name: 'This is not an OpenShift release' }),
	).toBeVisible();
	await expect(page.getByText('an index of 4 entries')).toBeVisible();
	await expect(page.getByRole('cell', { name: 'linux/ppc64le', exact: true })).toBeVisible();
});
