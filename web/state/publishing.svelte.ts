/** What publishing needs in every view, and what outlives them: runs, an opened file, the release just read. */
import type { Plan } from '../../shared/plan/plan.ts';
import type { Registries } from '../../shared/registry/registries.ts';
import type { ReleaseReading } from '../../shared/release/read-release.ts';
import type { Journal } from '../cache/journal.ts';
import type { Location } from './location.svelte.ts';
import { KnownFacts, type AskCapabilities } from './registry-facts.svelte.ts';
import type { RunView } from './run-view.svelte.ts';

/** A plan or receipt that no link leads to. */
export type Opened =
	| {
			readonly kind: 'file';
			readonly name: string;
			readonly file: Blob;
			/** this browser kept it: nobody opened a file */
			readonly isKept?: boolean;
			/** goes on with it at once */
			readonly starts?: boolean;
	  }
	| { readonly kind: 'plan'; readonly name: string; readonly plan: Plan };

export interface PublishingOptions {
	readonly registries: Registries;
	readonly journal: Journal;
	readonly location: Location;
	/** what commands need beside the server's flags, quoted for a shell */
	readonly moreFlags?: (() => string) | undefined;
	/** asks the server what a registry says of what it can do */
	readonly ask?: AskCapabilities | undefined;
}

export class Publishing {
	readonly registries: Registries;
	readonly journal: Journal;
	readonly location: Location;
	/** what registries are known to take */
	readonly facts: KnownFacts;
	runs = $state.raw<readonly RunView[]>([]);
	opened = $state.raw<Opened | undefined>(undefined);
	/** What the server says that commands need on their line to reach the same registries, quoted for a shell. */
	serverFlags = $state('');
	readonly #moreFlags: () => string;
	#read: { readonly ref: string; readonly reading: ReleaseReading } | undefined;

	constructor(options: PublishingOptions) {
		const { registries, journal, location, ask, moreFlags = () => '' } = options;
		this.facts = new KnownFacts(journal, ask);
		this.#moreFlags = moreFlags;
		this.registries = registries;
		this.journal = journal;
		this.location = location;
	}

	/** All that commands need on their line to reach the same registries, quoted for a shell. */
	get commandFlags(): string {
		return [this.serverFlags, this.#moreFlags()].filter(Boolean).join(' ');
	}

	open(opened: Opened): void {
		this.opened = opened;
		this.location.go({ view: 'file' });
	}

	runOf({ id }: Plan): RunView | undefined {
		return this.runs.find(({ plan }) => plan.id === id);
	}

	add(run: RunView): RunView {
		this.runs = [...this.runs.filter(({ plan }) => plan.id !== run.plan.id), run];
		return run;
	}

	/** Leads to where a run is shown. */
	show({ route, title, plan }: RunView): void {
		if (route.view === 'file') this.open({ kind: 'plan', name: title, plan });
		else this.location.go(route);
	}

	/** A plan is made of what was looked at, not of what is there by then. */
	remember(ref: string, reading: ReleaseReading): void {
		this.#read = { ref, reading };
	}

	readingOf(ref: string): ReleaseReading | undefined {
		return this.#read?.ref === ref ? this.#read.reading : undefined;
	}
}
