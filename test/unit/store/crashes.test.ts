import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { KillOrder } from '../../support/kill-at-operation.ts';
import { campaign } from '../../support/long.ts';
import { oneOf, seededRandom, wholeNumber, type Random } from '../../support/seeded.ts';
import { temporaryFolder, token } from './fixture.ts';
import { plannedClients, Promises } from './promises.ts';

const script = fileURLToPath(new URL('serve-process.ts', import.meta.url));
const killer = new URL('../../support/kill-at-operation.ts', import.meta.url).href;
const names = ['one', 'one', 'one', 'nested/two', 'three'];
const roundsPerFolder = 20;
/** Far below the age at which a lock without a living owner is taken over by age alone. */
const patienceMs = 20_000;

interface Server {
	readonly origin: string;
	readonly process: ChildProcess;
	readonly ended: Promise<unknown>;
}

async function startServer(root: string): Promise<Server> {
	const child = fork(script, [root, token], {
		execArgv: ['--import', 'tsx', '--import', killer],
	});
	const ended = once(child, 'exit');
	onTestFinished(() => void child.kill('SIGKILL'));
	const [{ port }] = (await once(child, 'message')) as [{ port: number }];
	return { origin: `http://127.0.0.1:${port}`, process: child, ended };
}

/** Every other time at a moment of the clock, else at a certain operation on files. */
function orderDeath(server: Server, random: Random): void {
	if (random() < 0.5) {
		const order: KillOrder = {
			killAt: wholeNumber(random, 1, 500),
			moment: oneOf(random, ['before', 'halfway', 'after']),
		};
		server.process.send(order);
	} else {
		void wait(wholeNumber(random, 1, 150)).then(() => server.process.kill('SIGKILL'));
	}
}

async function expectFreeLocks(root: string): Promise<void> {
	for (const name of names) {
		expect(await readdir(join(root, name))).not.toContain('.lock');
	}
}

describe('a store whose process is killed while clients write to it', () => {
	const rounds = campaign(100);
	const groups = Array.from({ length: Math.ceil(rounds / roundsPerFolder) }, (_, group) => group);

	it.each(groups)(
		'keeps every tag that it promised, shows nothing torn, and goes on (group %i)',
		async (group) => {
			const root = await temporaryFolder();
			const promises = new Promises();
			let server = await startServer(root);
			let deathsAtWork = 0;
			const first = group * roundsPerFolder;
			for (let seed = first; seed < Math.min(first + roundsPerFolder, rounds); seed += 1) {
				const random = seededRandom(seed);
				const prefix = `r${seed}`;
				const clients = plannedClients(random, names, { prefix, writes: 3 });
				orderDeath(server, random);
				await promises.write(server.origin, clients);
				server.process.kill('SIGKILL');
				await server.ended;
				server = await startServer(root);
				await promises.expectKept(server.origin, root, prefix);
				const restartedAt = performance.now();
				if ((await promises.finish(server.origin)) > 0) deathsAtWork += 1;
				expect(performance.now() - restartedAt, `seed ${seed}`).toBeLessThan(patienceMs);
			}
			await promises.expectKept(server.origin, root);
			await expectFreeLocks(root);
			expect(deathsAtWork).toBeGreaterThan(Math.min(rounds, roundsPerFolder) / 4);
		},
		300_000,
	);
});

describe('two processes that serve one store', () => {
	const seeds = Array.from({ length: campaign(10) }, (_, seed) => seed);

	it.each(seeds)(
		'lose nothing that either promised, also when one of them is killed (seed %i)',
		async (seed) => {
			const root = await temporaryFolder();
			const random = seededRandom(seed);
			const [dying, living] = await Promise.all([startServer(root), startServer(root)]);
			const plan = (prefix: string) => plannedClients(random, names, { prefix, writes: 4 });
			const promises = new Promises();
			orderDeath(dying, random);
			await Promise.all([
				promises.write(dying.origin, plan('dying')),
				promises.write(living.origin, plan('living')),
			]);
			dying.process.kill('SIGKILL');
			await dying.ended;
			await promises.expectKept(living.origin, root);
			await promises.finish(living.origin);
			await promises.expectKept(living.origin, root);
			await expectFreeLocks(root);
		},
		120_000,
	);
});
