/** The verifying stage of a run: everything is read back from where it was written, before any tag moves. */
import { referencedDigests } from '../index/closure.ts';
import type { Document } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import { formatReference } from '../oci/reference.ts';
import type { Problem } from '../registry/problem.ts';
import type { DocumentRequest, PresenceRequest } from '../registry/registries.ts';
import { contentAt, isInPlace, stepsOf, type Plan } from './plan.ts';
import { targetOf, type RunContext } from './run-context.ts';
import type { Item, Run } from './run-state.ts';

/** A plan may come from anybody: what it says a manifest needs has to be what the manifest says. */
function understated(plan: Plan, { step }: Item, document: Document): Problem | undefined {
	if (step.kind !== 'manifest' || isInPlace(step)) return undefined;
	const needed = new Set<string>(step.needs.map((place) => contentAt(plan, place).digest));
	if (isIndexType(document.mediaType)) for (const digest of step.without ?? []) needed.add(digest);
	const unstated = referencedDigests(document).find((digest) => !needed.has(digest));
	if (unstated === undefined) return undefined;
	const reason = `The plan does not say that ${document.digest} needs ${unstated}: it is incomplete, and no tag is moved.`;
	return { code: 'plan-invalid', origin: 'content', reason };
}

function lostBlob({ reference }: PresenceRequest): Problem {
	const { registry } = reference;
	const name = formatReference(reference);
	const reason = `${registry} took ${name}, or a manifest that needs it, but does not have it.`;
	return { code: 'blob-unknown', origin: 'registry', reason, registry, reference: name };
}

/** Those that are not there although the registry took them, or took a manifest that needs them. */
async function* askForBlobs({
	registries,
	run,
	call,
}: RunContext): AsyncGenerator<Run, readonly Item[]> {
	const { plan } = run;
	const items = new Map<PresenceRequest, Item>();
	for (const step of [...stepsOf(plan, 'blob'), ...stepsOf(plan, 'upload')]) {
		const request = { kind: 'blob', reference: targetOf(plan, step), forWriting: true } as const;
		items.set(request, run.item(step));
	}
	const missing: Item[] = [];
	const options = { ...call, fresh: true };
	for await (const result of registries.exists([...items.keys()], options)) {
		const item = items.get(result.request);
		if (!item || (result.ok && result.present)) continue;
		missing.push(run.fail(item, result.ok ? lostBlob(result.request) : result.problem));
		yield run;
	}
	return missing;
}

/** Reads every manifest by digest, and in a deep run asks for every blob. @returns what is not there or not whole */
export async function* verifyContent(context: RunContext): AsyncGenerator<Run, readonly Item[]> {
	const { registries, run, call, deep } = context;
	const { plan } = run;
	run.phase = 'verifying';
	yield run;
	const items = new Map<DocumentRequest, Item>();
	for (const step of stepsOf(plan, 'manifest')) {
		const item = run.item(step);
		if (!item.verified) items.set({ reference: targetOf(plan, step), forWriting: true }, item);
	}
	const missing: Item[] = [];
	const options = { ...call, fresh: true };
	for await (const result of registries.readManifests([...items.keys()], options)) {
		const item = items.get(result.request);
		if (!item) continue;
		const problem = result.ok ? understated(plan, item, result.document) : result.problem;
		if (problem) missing.push(run.fail(item, problem));
		else item.verified = true;
		yield run;
	}
	return deep && missing.length === 0 ? yield* askForBlobs(context) : missing;
}
