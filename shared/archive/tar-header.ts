/** Tar headers of all dialects that are met: V7, ustar, GNU and PAX (POSIX.1-2024 pax, GNU tar manual "Basic Tar Format"). */
import { ProblemError } from '../registry/problem.ts';

export const blockBytes = 512;

const fields = {
	name: [0, 100],
	size: [124, 12],
	checksum: [148, 8],
	magic: [257, 6],
	prefix: [345, 155],
} as const;
const typeOffset = 156;
const mostMetadataBytes = 1024 * 1024;

/** The contents of other headers: names and sizes that do not fit in theirs. */
const metadataTypes = 'xgLK';
/** GNU's old form of files with holes; the newer ones are in PAX records (GNU tar manual, "Sparse Formats"). */
const sparseType = 'S';
const sparseRecords = 'GNU.sparse.';

/** Links, devices, folders and pipes: whatever their size field says, no data follows. */
const bodylessTypes = '123456';

/** Where an entry's size is written: in its header in octal or binary, or in a PAX record before it. */
export type SizeForm = 'octal' | 'binary' | 'pax';

export type TarHeader =
	| { readonly kind: 'end' }
	/** Its content is for `addMetadata`. */
	| { readonly kind: 'metadata'; readonly type: string; readonly sizeBytes: number }
	| {
			readonly kind: 'entry';
			readonly name: string;
			readonly isFile: boolean;
			/** Its data is not its content, but what lies between the holes. */
			readonly isSparse: boolean;
			readonly sizeBytes: number;
			readonly sizeForm: SizeForm;
	  };

interface Overrides {
	name?: string;
	sizeBytes?: number;
	isSparse?: boolean;
}

export function malformedArchive(why: string): never {
	const reason = `It is not a complete tar archive (${why}).`;
	throw new ProblemError({ code: 'malformed', origin: 'content', reason });
}

/** Padded to whole blocks. */
export function paddedBytes(sizeBytes: number): number {
	return Math.ceil(sizeBytes / blockBytes) * blockBytes;
}

function fieldOf(block: Uint8Array, [offset, length]: readonly [number, number]): Uint8Array {
	return block.subarray(offset, offset + length);
}

/** A byte is a character: fields of numbers are ASCII, and others are only compared. */
function asciiOf(bytes: Uint8Array): string {
	return String.fromCharCode(...bytes);
}

function textOf(bytes: Uint8Array): string {
	const end = bytes.indexOf(0);
	return new TextDecoder('utf-8').decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function isBinary(field: Uint8Array): boolean {
	return ((field[0] ?? 0) & 0x80) !== 0;
}

function readNumber(field: Uint8Array): number {
	if (isBinary(field)) {
		const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f);
		return Number.isSafeInteger(value) ? value : malformedArchive('a size is out of range');
	}
	const match = /^ *([0-7]*)(?:[ \0]|$)/.exec(asciiOf(field));
	if (!match) malformedArchive('a number is not octal');
	return parseInt(match[1] || '0', 8);
}

/** Writes a number in the form that is there: as many digits, the same padding, the same end. */
function writeNumber(field: Uint8Array, value: number): boolean {
	if (isBinary(field)) {
		let rest = value;
		for (let at = field.length - 1; at > 0; at -= 1) {
			field[at] = rest % 256;
			rest = Math.floor(rest / 256);
		}
		field[0] = 0x80;
		return rest === 0;
	}
	const [written = '', blanks = ''] = /^( *)[0-7]*/.exec(asciiOf(field)) ?? [];
	const digits = value.toString(8).padStart(written.length, blanks ? ' ' : '0');
	if (digits.length > written.length) return false;
	for (let at = 0; at < digits.length; at += 1) field[at] = digits.charCodeAt(at);
	return true;
}

/** The sum of all bytes, with the checksum's own counted as blanks. */
function checksumOf(block: Uint8Array): number {
	let sum = 0;
	for (const byte of block) sum += byte;
	for (const byte of fieldOf(block, fields.checksum)) sum += 0x20 - byte;
	return sum;
}

/**
 * The same header with another size.
 * @throws ProblemError `unsupported` where the size does not fit in the field as it is written
 */
export function resizedHeader(block: Uint8Array, sizeBytes: number): Uint8Array {
	const resized = new Uint8Array(block);
	const fits =
		writeNumber(fieldOf(resized, fields.size), sizeBytes) &&
		writeNumber(fieldOf(resized, fields.checksum), checksumOf(resized));
	if (fits) return resized;
	throw new ProblemError({
		code: 'unsupported',
		origin: 'content',
		reason: `The archive has no room for a size of ${sizeBytes} bytes in the header of ${JSON.stringify(textOf(fieldOf(block, fields.name)))}.`,
	});
}

const paxLength = /^([1-9][0-9]{0,9}) /;

/** Reads `length key=value\n`, again and again; lengths count bytes. */
function readPax(bytes: Uint8Array): Overrides {
	const overrides: Overrides = {};
	const decoder = new TextDecoder('utf-8');
	for (let at = 0; at < bytes.length;) {
		const [prefix = '', digits] = paxLength.exec(asciiOf(bytes.subarray(at, at + 11))) ?? [];
		const length = Number(digits);
		if (!(length > prefix.length) || at + length > bytes.length) {
			malformedArchive('a PAX record is damaged');
		}
		const record = decoder.decode(bytes.subarray(at + prefix.length, at + length - 1));
		const equals = record.indexOf('=');
		const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
		if (key === 'path') overrides.name = value;
		if (key.startsWith(sparseRecords)) overrides.isSparse = true;
		if (key === 'size') overrides.sizeBytes = /^[0-9]{1,16}$/.test(value) ? Number(value) : NaN;
		at += length;
	}
	return overrides;
}

/** Reads the headers of one archive, in order. */
export class TarHeaders {
	#all: Overrides = {};
	#next: Overrides = {};

	/** @throws ProblemError `malformed` where the checksum is wrong or a number cannot be read */
	read(block: Uint8Array): TarHeader {
		if (block.every((byte) => byte === 0)) return { kind: 'end' };
		if (readNumber(fieldOf(block, fields.checksum)) !== checksumOf(block)) {
			malformedArchive('the checksum of a header is wrong');
		}
		const type = String.fromCharCode(block[typeOffset] ?? 0);
		const field = fieldOf(block, fields.size);
		const ownBytes = readNumber(field);
		if (metadataTypes.includes(type)) {
			if (ownBytes > mostMetadataBytes) malformedArchive('a header is too large');
			return { kind: 'metadata', type, sizeBytes: ownBytes };
		}
		const overrides = { ...this.#all, ...this.#next };
		this.#next = {};
		const stated = overrides.sizeBytes ?? ownBytes;
		if (!Number.isSafeInteger(stated) || stated < 0) malformedArchive('a size is out of range');
		const hasBody = !bodylessTypes.includes(type);
		const name = overrides.name ?? this.#nameIn(block);
		const ownForm = isBinary(field) ? 'binary' : 'octal';
		return {
			kind: 'entry',
			name,
			isFile: hasBody && !name.endsWith('/'),
			isSparse: type === sparseType || overrides.isSparse === true,
			sizeBytes: hasBody ? stated : 0,
			sizeForm: overrides.sizeBytes === undefined ? ownForm : 'pax',
		};
	}

	addMetadata(type: string, content: Uint8Array): void {
		if (type === 'L') this.#next = { ...this.#next, name: textOf(content) };
		if (type === 'x') this.#next = { ...this.#next, ...readPax(content) };
		if (type === 'g') this.#all = { ...this.#all, ...readPax(content) };
	}

	#nameIn(block: Uint8Array): string {
		const name = textOf(fieldOf(block, fields.name));
		// GNU's own magic ends in blanks, and has other things where ustar has the prefix.
		const isUstar = asciiOf(fieldOf(block, fields.magic)) === 'ustar\0';
		const prefix = isUstar ? textOf(fieldOf(block, fields.prefix)) : '';
		return prefix ? `${prefix}/${name}` : name;
	}
}
