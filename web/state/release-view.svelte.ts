/** One release being looked at: reads it, and decides anew what is known as documents arrive. */
import { formatReference, parseReference, type Reference } from '../../shared/oci/reference.ts';
import type { Problem } from '../../shared/registry/problem.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { assessCoverage, type ComponentCoverage } from '../../shared/release/coverage.ts';
import { releaseFacts } from '../../shared/release/facts.ts';
import { inflate } from '../api/inflate.ts';
import type { PayloadSource } from '../../shared/release/read-payload.ts';
import { indexPullspecs } from '../../shared/release/pullspec-index.ts';
import {
	isRelease,
	readRelease,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';

/** While documents arrive, everything is decided anew at most this often. */
const decideEveryMs = 160;

/** A new stage is drawn when its requests are on their way: drawing the matrix for the first time takes longer than sending them. */
const stageShownAfterMs = 100;

const nowhere: readonly string[] = [];

export class ReleaseView {
	readonly #source: PayloadSource;
	readonly text: string;
	readonly reference: Reference | undefined;
	readonly invalid: Problem | undefined;

	#reading = $state.raw<ReleaseReading | undefined>(undefined);
	// The reading grows in place; each count stands for a state of it.
	#version = $state(0);
	/** A release that is shown is being read again. */
	isRereading = $state(false);
	/** Why that did not work; what was read before stays in view. */
	rereadingProblem = $state.raw<Problem | undefined>(undefined);
	#abort: AbortController | undefined;
	#showing: ReturnType<typeof setTimeout> | undefined;

	readonly current = $derived.by(() => {
		void this.#version;
		return this.#reading && { ...this.#reading };
	});
	readonly stage = $derived(this.current?.stage ?? 'release');
	readonly isDone = $derived(this.stage === 'done');
	readonly problem = $derived(this.current?.problem);
	readonly root = $derived(this.current?.root);
	readonly images = $derived(this.current?.images ?? []);
	readonly isRelease = $derived(this.current !== undefined && isRelease(this.current));
	readonly facts = $derived(this.current && releaseFacts(this.current));
	readonly coverage = $derived(this.current && assessCoverage(this.current));
	readonly checkedAt = $derived(this.isDone ? this.current?.documents.checkedAt : undefined);
	readonly payload = $derived(this.current?.payload);
	/** Searching the whole payload waits until nothing else is to be done. */
	readonly #usedIn = $derived(
		this.isDone && this.payload ? indexPullspecs(this.payload) : undefined,
	);

	constructor(text: string, registries: RegistryReader) {
		this.#source = { registries, inflate };
		this.text = text;
		const parsed = parseReference(text);
		if (parsed.ok) this.reference = parsed.reference;
		else {
			this.invalid = {
				code: 'reference-invalid',
				origin: 'browser',
				reason: parsed.reason,
				reference: text,
			};
		}
	}

	/** The names of the payload files that name a component. */
	usedIn({ component }: ComponentCoverage): readonly string[] {
		return this.#usedIn?.get(component.pullspec) ?? nowhere;
	}

	/** The reference by digest, once a tag is resolved. */
	get permanent(): string | undefined {
		const { reference, root } = this;
		return reference && root && formatReference({ ...reference, digest: root.digest });
	}

	/** Reads, or reads again. `fresh` asks the registry also for what this browser keeps. */
	async read({ fresh = false } = {}): Promise<void> {
		if (!this.reference) return;
		this.stop();
		const abort = new AbortController();
		const { signal } = abort;
		this.#abort = abort;
		const reading = startReading(this.reference);
		// What was read before stays in view until there is something to take its place.
		const before = this.#reading?.payload ? this.#reading : undefined;
		this.isRereading = before !== undefined;
		this.rereadingProblem = undefined;
		if (!before) this.#reading = reading;
		let stage = reading.stage;
		try {
			for await (const step of readRelease(this.#source, reading, { signal, fresh })) {
				if (!before) this.#showWithin(step.stage === stage ? decideEveryMs : stageShownAfterMs);
				stage = step.stage;
			}
			if (reading.problem && before) this.rereadingProblem = reading.problem;
			else this.#reading = reading;
			this.isRereading = false;
			this.#showNow();
		} catch (error) {
			if (!signal.aborted) throw error;
		}
	}

	stop(): void {
		this.#abort?.abort();
		clearTimeout(this.#showing);
		this.#showing = undefined;
	}

	/** Deciding and drawing go on beside the reading, which never waits for them. */
	#showWithin(ms: number): void {
		this.#showing ??= setTimeout(() => this.#showNow(), ms);
	}

	#showNow(): void {
		clearTimeout(this.#showing);
		this.#showing = undefined;
		this.#version += 1;
	}
}
