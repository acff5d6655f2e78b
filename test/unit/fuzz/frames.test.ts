import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeJsonShape } from '../../../proxy/guard/json-shape.ts';
import { readLines } from '../../../shared/api/ndjson.ts';
import { parseLogins, printLogins } from '../../../shared/api/logins.ts';
import {
	documentLineSchema,
	manifestsBodySchema,
	presenceLineSchema,
} from '../../../shared/api/schema.ts';
import { loginOfEntry, parseAuthFile } from '../../../shared/login/auth-file.ts';
import { loginSchema } from '../../../shared/login/login.ts';
import { fromJsonBytes, toJsonBytes } from '../../../shared/oci/bytes-in-json.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import {
	bytesOf,
	damagedBytes,
	damagedJson,
	damagedText,
	digest,
	expectTyped,
	expectTypedLater,
	hostileText,
	isPolluted,
	runs,
} from '../../support/arbitraries.ts';
import { expectLinear } from './growth.ts';

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
	let from = 0;
	for (const cut of cuts.map((each) => each % (bytes.length + 1)).toSorted((a, b) => a - b)) {
		yield bytes.subarray(from, cut);
		from = Math.max(from, cut);
	}
	yield bytes.subarray(from);
}

async function linesOf(
	bytes: Uint8Array,
	cuts: readonly number[],
	longest = 1e6,
): Promise<string[]> {
	const lines: string[] = [];
	for await (const line of readLines(pieces(bytes, cuts), longest)) lines.push(line);
	return lines;
}

const problem = { code: 'timeout', origin: 'registry', reason: 'Zu spät – 遅い 🦥.' };
const frames = [
	{
		index: 0,
		ok: true,
		digest: `sha256:${'a'.repeat(64)}`,
		mediaType: 'a/b',
		checkedAt: 1,
		text: '{\n}',
	},
	{ index: 1, ok: false, problem },
	{
		index: 2,
		ok: true,
		digest: `sha256:${'b'.repeat(64)}`,
		mediaType: '',
		checkedAt: 2,
		base64: '/w==',
	},
];
const stream = bytesOf(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));

describe('a stream of frames', () => {
	it('is the same wherever it is cut, also inside of a character', async () => {
		const whole = await linesOf(stream, []);
		for (let cut = 0; cut <= stream.length; cut += 1) {
			expect(await linesOf(stream, [cut])).toEqual(whole);
		}
		await fc.assert(
			fc.asyncProperty(fc.array(fc.nat(), { maxLength: 40 }), async (cuts) => {
				expect(await linesOf(stream, cuts)).toEqual(whole);
			}),
			runs(200),
		);
		expect(whole.map((line) => JSON.parse(line) as unknown)).toEqual(frames);
	});

	it('with junk in it is lines that are frames or none, and no line is longer than allowed and a piece', async () => {
		await fc.assert(
			fc.asyncProperty(
				damagedBytes(stream),
				fc.array(fc.nat(), { maxLength: 5 }),
				async (bytes, cuts) => {
					const lines = await expectTypedLater(() => linesOf(bytes, cuts, 200));
					if (lines instanceof ProblemError) {
						expect(lines.problem.code).toBe('too-large');
						return;
					}
					for (const line of lines) {
						let json: unknown;
						try {
							json = JSON.parse(line);
						} catch {
							continue;
						}
						documentLineSchema.safeParse(json);
						presenceLineSchema.safeParse(json);
					}
				},
			),
			runs(500),
		);
	});

	it('ends where a line never does', async () => {
		const endless = async function* () {
			for (;;) yield bytesOf('x'.repeat(1000));
		};
		const read = async () => {
			for await (const _ of readLines(endless(), 10_000)) continue;
		};
		const ended = await expectTypedLater(read);
		expect(ended instanceof ProblemError && ended.problem.code).toBe('too-large');
	});

	it('carries any bytes as they are', () => {
		fc.assert(
			fc.property(
				fc.oneof(fc.uint8Array({ maxLength: 300 }), hostileText.map(bytesOf)),
				(bytes) => {
					expect(fromJsonBytes(JSON.parse(JSON.stringify(toJsonBytes(bytes))) as never)).toEqual(
						bytes,
					);
				},
			),
			runs(1000),
		);
		fc.assert(
			fc.property(hostileText, (base64) => void fromJsonBytes({ base64 })),
			runs(500),
		);
	});
});

describe('a body of the API', () => {
	const body = {
		requests: [
			{ reference: { registry: 'quay.io', repository: 'a/b', tag: '1' }, namedBy: 'x.test' },
		],
	};

	it('is as agreed or refused', () => {
		fc.assert(
			fc.property(damagedJson(body), (text) => {
				const shape = judgeJsonShape(text, 64);
				if (shape !== undefined) return;
				const read = manifestsBodySchema.safeParse(JSON.parse(text));
				if (read.success) {
					for (const { reference } of read.data.requests) {
						expect(reference.repository).toMatch(/^[a-z0-9]/);
					}
				}
				expect(isPolluted()).toBe(false);
			}),
			runs(1000),
		);
	});

	it('is never taken with a key twice, with __proto__, or nested deep', () => {
		expect(judgeJsonShape('{"a":1,"\\u0061":2}', 64)).toMatch(/twice/);
		expect(judgeJsonShape('{"\\u005f_proto__":2}', 64)).toMatch(/__proto__/);
		expect(judgeJsonShape('['.repeat(65), 64)).toMatch(/nested/);
	});

	it.each([
		['quotes', (n: number) => '"'.repeat(n)],
		['backslashes', (n: number) => `"${'\\'.repeat(n)}`],
		['blanks', (n: number) => `{"a"${' '.repeat(n)}`],
		['strings and blanks', (n: number) => `{${`"a"${' '.repeat(10)}`.repeat(n / 10)}`],
	])('is judged in linear time with very many %s', (_, make) => {
		expectLinear(make, (text) => judgeJsonShape(text, 64), 50_000);
	});
});

describe('an auth file of anybody', () => {
	const file = {
		auths: {
			'quay.io': { auth: 'dXNlcjpwYXNz' },
			'https://index.docker.io/v1/': { username: 'u', password: 'p' },
			'ghcr.io': { identitytoken: 't' },
			'x.test': { registrytoken: 'r' },
		},
		credsStore: 'desktop',
		credHelpers: { 'gcr.io': 'gcloud' },
	};

	it('is read or refused without a word of what is in it', () => {
		const text = fc.oneof(damagedJson(file), damagedText(fc.constant(JSON.stringify(file))));
		fc.assert(
			fc.property(text, fc.constantFrom('config', 'dockercfg', 'environment'), (each, form) => {
				const parsed = parseAuthFile(each, form);
				if (!parsed.ok) {
					expect(parsed.reason).toMatch(/^it is not /);
					return;
				}
				for (const entry of parsed.file.auths.values()) {
					const login = loginOfEntry(entry);
					if (typeof login === 'object' && login.kind === 'registry-token') {
						expect(loginSchema.safeParse(login).success).toBe(true);
					}
				}
				expect(isPolluted()).toBe(false);
			}),
			runs(1500),
		);
	});

	it('has logins that are decoded in linear time', () => {
		const authOf = (text: string) => btoa(text);
		expectLinear(
			(n) => authOf(`${'\0'.repeat(n)}:x`),
			(auth) => loginOfEntry({ auth }),
			20_000,
		);
		expectLinear(
			(n) => `${'='.repeat(n)}a`,
			(auth) => loginOfEntry({ auth }),
			20_000,
		);
	});
});

describe('logins in a header', () => {
	it('come back as they were, and anything else is refused without being quoted', () => {
		const printable = fc.string({ unit: 'grapheme-ascii', maxLength: 30 });
		const login = fc.record({
			kind: fc.constant('password' as const),
			username: printable,
			password: printable,
		});
		fc.assert(
			fc.property(fc.array(fc.record({ entry: printable, login }), { maxLength: 5 }), (logins) => {
				expect(parseLogins(printLogins(logins))).toEqual(logins);
			}),
			runs(300),
		);
		const header = fc.oneof(hostileText, damagedText(fc.constant(printLogins([]))), digest);
		fc.assert(
			fc.property(header, (text) => {
				const read = expectTyped(() => parseLogins(text));
				if (read instanceof ProblemError) {
					expect(read.problem.reason).toBe('The logins that came with the request cannot be read.');
				}
			}),
			runs(500),
		);
	});
});
