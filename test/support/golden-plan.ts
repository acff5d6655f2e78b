/** One release and one choice whose plan must be the same, byte for byte, in Node and in a browser. */
import type { Gzip, Inflate } from '../../shared/archive/gzip.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';
import { planPrune } from '../../shared/plan/plan-prune.ts';
import { printPlan } from '../../shared/plan/plan-file.ts';
import { emptyDraft } from '../../shared/release/prune-draft.ts';
import { contentOf, entryOf, linux, ReleaseMaker } from './release-maker.ts';

export interface Surroundings {
	readonly hash: HashBytes;
	readonly gzip: Gzip;
	readonly inflate: Inflate;
}

const placeholdersOf = ['aws', 'azure', 'vsphere'];

/** Text that compresses as manifests do, and by enough to fill more than one deflate block. */
function manifests(): readonly { name: string; text: string }[] {
	return Array.from({ length: 40 }, (_, at) => ({
		name: `0000_${at}_größe.yaml`,
		text: Array.from(
			{ length: 400 },
			(__, line) => `key-${line % 17}: value ${(line * 2_654_435_761 * (at + 1)) % 9973} 4.20.0\n`,
		).join(''),
	}));
}

async function makeRelease(): Promise<ReleaseMaker> {
	const maker = new ReleaseMaker(['amd64', 'arm64', 's390x'], 'docker');
	const pods = ['amd64', 'arm64', 's390x'].map((each) => maker.image('pod', linux(each)));
	for (const name of placeholdersOf) {
		const built = maker.image(name, linux('amd64'));
		maker.add(name, [entryOf(built), ...pods.slice(1).map((pod) => entryOf(pod))]);
	}
	maker.addBuilt('etcd');
	maker.add(
		'pod',
		pods.map((pod) => entryOf(pod)),
	);
	await maker.finish({ files: manifests() });
	return maker;
}

/** The id of the plan, and the digest of the whole file. */
export async function goldenPlan(tools: Surroundings): Promise<{ id: string; file: string }> {
	const maker = await makeRelease();
	const plan = await planPrune({ ...tools, registries: maker.registries }, await maker.read(), {
		...emptyDraft,
		repository: { registry: 'registry.test', repository: 'acme/parts' },
		release: { registry: 'registry.test', repository: 'acme/release', tag: 'pruned' },
		version: '4.20.0-acme.1',
		rewriteVersion: true,
		selfContained: true,
	});
	const text = new TextEncoder().encode(printPlan(plan));
	return { id: plan.id, file: await tools.hash('sha256', text) };
}

/** Many kinds of bytes at once: the gzip stream of this must not change with fflate, platform or time. */
export function goldenBytes(): Uint8Array {
	let state = 1;
	const random = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31);
	return Uint8Array.from({ length: 600_000 }, (_, at) =>
		at % 5 === 0 ? random() % 256 : at % 3 === 0 ? at % 7 : 97 + (at % 11),
	);
}

export const golden = {
	id: 'sha256:70c4a7c06e2490239ca0542f20aec473fc70ae01abfd11615d9e25e8cb46405f',
	file: 'sha256:dd53cd30ea8beabba7b47bb44b79a7476fd2e195826ec412c2a60c84e5add882',
	gzip: 'sha256:9eb5ce8a5d46dcdefd9ecd05045823ccc4a0bf2ebd12e1343ba96ad7a7499998',
};

export function digestOfBytes(bytes: Uint8Array): string {
	return contentOf('', bytes).digest;
}
