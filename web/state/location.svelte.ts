/** The address bar as state: the whole router. */
import { createSubscriber } from 'svelte/reactivity';
import { on } from 'svelte/events';
import { parseEntry } from '../../shared/link/entry.ts';
import { formatRoute, parseRoute, type ParsedRoute, type Route } from '../../shared/link/route.ts';

export class Location {
	#subscribe = createSubscriber((update) => on(window, 'hashchange', update));
	// pushState and replaceState fire no event.
	#version = $state(0);

	#parsed: ParsedRoute = $derived.by(() => {
		this.#subscribe();
		void this.#version;
		const { hash } = window.location;
		// The session takes entries away; until it has, they are never read as a view, nor quoted.
		return parseRoute(parseEntry(hash)?.to ?? hash);
	});

	get route(): Route {
		return this.#parsed.route;
	}

	get notices(): readonly string[] {
		return this.#parsed.notices;
	}

	go(route: Route, { replace = false } = {}): void {
		history[replace ? 'replaceState' : 'pushState'](null, '', formatRoute(route));
		this.#version += 1;
	}
}
