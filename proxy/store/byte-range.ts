/** `Range` of a download (RFC 9110 §14.2) and `Content-Range` of an upload (distribution-spec, "Pushing a blob in chunks"). */

/** From `start` up to but not including `end`, in bytes. */
export interface ByteRange {
	readonly start: number;
	readonly end: number;
}

/**
 * The one range that a request asks for; undefined where the whole is to be sent: no header, another
 * unit, several ranges at once, bad syntax.
 */
export function requestedRange(
	header: string | null,
	sizeBytes: number,
): ByteRange | 'unsatisfiable' | undefined {
	const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '');
	const [, first = '', last = ''] = match ?? [];
	if (first === '' && last === '') return undefined;
	if (first === '') {
		const length = Math.min(Number(last), sizeBytes);
		return length === 0 ? 'unsatisfiable' : { start: sizeBytes - length, end: sizeBytes };
	}
	const start = Number(first);
	if (last !== '' && Number(last) < start) return undefined;
	if (start >= sizeBytes) return 'unsatisfiable';
	return { start, end: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}

/** The place of a chunk, written `0-99`, or `bytes 0-99/*` as some clients do; undefined for anything else. */
export function chunkRange(header: string): ByteRange | undefined {
	const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
	const [, first, last] = match ?? [];
	if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined;
	return { start: Number(first), end: Number(last) + 1 };
}
