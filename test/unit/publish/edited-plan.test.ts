import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { runCommand } from '../../../proxy/cli/run.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { formatRepository } from '../../../shared/oci/reference.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import { contentAt, repositoryAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { writtenText } from '../../../shared/report/plan-text.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { startFront, type Front } from '../../support/front.ts';
import { isWriting, requestsDuring } from '../../support/request-watch.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import {
	describeWithRegistries,
	expectNoTags,
	expectTags,
	openRegistries,
	patienceMs,
	planFor,
	temporaryFolder,
} from './publishing.ts';

/** Runs a plan file with the command, as a user without logins. */
async function runFile(text: string) {
	const folder = await temporaryFolder();
	for (const name of ['XDG_DATA_HOME', 'HOME', 'DOCKER_CONFIG']) vi.stubEnv(name, folder);
	const file = join(folder, 'plan.json');
	await writeFile(file, text);
	const printed = { stdout: '', stderr: '' };
	const stdout = { write: (more: string) => (printed.stdout += more) };
	const stderr = { write: (more: string) => (printed.stderr += more) };
	const interruption = { until: new AbortController().signal, by: () => undefined };
	let code = -1;
	const requests = await requestsDuring(async () => {
		code = await runCommand([file], { stdout, stderr, interruption });
	});
	return { code, requests, ...printed };
}

/** The only place of a text in a file, replaced. */
function edited(text: string, from: string, to: string): string {
	if (!text.includes(from)) throw new Error(`the file has no ${from}`);
	return text.replace(from, to);
}

describeWithRegistries('a plan file', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	/** another registry, as far as names go */
	let elsewhere: Front;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		elsewhere = await startFront(target.host);
	}, patienceMs);
	afterEach(() => {
		vi.unstubAllEnvs();
	});
	afterAll(() => Promise.all([elsewhere.stop(), source.stop(), target.stop()]));

	async function planned(version: string): Promise<Plan> {
		const release = await pushSmallRelease({ host: source.host });
		const registries = await openRegistries();
		return planFor(registries, release.reference, { host: target.host, version });
	}

	it(
		'whose made manifest was edited is refused by its digest; unedited it is run',
		async () => {
			const plan = await planned('4.20.0-edited');
			const text = printPlan(plan);
			const made = stepsOf(plan, 'manifest')
				.map(({ content }) => contentAt(plan, content))
				.filter(({ bytes }) => bytes);
			expect(made.length).toBeGreaterThan(3);
			for (const { digest } of made) {
				const line =
					text.split('\n').find((each) => each.startsWith(`\t\t{"digest":"${digest}"`)) ?? '';
				const changed = edited(line, '\\"schemaVersion\\":2', '\\"schemaVersion\\":3');
				const { code, stderr, requests } = await runFile(edited(text, line, changed));
				expect({ code, requests }).toEqual({ code: 1, requests: [] });
				expect(stderr).toContain('This is not a plan that can be run.');
				expect(stderr).toContain(`as ${digest}`);
			}
			await expectNoTags(plan);
			expect(await runFile(text)).toMatchObject({ code: 0 });
			await expectTags(plan);
		},
		patienceMs,
	);

	it(
		'cannot be made to write elsewhere by putting another registry into it',
		async () => {
			const plan = await planned('4.20.0-elsewhere');
			const text = printPlan(plan);
			const table = text.slice(text.indexOf('"repositories"'), text.indexOf('"mediaTypes"'));
			const edits = [
				edited(text, table, table.replaceAll(target.host, elsewhere.host)),
				text.replaceAll(target.host, elsewhere.host),
				edited(text, '"tag":"4.20.0-elsewhere"', '"tag":"latest"'),
				text.replaceAll('mirror/release', 'mirror/other'),
			];
			for (const edit of edits) {
				const { code, stderr, requests } = await runFile(edit);
				expect({ code, requests }).toEqual({ code: 1, requests: [] });
				expect(stderr).toContain('This is not a plan that can be run.');
			}
			expect(elsewhere.answered).toEqual([]);
			await expectNoTags(plan);
		},
		patienceMs,
	);

	it(
		'whose id was made anew tells, before it is run, every place that it writes to',
		async () => {
			const plan = await planned('4.20.0-forged');
			const text = printPlan(plan).replaceAll(target.host, elsewhere.host);
			const table = plan.repositories.map(({ registry, repository }) => ({
				registry: registry === target.host ? elsewhere.host : registry,
				repository,
			}));
			const { subject } = JSON.parse(text) as Pick<Plan, 'subject'>;
			const { contents, steps } = plan;
			const forged = { subject, repositories: table, contents, steps };
			const id = await planId(forged, hashBytes);
			const read = await parsePlan(printPlan({ id, ...forged }), hashBytes);
			const told = writtenText(read);
			for (const { to } of read.steps) {
				expect(told).toContain(formatRepository(repositoryAt(read, to)));
			}
			expect(told).toContain(elsewhere.host);
			expect(told).not.toContain(target.host);
			expect(id).not.toBe(plan.id);
		},
		patienceMs,
	);

	it(
		'of a run that is done writes nothing more',
		async () => {
			const text = printPlan(await planned('4.20.0-done'));
			expect(await runFile(text)).toMatchObject({ code: 0 });
			const { code, requests } = await runFile(text);
			expect(code).toBe(0);
			expect(requests.filter(isWriting)).toEqual([]);
		},
		patienceMs,
	);
});
