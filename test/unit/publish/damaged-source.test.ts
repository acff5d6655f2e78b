import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { contentAt, stepsOf, type BlobStep, type Plan } from '../../../shared/plan/plan.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { startFront, type Front } from '../../support/front.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import {
	carryOut,
	describeWithRegistries,
	expectNoTags,
	expectTags,
	getBlob,
	openRegistries,
	patienceMs,
	planFor,
} from './publishing.ts';

const layerBytes = 200_000;

function flipOneBit(body: Buffer): Buffer {
	const changed = Buffer.from(body);
	changed.writeUInt8(changed.readUInt8(body.length - 1) ^ 1, body.length - 1);
	return changed;
}

describeWithRegistries('a source that damages a blob', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	let front: Front;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		front = await startFront(source.host);
	}, patienceMs);
	afterEach(() => {
		front.meddle = undefined;
	});
	afterAll(() => Promise.all([front.stop(), source.stop(), target.stop()]));

	/** A layer of a component, as configs are read before anything is copied. */
	function layerOf(plan: Plan): BlobStep {
		const layer = stepsOf(plan, 'blob').find(
			({ content }) => contentAt(plan, content).sizeBytes === layerBytes,
		);
		if (!layer) throw new Error('the plan copies no layer');
		return layer;
	}

	it.each([
		['changes a bit of it', flipOneBit, 'digest-mismatch'],
		['breaks it off each time', (body: Buffer) => body.subarray(0, body.length / 2), 'truncated'],
		['sends nothing of it', () => Buffer.alloc(0), 'truncated'],
	])(
		'and %s: the run fails and names it, the target never has it; once it is whole, the run finishes',
		async (_, change, code) => {
			const release = await pushSmallRelease({ host: front.host, layerBytes });
			const registries = await openRegistries();
			const version = `4.20.0-${code}.${change.length}`;
			const plan = await planFor(registries, release.reference, { host: target.host, version });
			const step = layerOf(plan);
			const { digest } = contentAt(plan, step.content);
			const { repository } = plan.repositories[step.to]!;
			front.meddle = ({ path }) =>
				path.endsWith(`/blobs/${digest}`) ? { kind: 'change', change } : undefined;
			const run = new Run(plan);
			await carryOut(registries, plan, run);
			expect(run.outcome).toMatchObject({
				kind: 'failed',
				problem: {
					code,
					registry: front.host,
					reference: expect.stringContaining(digest) as string,
				},
			});
			expect(run.failed.map((item) => item.step)).toEqual([step]);
			expect(await getBlob(`${target.host}/${repository}`, digest)).toMatchObject({ status: 404 });
			await expectNoTags(plan);

			front.meddle = undefined;
			// The same run again: what it had done stays done.
			await carryOut(registries, plan, run);
			expect(run.outcome).toEqual({ kind: 'verified' });
			expect(await getBlob(`${target.host}/${repository}`, digest)).toMatchObject({ digest });
			await expectTags(plan);
		},
		patienceMs,
	);
});
