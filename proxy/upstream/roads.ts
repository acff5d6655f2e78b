/** How fast each registry may be asked, whoever asks. */
import { BoundedMap } from './bounded-map.ts';
import type { Reach } from './egress.ts';
import { Places } from './places.ts';
import { Gate } from './retry.ts';
import { Width, type WidthOptions } from './width.ts';

/** What all clients share on their way to one registry. */
export interface Road {
	readonly width: Width;
	readonly gate: Gate;
}

/** Content can name any number of registries; four of the widest fit. */
const requestsInFlight = 256;
const mostRoads = 10_000;

export class Roads {
	readonly #width: WidthOptions | undefined;
	readonly #roads = new BoundedMap<string, Road>(mostRoads);
	/** Of all registries together. */
	readonly places = new Places(requestsInFlight);

	constructor(width?: WidthOptions) {
		this.#width = width;
	}

	to(registry: string, reach: Reach): Road {
		const key = `${reach} ${registry}`;
		const known = this.#roads.get(key);
		if (known) return known;
		const road = { width: new Width(this.#width), gate: new Gate() };
		this.#roads.set(key, road);
		return road;
	}
}
