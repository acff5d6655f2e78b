/** The writing stage of a run: blobs, what the plan made, then manifests from the bottom up; all by digest. */
import type { BlobCopy, BlobUpload, ManifestPush } from '../registry/registries.ts';
import { batches } from './batches.ts';
import {
	contentAt,
	repositoryAt,
	type BlobStep,
	type ManifestStep,
	type UploadStep,
} from './plan.ts';
import { stopOnFailure, targetOf, type RunContext } from './run-context.ts';
import type { Item, Run } from './run-state.ts';
import { meaningOfRefusal, sparseFirst, type OpenSteps } from './sparse.ts';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}

async function* copyBlobs(
	{ registries, run, call, gate }: RunContext,
	steps: readonly BlobStep[],
): AsyncGenerator<Run> {
	const { plan } = run;
	const copies = new Map<BlobCopy, Item>();
	for (const step of steps) {
		const { sizeBytes } = contentAt(plan, step.content);
		const from = step.from.map((place) => repositoryAt(plan, place));
		copies.set({ to: targetOf(plan, step), sizeBytes, from }, run.item(step));
	}
	const begin = (batch: readonly BlobCopy[]) => registries.copyBlobs(batch, call);
	for await (const event of batches([...copies.keys()], begin, gate)) {
		const item = copies.get(event.copy);
		if (!item) continue;
		if (event.state === 'copying') run.progress(item, event.bytes);
		else if (event.state === 'failed') run.fail(item, event.problem);
		else run.finish(item, event.state);
		yield run;
	}
}

async function* uploadBlobs(
	{ registries, run, call, gate }: RunContext,
	steps: readonly UploadStep[],
): AsyncGenerator<Run> {
	const uploads = new Map<BlobUpload, Item>();
	for (const step of steps) {
		const { bytes = new Uint8Array(), sizeBytes } = contentAt(run.plan, step.content);
		const upload = { to: targetOf(run.plan, step), sizeBytes, content: () => once(bytes) };
		uploads.set(upload, run.item(step));
	}
	const begin = (batch: readonly BlobUpload[]) => registries.putBlobs(batch, call);
	for await (const event of batches([...uploads.keys()], begin, gate)) {
		const item = uploads.get(event.upload);
		if (!item) continue;
		if (event.state === 'sending') run.progress(item, event.bytes);
		else if (event.state === 'failed') run.fail(item, event.problem);
		else run.finish(item, event.state);
		yield run;
	}
}

async function* pushManifests(
	{ registries, run, call, gate }: RunContext,
	steps: readonly ManifestStep[],
	missing: ReadonlySet<ManifestStep>,
): AsyncGenerator<Run> {
	const { plan } = run;
	const pushes = new Map<ManifestPush, Item>();
	for (const step of steps) {
		const { bytes, mediaType } = contentAt(plan, step.content);
		const from = step.from.map((place) => repositoryAt(plan, place));
		const push = { to: targetOf(plan, step), mediaType, isMissing: missing.has(step) };
		pushes.set(bytes ? { ...push, bytes } : { ...push, from }, run.item(step));
	}
	const begin = (batch: readonly ManifestPush[]) => registries.pushManifests(batch, call);
	for await (const result of batches([...pushes.keys()], begin, gate)) {
		const item = pushes.get(result.push);
		if (!item) continue;
		const { step } = item;
		if (result.state !== 'failed') run.finish(item, result.state);
		else if (step.kind !== 'manifest') run.fail(item, result.problem);
		else run.fail(item, meaningOfRefusal(step, result.problem));
		yield run;
	}
}

/** Children before what lists them: a level holds nothing that another of its manifests needs. */
function* levels(steps: readonly ManifestStep[]): Generator<readonly ManifestStep[]> {
	let open = steps;
	while (open.length > 0) {
		const waiting = new Set(open.map(({ to, content }) => `${to} ${content}`));
		const isReady = ({ to, needs }: ManifestStep) =>
			!needs.some((content) => waiting.has(`${to} ${content}`));
		const ready = open.filter(isReady);
		// What needs itself cannot be; the registry will say so.
		yield ready.length > 0 ? ready : open;
		open = ready.length > 0 ? open.filter((step) => !isReady(step)) : [];
	}
}

/**
 * Writes whatever is still queued.
 * @param missing what the target was asked for and has not
 * @throws Stopped where something failed that what follows needs
 */
export async function* writeContent(
	context: RunContext,
	missing: ReadonlySet<ManifestStep>,
): AsyncGenerator<Run> {
	const { run } = context;
	// Whether a registry takes sparse indexes shows at the first of them, before most bytes have moved.
	for (const first of sparseFirst(run.plan, run.missing())) {
		yield* writeSteps(context, first, missing);
	}
	yield* writeSteps(context, run.missing(), missing);
}

async function* writeSteps(
	context: RunContext,
	{ blobs, uploads, manifests }: OpenSteps,
	missing: ReadonlySet<ManifestStep>,
): AsyncGenerator<Run> {
	const { run } = context;
	run.phase = 'copying';
	yield* copyBlobs(context, blobs);
	yield* uploadBlobs(context, uploads);
	stopOnFailure(run);
	run.phase = 'pushing';
	for (const level of levels(manifests)) {
		yield* pushManifests(context, level, missing);
		stopOnFailure(run);
	}
}
