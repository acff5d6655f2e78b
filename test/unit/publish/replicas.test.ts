import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loginsHeader, printLogins } from '../../../shared/api/logins.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { patienceWithReplicas } from '../../../web/api/ask-again.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyRegistries } from '../../../web/api/proxy-registries.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { startFront } from '../../support/front.ts';
import { startRoundRobin, type RoundRobin } from '../../support/round-robin.ts';
import { startReplica, type Replica } from '../../support/shared-replica.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import {
	describeWithRegistries,
	expectNoTags,
	expectTags,
	patienceMs,
	planFor,
} from './publishing.ts';

const stops: (() => Promise<unknown>)[] = [];
// Node has none before version 21.
beforeEach(() => vi.stubGlobal('navigator', {}));
afterEach(async () => {
	for (const stop of stops.splice(0).reverse()) await stop();
	vi.unstubAllGlobals();
});

/** Two replicas of a team's server for these registries, behind one address, asked by somebody with a login. */
async function startTeam(hosts: readonly string[]): Promise<{
	readonly balancer: RoundRobin;
	readonly replicas: readonly Replica[];
}> {
	const logins = hosts.map((entry) => ({
		entry,
		login: { kind: 'password', username: 'me', password: 'mine' } as const,
	}));
	const balancer = await startRoundRobin({ [loginsHeader]: printLogins(logins) });
	stops.push(() => balancer.stop());
	const flags = ['--registries', hosts.join(','), '--public-url', balancer.origin];
	const replicas = await Promise.all([startReplica(flags), startReplica(flags)]);
	for (const replica of replicas) {
		balancer.replicas.push(replica.port);
		stops.push(async () => {
			replica.process.kill('SIGKILL');
			await replica.ended;
		});
	}
	return { balancer, replicas };
}

describeWithRegistries('a team’s server of two replicas', () => {
	it(
		'loses one in the middle of a run, and the page goes on with the other until all is verified',
		async () => {
			const [source, target] = await Promise.all([
				startDockerRegistry({ inMemory: true }),
				startDockerRegistry({ inMemory: true }),
			]);
			const front = await startFront(target.host);
			stops.push(
				() => source.stop(),
				() => target.stop(),
				() => front.stop(),
			);
			const release = await pushSmallRelease({ host: source.host, layerBytes: 20_000 });
			const { balancer, replicas } = await startTeam([source.host, front.host]);
			const client = new ProxyClient({
				token: () => undefined,
				origin: balancer.origin,
				patience: () => patienceWithReplicas,
			});
			const registries = new ProxyRegistries(client, hashBytes);
			const plan = await planFor(registries, release.reference, { host: front.host });
			let uploads = 0;
			let killed: Replica | undefined;
			front.meddle = ({ method, path }) => {
				if (method === 'PUT' && path.includes('/blobs/')) uploads += 1;
				if (uploads < 5 || killed) return undefined;
				const copying = balancer.passed.findLast((passed) => passed.path === '/api/copies');
				killed = replicas.find(({ port }) => port === copying?.replica);
				killed?.process.kill('SIGKILL');
				return undefined;
			};
			await expectNoTags(plan);

			const run = new Run(plan);
			for await (const _ of runPlan(registries, run));

			expect(await killed?.ended).toBe('SIGKILL');
			expect(run.outcome).toEqual({ kind: 'verified' });
			expect(run.items.every(({ verified, step }) => verified || step.kind !== 'tag')).toBe(true);
			await expectTags(plan);
			const copies = balancer.passed.filter(({ path }) => path === '/api/copies');
			expect(new Set(copies.map(({ replica }) => replica)).size).toBe(2);
			expect(balancer.passed.at(-1)?.replica).not.toBe(killed?.port);
		},
		patienceMs,
	);
});
