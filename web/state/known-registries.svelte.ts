/**
 * The registries that this user named or approved. A link, or a file from somebody else, may name any host: the
 * proxy must not be made to read from one that its user never heard of.
 */
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { parseRoute, type Route } from '../../shared/link/route.ts';
import { parseReference, storeRegistry } from '../../shared/oci/reference.ts';
import type { Database } from '../cache/database.ts';
import { isWellKnownRegistry } from './well-known-registries.ts';

const storageKey = 'espalier.registries';

export interface KnownRegistriesOptions {
	readonly database: Pick<Database, 'registries' | 'keepRegistries'>;
	/** False while the user does not want anything kept: this tab alone then remembers. */
	readonly keeps: () => boolean;
}

function registryOf(text: string | undefined): readonly string[] {
	const parsed = text === undefined ? undefined : parseReference(text);
	return parsed?.ok ? [parsed.reference.registry] : [];
}

/** Every registry that showing this route asks. */
export function registriesOf(route: Route): readonly string[] {
	if (!('params' in route)) return [];
	const { ref, to, release } = route.params;
	// A selection is looked at without asking its target.
	const names = route.view === 'plan' ? [ref, to, release] : [ref];
	return names.flatMap(registryOf).filter((one, at, all) => all.indexOf(one) === at);
}

export class KnownRegistries {
	readonly #options: KnownRegistriesOptions;
	readonly #approved = new SvelteSet<string>();
	/** what stands in a field because the user typed it there */
	readonly #typed = new SvelteMap<string, string>();
	#isLoaded = $state(false);

	constructor(options: KnownRegistriesOptions) {
		this.#options = options;
		void this.#load();
	}

	/** False until it is known what was approved before. */
	get isLoaded(): boolean {
		return this.#isLoaded;
	}

	isKnown(registry: string): boolean {
		if (registry === storeRegistry || isWellKnownRegistry(registry)) return true;
		if (this.#approved.has(registry)) return true;
		return [...this.#typed.values()].some((text) => registryOf(text).includes(registry));
	}

	/** Those about which the user is to be asked first. */
	strangersAmong(registries: readonly string[]): readonly string[] {
		return registries.filter((registry) => !this.isKnown(registry));
	}

	/** The user said so, here or by naming it. */
	approve(registries: readonly string[]): void {
		const added = registries.filter((registry) => !this.#approved.has(registry));
		for (const registry of added) this.#approved.add(registry);
		if (added.length === 0) return;
		if (this.#options.keeps()) void this.#options.database.keepRegistries(added);
		else writeOfTab([...this.#approved]);
	}

	/** The user typed a whole reference, and wants it read. */
	approveReference(text: string): void {
		this.approve(registryOf(text));
	}

	/** The user named a route outside of the page. */
	approveRoute(fragment: string): void {
		const { route } = parseRoute(fragment);
		this.approve(registriesOf(route));
	}

	/** What the user types into a field is known while it stands there; `settle` remembers it. */
	type(field: string, text: string): void {
		this.#typed.set(field, text);
	}

	/** The user is done with a field. What a link put there is nothing that was typed. */
	settle(field: string): void {
		const text = this.#typed.get(field);
		if (text !== undefined) this.approveReference(text);
	}

	/** The operator of this server named these, as `registry` or `registry/namespace`. */
	serve(registries: readonly string[]): void {
		for (const served of registries) this.#approved.add(served.split('/')[0] ?? '');
	}

	async #load(): Promise<void> {
		for (const registry of readOfTab()) this.#approved.add(registry);
		for (const registry of await this.#options.database.registries()) this.#approved.add(registry);
		this.#isLoaded = true;
	}
}

function readOfTab(): readonly string[] {
	try {
		const kept: unknown = JSON.parse(sessionStorage.getItem(storageKey) ?? '[]');
		return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
	} catch {
		return [];
	}
}

function writeOfTab(registries: readonly string[]): void {
	try {
		sessionStorage.setItem(storageKey, JSON.stringify(registries));
	} catch {
		// It then lasts as long as the page.
	}
}
