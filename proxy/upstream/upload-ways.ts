/** How each registry wants its blobs: found out by one upload for all others. */
import { BoundedMap } from './bounded-map.ts';
import { Places } from './places.ts';

const MiB = 1024 * 1024;
/** Each is kept in memory until the registry has it. */
export interface PartSizes {
	/** Some registries take no parts of less than 5 MiB. */
	readonly usualBytes: number;
	readonly smallestBytes: number;
	readonly largestBytes: number;
}

const partSizes: PartSizes = {
	usualBytes: 8 * MiB,
	smallestBytes: 256 * 1024,
	largestBytes: 64 * MiB,
};
/** Of all uploads, as their parts are in memory: 192 MiB at most, with those in larger parts. */
const uploadsInPartsAtOnce = 8;
/** Of those in parts larger than usual, as some registries want them. */
const uploadsInLargePartsAtOnce = 2;
const mostRegistries = 10_000;

/** In one request, in one part and an empty request that ends it, or in parts of so many bytes. */
export type UploadWay =
	{ readonly kind: 'whole' | 'one-part' } | { readonly kind: 'parts'; readonly partBytes: number };

interface Known {
	takesWhole: boolean;
	takesParts: boolean;
	/** set where parts are worth their requests */
	partBytes: number | undefined;
}

export class UploadWays {
	readonly #places = new Places(uploadsInPartsAtOnce);
	readonly #largePlaces = new Places(uploadsInLargePartsAtOnce);
	readonly #sizes: PartSizes;
	readonly #known = new BoundedMap<string, Known>(mostRegistries);

	constructor(sizes: PartSizes = partSizes) {
		this.#sizes = sizes;
	}

	/** @param leastPartBytes as the registry asks for it (OCI-Chunk-Min-Length), 0 where it does not */
	wayFor(registry: string, sizeBytes: number, leastPartBytes: number): UploadWay {
		const { takesWhole, takesParts, partBytes } = this.#of(registry);
		const size = Math.max(partBytes ?? 0, leastPartBytes);
		const fits = size <= this.#sizes.largestBytes && size < sizeBytes;
		if (takesParts && partBytes !== undefined && fits) return { kind: 'parts', partBytes: size };
		return { kind: takesWhole ? 'whole' : 'one-part' };
	}

	/** For uploads in parts of that size: a place is taken before the first and given back after the last. */
	placesFor(partBytes: number): Pick<Places, 'enter' | 'leave'> {
		return partBytes > this.#sizes.usualBytes ? this.#largePlaces : this.#places;
	}

	/** It takes no blob in one request. */
	noteNotWhole(registry: string): void {
		this.#of(registry).takesWhole = false;
	}

	/** It takes no blob in one part either, as far as is known: the other way is as good. */
	noteNotOnePart(registry: string): void {
		this.#of(registry).takesWhole = true;
	}

	/** It takes no parts with a place of their own. */
	noteNoParts(registry: string): void {
		this.#of(registry).takesParts = false;
	}

	/** It, or something before it, takes no body of that size. @returns false where no smaller one is tried */
	noteTooLarge(registry: string, bodyBytes: number): boolean {
		const known = this.#of(registry);
		const half = Math.floor(bodyBytes / 2);
		if (!known.takesParts || half < this.#sizes.smallestBytes) return false;
		known.partBytes = Math.min(known.partBytes ?? this.#sizes.usualBytes, half);
		return true;
	}

	/** A body broke off in its middle: in parts the next loses no more than a part. */
	noteBrokenOff(registry: string): void {
		this.#of(registry).partBytes ??= this.#sizes.usualBytes;
	}

	/** A login was refused after so many bytes; where that took long, each part has its own the next time. */
	noteLoginRefused(registry: string, afterBytes: number): void {
		if (afterBytes > this.#sizes.usualBytes) this.noteBrokenOff(registry);
	}

	#of(registry: string): Known {
		const known = this.#known.get(registry);
		if (known) return known;
		const fresh: Known = { takesWhole: true, takesParts: true, partBytes: undefined };
		this.#known.set(registry, fresh);
		return fresh;
	}
}
