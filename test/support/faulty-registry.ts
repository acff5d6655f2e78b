/** A front before a real registry that has bad days: which fault meets which request follows from a seed. */
import { startFront, type Front, type FrontRequest, type Meddling } from './front.ts';

export interface FaultyRegistry {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	readonly front: Front;
	/** What happened to which request, for whoever has to understand a seed. */
	readonly story: readonly string[];
	/** Everything goes wrong from here on as that seed has it. */
	sicken(seed: number): void;
	/** Everything goes through from here on. */
	heal(): void;
	stop(): Promise<void>;
}

/** Numbers in [0, 1) that are the same for the same text (FNV-1a, then mulberry32). */
export function seededRandom(text: string): () => number {
	let state = 0x811c9dc5;
	for (const letter of text) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

type Random = () => number;
type Kind = 'blob' | 'manifest' | 'tag' | 'begin' | 'upload' | 'other';

interface Fault {
	readonly name: string;
	/** of which requests it can be; all, where it is left out */
	readonly of?: (request: FrontRequest, kind: Kind) => boolean;
	/** Nobody gets over it by trying again. */
	readonly isGrave?: boolean;
	readonly make: (random: Random) => Meddling | Promise<Meddling | undefined>;
}

const reads = ({ method }: FrontRequest): boolean => method === 'GET';
const looks = ({ method }: FrontRequest): boolean => method === 'GET' || method === 'HEAD';
const sends = ({ method }: FrontRequest): boolean => method === 'PUT' || method === 'PATCH';
const writes = (request: FrontRequest): boolean => sends(request) || request.method === 'POST';
const locates = (_request: FrontRequest, kind: Kind): boolean =>
	kind === 'begin' || kind === 'upload';

/** Bytes within the small blobs and manifests, and within large ones. */
function somewhere(random: Random): number {
	return Math.floor(random() * (random() < 0.5 ? 400 : 120_000));
}

function corrupted(random: Random): (body: Buffer) => Buffer {
	return (body) => {
		const other = Buffer.from(body);
		const at = Math.floor(random() * body.length);
		if (body.length > 0) other[at] = (other[at] ?? 0) ^ 1;
		return other;
	};
}

function answer(status: number, headers: Readonly<Record<string, string>> = {}): Fault {
	const described = Object.values(headers).join(' ');
	return {
		name: `answers ${status} ${described}`.trim(),
		make: () => ({ kind: 'answer', status, headers }),
	};
}

function redirect(name: string, location: (random: Random) => string): Fault {
	return {
		name: `redirects ${name}`,
		isGrave: true,
		of: looks,
		make: (random) => ({
			kind: 'answer',
			status: [301, 302, 303, 307, 308][Math.floor(random() * 5)] ?? 302,
			headers: { location: location(random) },
		}),
	};
}

function header(name: string, value: (old: string) => string, of?: Fault['of']): Fault {
	return {
		name: `another ${name}: ${value('…')}`,
		...(of && { of }),
		make: () => ({
			kind: 'headers',
			change: (headers) => {
				const old = headers[name];
				return typeof old === 'string' ? { ...headers, [name]: value(old) } : headers;
			},
		}),
	};
}

/** The address that means the same, said in another way. */
function relocated(name: string, say: (url: URL) => string): Fault {
	return {
		...header('location', (old) => (URL.canParse(old) ? say(new URL(old)) : old), locates),
		name: `says a Location ${name}`,
	};
}

function grave(fault: Fault): Fault {
	return { ...fault, isGrave: true };
}

function delayed(name: string, ms: number): Fault {
	return {
		name,
		make: () => new Promise((resolve) => setTimeout(() => resolve(undefined), ms)),
	};
}

const anHour = 3_600_000;

const faults: readonly Fault[] = [
	delayed('answers late', 40),
	delayed('answers much too late', 700),
	...[408, 429, 500, 502, 503, 504].map((status) => answer(status)),
	...[401, 403, 404].map((status) => grave(answer(status))),
	answer(429, { 'retry-after': '1' }),
	answer(503, { 'retry-after': '1' }),
	answer(429, { 'retry-after': new Date(0).toUTCString() }),
	grave(answer(429, { 'retry-after': '3600' })),
	{
		name: 'answers 429, an hour by date',
		isGrave: true,
		make: () => {
			const headers = { 'retry-after': new Date(Date.now() + anHour).toUTCString() };
			return { kind: 'answer', status: 429, headers };
		},
	},
	grave({ ...answer(507), of: writes }),
	{
		name: 'answers 500, disk full',
		isGrave: true,
		of: writes,
		make: () => ({
			kind: 'answer',
			status: 500,
			body: { errors: [{ code: 'UNKNOWN', message: 'no space left on device' }] },
		}),
	},
	{
		name: 'answers early',
		of: sends,
		make: (random) => ({
			kind: 'answer',
			status: [201, 202, 413, 500, 503][Math.floor(random() * 5)] ?? 500,
			isEarly: true,
		}),
	},
	{ name: 'resets before the answer', make: () => ({ kind: 'cut-request', afterBytes: 0 }) },
	{
		name: 'resets within the request',
		of: sends,
		make: (random) => ({ kind: 'cut-request', afterBytes: 1 + somewhere(random) }),
	},
	{
		name: 'resets within the answer',
		of: looks,
		make: (random) => ({ kind: 'cut-answer', afterBytes: somewhere(random) }),
	},
	{
		name: 'stalls within the answer',
		of: reads,
		make: (random) => ({ kind: 'stall-answer', afterBytes: somewhere(random) }),
	},
	{ name: 'loses the answer', make: () => ({ kind: 'lose-answer' }) },
	{ name: 'delivers twice', make: () => ({ kind: 'twice' }) },
	{
		name: 'cuts the body short',
		of: reads,
		make: (random) => ({
			kind: 'change',
			change: (body) => body.subarray(0, Math.floor(random() * body.length)),
		}),
	},
	{
		name: 'corrupts the answer',
		isGrave: true,
		of: reads,
		make: (random) => ({ kind: 'change', change: corrupted(random) }),
	},
	{
		name: 'corrupts the request',
		isGrave: true,
		of: sends,
		make: (random) => ({ kind: 'change-request', change: corrupted(random) }),
	},
	{
		name: 'trickles the answer',
		of: reads,
		make: () => ({ kind: 'trickle-answer', bytes: 4_000, everyMs: 5 }),
	},
	{ name: 'trickles headers', of: looks, make: () => ({ kind: 'trickle-headers', everyMs: 25 }) },
	header('content-length', (old) => String(Number(old) + 7), reads),
	header('content-length', (old) => String(Math.max(0, Number(old) - 7)), reads),
	grave(
		header(
			'docker-content-digest',
			(old) => `sha256:${old.slice(7).split('').toReversed().join('')}`,
		),
	),
	redirect('to itself', () => ''),
	redirect('to nowhere', () => 'http://127.0.0.1:1/v2/'),
	redirect('to a private place', () => 'http://169.254.169.254/latest'),
	redirect('in circles', (random) => `?n=${Math.floor(random() * 1000)}`),
	relocated('by path', ({ pathname, search }) => pathname + search),
	relocated('without scheme', ({ host, pathname, search }) => `//${host}${pathname}${search}`),
	relocated('with one more query', ({ href }) => `${href}&more=%2F`),
	grave(relocated('of nobody', () => 'http://127.0.0.1:1/v2/a/blobs/uploads/1')),
	grave(relocated('of a private place', () => 'http://169.254.169.254/latest')),
];

function kindOf({ method, path }: FrontRequest): Kind {
	if (path.includes('/blobs/uploads/')) return method === 'POST' ? 'begin' : 'upload';
	if (path.includes('/blobs/')) return 'blob';
	if (!path.includes('/manifests/')) return 'other';
	return path.includes(':') ? 'manifest' : 'tag';
}

/** What a request is about, without what differs between two runs of a seed. */
function subjectOf({ method, path }: FrontRequest, nameOf: (digest: string) => string): string {
	return `${method} ${path}`
		.replace(/uploads\/[\w-]{30,}/, 'uploads/…')
		.replace(/_state=[^&]*/, '_state=…')
		.replace(/sha256(?::|%3A)([a-f0-9]{64})/g, (_all, hex: string) => nameOf(`sha256:${hex}`));
}

/** How bad a day is: how often something goes wrong, and what. */
interface Day {
	readonly chance: number;
	readonly faults: readonly Fault[];
}

/** Most days are such that one gets over them. */
function dayOf(random: Random): Day {
	const chance = [0.01, 0.03, 0.1, 0.25][Math.floor(random() * 4)] ?? 0.1;
	const share = random();
	const isGrave = random() < 0.4;
	const some = faults.filter((fault) => !fault.isGrave && random() < share);
	const grave = faults.filter((fault) => fault.isGrave && isGrave && random() < 0.15);
	return { chance, faults: [...some, ...grave] };
}

export interface FaultyRegistryOptions {
	/** of two in one test */
	readonly name: string;
	/** A digest's name in the story; the same in every run of a seed. */
	readonly nameOf?: (digest: string) => string;
}

/** Stands before `registry`, a host on loopback; healthy until `sicken` is called. */
export async function startFaultyRegistry(
	registry: string,
	{ name, nameOf = (digest) => digest }: FaultyRegistryOptions,
): Promise<FaultyRegistry> {
	const front = await startFront(registry);
	const story: string[] = [];
	const sicken = (seed: number): void => {
		const day = dayOf(seededRandom(`${name} ${seed}`));
		const times = new Map<string, number>();
		story.length = 0;
		front.meddle = (request) => {
			const subject = subjectOf(request, nameOf);
			const time = (times.get(subject) ?? 0) + 1;
			times.set(subject, time);
			const random = seededRandom(`${name} ${seed} ${subject} ${time}`);
			if (random() >= day.chance) return undefined;
			const fitting = day.faults.filter(({ of }) => !of || of(request, kindOf(request)));
			const fault = fitting[Math.floor(random() * fitting.length)];
			if (!fault) return undefined;
			story.push(`${name} ${fault.name}: ${subject} (${time})`);
			return fault.make(random);
		};
	};
	return {
		host: front.host,
		front,
		story,
		sicken,
		heal: () => (front.meddle = undefined),
		stop: () => front.stop(),
	};
}
