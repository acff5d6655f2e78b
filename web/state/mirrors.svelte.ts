/**
 * The mirror rules of this tab: those of the server, of a file that was opened here, or of the name in the link,
 * which goes before both. They are kept by name, where the browser keeps anything.
 */
import { SvelteMap } from 'svelte/reactivity';
import { shellWord } from '../../shared/link/prune-command.ts';
import type { Route } from '../../shared/link/route.ts';
import {
	joinNamedMirrors,
	mirrorFileNames,
	type MirrorRules,
	type NamedMirrors,
} from '../../shared/registry/mirror-rules.ts';
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { Database } from '../cache/database.ts';
import type { Location } from './location.svelte.ts';

const storageKey = 'espalier.mirrors';

export interface MirrorsOptions {
	readonly database: Pick<Database, 'mirrors' | 'keepMirrors'>;
	/** False while the user does not want anything kept. */
	readonly keeps: () => boolean;
	readonly location: Pick<Location, 'route' | 'go'>;
}

async function parse(file: File): Promise<NamedMirrors> {
	// YAML and TOML are no small matter: they come when there is a file.
	const { mostMirrorCharacters, parseMirrorFile } =
		await import('../../shared/registry/mirror-file.ts');
	if (file.size > mostMirrorCharacters) {
		const reason = `The file has ${file.size} bytes; no file of mirrors has more than ${mostMirrorCharacters}.`;
		throw new ProblemError({ code: 'mirrors-invalid', origin: 'content', reason });
	}
	return parseMirrorFile(await file.text(), file.name);
}

/** True for a file that is meant to be one of mirrors, whether it can be read or not. */
export async function isMirrorFile(file: File): Promise<boolean> {
	if (/\.(?:ya?ml|toml|conf)$/i.test(file.name)) return true;
	const { looksLikeMirrors } = await import('../../shared/registry/mirror-file.ts');
	return looksLikeMirrors(
		await file
			.slice(0, 65_536)
			.text()
			.catch(() => ''),
	);
}

function partsOf(mirrors: NamedMirrors | undefined): readonly string[] {
	return mirrors ? mirrorFileNames(mirrors) : [];
}

export class Mirrors implements MirrorRules {
	readonly #options: MirrorsOptions;
	readonly #known = new SvelteMap<string, NamedMirrors>();
	#chosen = $state(readChosen());
	#server = $state.raw<NamedMirrors | undefined>(undefined);
	#isGreeted = $state(false);
	#isLoaded = $state(false);
	/** How many files were opened: one may replace another of the same name. */
	opened = $state(0);
	/** Why the last file could not be used. */
	problem = $state.raw<Problem | undefined>(undefined);

	/** The name in the link, where it has one. */
	readonly #linked = $derived.by(() => {
		const { route } = this.#options.location;
		return 'params' in route ? route.params.mirrors : undefined;
	});
	readonly #name = $derived.by(() => {
		if (this.#linked !== undefined) return this.#linked;
		if (this.#chosen === '') return undefined;
		// What was chosen before the page was loaded again may not have been kept.
		const isKnown = this.#chosen !== undefined && this.#known.has(this.#chosen);
		return isKnown ? this.#chosen : this.#server?.name;
	});
	/** The rules in force. */
	readonly on = $derived.by(() =>
		this.#name === undefined ? undefined : this.#known.get(this.#name),
	);
	/** The name of a link that nobody here knows: nothing is read until the user says how. */
	readonly missing = $derived.by(() => (this.isSettled && !this.on ? this.#linked : undefined));
	/** Where the page is: a link without mirrors is read through those of this tab, and handed on with them. */
	readonly route = $derived.by((): Route => {
		const { route } = this.#options.location;
		if (!('params' in route) || !this.on) return route;
		return { ...route, params: { mirrors: this.on.name, ...route.params } };
	});

	constructor(options: MirrorsOptions) {
		this.#options = options;
		void this.#load();
	}

	get rules(): MirrorRules['rules'] {
		return this.on?.rules ?? [];
	}

	/** False until it is known which rules are in force: what was read before would be read elsewhere. */
	get isSettled(): boolean {
		return this.#isGreeted && this.#isLoaded;
	}

	/** What commands need to read in the same places, beside the flags of the server, quoted for a shell. */
	get commandFlags(): string {
		return partsOf(this.on)
			.filter((name) => !partsOf(this.#server).includes(name))
			.map((name) => `--mirrors ${shellWord(name)}`)
			.join(' ');
	}

	/** The server answered: with rules of its own, or without. They are in force until the user says otherwise. */
	greet(mirrors: NamedMirrors | undefined): void {
		this.#server = mirrors;
		if (mirrors) this.#known.set(mirrors.name, mirrors);
		this.#isGreeted = true;
	}

	/** Follows a file, beside what is followed already; one of the same name takes the place of all. */
	async open(file: File): Promise<void> {
		this.problem = undefined;
		try {
			const read = await parse(file);
			const before = partsOf(this.on).includes(read.name) ? undefined : this.on;
			const joined = joinNamedMirrors(before ? [before, read] : [read]) ?? read;
			this.#known.set(joined.name, joined);
			this.opened += 1;
			this.#choose(joined.name);
			if (this.#options.keeps()) await this.#options.database.keepMirrors(joined);
		} catch (error) {
			const problem = problemOf(error);
			this.problem = { ...problem, reason: `“${file.name}”: ${problem.reason}` };
		}
	}

	/** Reads where names point, until another file is opened. */
	off(): void {
		this.#choose('');
	}

	#choose(name: string): void {
		this.#chosen = name;
		try {
			sessionStorage.setItem(storageKey, name);
		} catch {
			// It then lasts as long as the page.
		}
		const { location } = this.#options;
		const { route } = location;
		if (!('params' in route)) return;
		const { mirrors: _, ...params } = route.params;
		location.go(
			{ ...route, params: { ...params, ...(name && { mirrors: name }) } },
			{ replace: true },
		);
	}

	async #load(): Promise<void> {
		for (const mirrors of await this.#options.database.mirrors()) {
			if (!this.#known.has(mirrors.name)) this.#known.set(mirrors.name, mirrors);
		}
		this.#isLoaded = true;
	}
}

/** Undefined where this tab has chosen nothing yet, empty where it has chosen none. */
function readChosen(): string | undefined {
	try {
		return sessionStorage.getItem(storageKey) ?? undefined;
	} catch {
		return undefined;
	}
}
