/** How much goes to each registry at a time, whoever sends it. One a process. */
import type { Repository } from '../../shared/oci/reference.ts';
import { Places } from '../upstream/places.ts';
import { BodyPlaces } from './body-places.ts';

/** Registries that take requests no faster answer each of them later. */
const beginningsAtOnce = 64;
/** Each may hold a whole manifest in memory. */
const manifestsAtOnce = 64;

interface RegistryTraffic {
	readonly bodies: BodyPlaces;
	readonly beginnings: Places;
	readonly manifests: Places;
}

export class Traffic {
	readonly #clock: () => number;
	readonly #registries = new Map<string, RegistryTraffic>();

	/** @param clock in milliseconds */
	constructor(clock: () => number) {
		this.#clock = clock;
	}

	to({ registry }: Repository): RegistryTraffic {
		const known = this.#registries.get(registry);
		if (known) return known;
		const traffic = {
			bodies: new BodyPlaces(this.#clock),
			beginnings: new Places(beginningsAtOnce),
			manifests: new Places(manifestsAtOnce),
		};
		this.#registries.set(registry, traffic);
		return traffic;
	}
}
