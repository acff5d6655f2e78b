/** What running a plan would cost now. It stands beside the plan, never in it: the world changes, the plan does not. */
import { byDigest, formatReference } from '../oci/reference.ts';
import type { RegistryReader } from '../registry/registries.ts';
import { contentAt, repositoryAt, stepsOf, type BlobStep, type Plan } from './plan.ts';
import { presentManifests, type LookOptions } from './survey.ts';

/** How many, and how many bytes together. */
export interface Amount {
	readonly count: number;
	readonly bytes: number;
}

export interface Estimate {
	readonly present: Amount;
	/** in the target's own registry: taken over without being sent */
	readonly mountable: Amount;
	readonly toCopy: Amount;
	/** made by this plan and not there yet */
	readonly toUpload: Amount;
	readonly manifests: { readonly present: number; readonly toPush: number };
	/** how many requests to the target, roughly */
	readonly requests: number;
}

/** A look, an upload begun, an upload sent; a look, a push, a read; a look, a read, a push, a look, a read. */
const requestsFor = { copy: 3, mount: 1, manifest: 3, tag: 5 } as const;

function amountOf(plan: Plan, steps: readonly { readonly content: number }[]): Amount {
	const bytes = steps.reduce((sum, { content }) => sum + contentAt(plan, content).sizeBytes, 0);
	return { count: steps.length, bytes };
}

function isMountable(plan: Plan, { to, from }: BlobStep): boolean {
	const { registry } = repositoryAt(plan, to);
	return from.some((place) => repositoryAt(plan, place).registry === registry);
}

async function presentBlobs(
	plan: Plan,
	registries: RegistryReader,
	steps: readonly { readonly to: number; readonly content: number }[],
	options: LookOptions,
): Promise<ReadonlySet<string>> {
	const requests = steps.map(({ to, content }) => ({
		kind: 'blob' as const,
		reference: byDigest(repositoryAt(plan, to), contentAt(plan, content).digest),
		forWriting: options.asWriter,
	}));
	const present = new Set<string>();
	const call = { signal: options.signal, fresh: true, exact: true };
	for await (const result of registries.exists(requests, call)) {
		// Where a registry does not say, it counts as not there: the estimate is then too high, never too low.
		if (result.ok && result.present) present.add(formatReference(result.request.reference));
	}
	return present;
}

/** @throws ProblemError where the target does not say what it has */
export async function estimate(
	plan: Plan,
	registries: RegistryReader,
	options: LookOptions = {},
): Promise<Estimate> {
	const there = await presentManifests(plan, registries, options);
	const manifests = stepsOf(plan, 'manifest');
	const needed = new Set(
		manifests
			.filter((step) => !there.has(step))
			.flatMap(({ to, needs }) => needs.map((content) => `${to} ${content}`)),
	);
	const isNeeded = ({ to, content }: { to: number; content: number }) =>
		needed.has(`${to} ${content}`);
	const blobs = stepsOf(plan, 'blob');
	const uploads = stepsOf(plan, 'upload');
	const mountable = blobs.filter((step) => isNeeded(step) && isMountable(plan, step));
	const open = [...blobs.filter((step) => isNeeded(step) && !isMountable(plan, step))];
	const toSend = uploads.filter(isNeeded);
	const present = await presentBlobs(plan, registries, [...open, ...toSend], options);
	const isThere = ({ to, content }: { to: number; content: number }) =>
		present.has(formatReference(byDigest(repositoryAt(plan, to), contentAt(plan, content).digest)));
	const toCopy = open.filter((step) => !isThere(step));
	const toUpload = toSend.filter((step) => !isThere(step));
	const toPush = manifests.length - there.size;
	return {
		present: amountOf(plan, [
			...[...blobs, ...uploads].filter((step) => !isNeeded(step)),
			...[...open, ...toSend].filter(isThere),
		]),
		mountable: amountOf(plan, mountable),
		toCopy: amountOf(plan, toCopy),
		toUpload: amountOf(plan, toUpload),
		manifests: { present: there.size, toPush },
		requests:
			(toCopy.length + toUpload.length) * requestsFor.copy +
			mountable.length * requestsFor.mount +
			toPush * requestsFor.manifest +
			there.size +
			stepsOf(plan, 'tag').length * requestsFor.tag,
	};
}
