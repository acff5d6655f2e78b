/** Holds requests back in a front until they are let go: the middle of a run, for as long as a test needs it. */
import type { Front, FrontRequest } from './front.ts';

export interface HeldBack {
	/** Resolves when the first one is there. */
	readonly begun: Promise<void>;
	letGo(): void;
}

export function isBlobUpload({ method, path }: FrontRequest): boolean {
	return method === 'PUT' && path.includes('/blobs/uploads/');
}

export function holdBack(front: Front, isHeld: (request: FrontRequest) => boolean): HeldBack {
	let letGo: () => void = () => undefined;
	let begin: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => (letGo = resolve));
	const begun = new Promise<void>((resolve) => (begin = resolve));
	front.meddle = async (request) => {
		if (isHeld(request)) {
			begin();
			await gate;
		}
		return undefined;
	};
	return { begun, letGo };
}
