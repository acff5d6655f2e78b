/** Every pattern in what reads text of strangers, against text that patterns choke on. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const length = 3_000;
/** Six times as long takes six times the time where it is linear, 36 where it is quadratic. */
const factor = 6;
const mostGrowth = 18;
const noiseMs = 15;

interface Pattern {
	readonly file: string;
	readonly source: string;
	readonly flags: string;
}

function patternsIn(file: string): Pattern[] {
	const tree = ts.createSourceFile(
		file,
		readFileSync(join(root, file), 'utf8'),
		ts.ScriptTarget.ES2022,
	);
	const found: Pattern[] = [];
	const visit = (node: ts.Node): void => {
		if (ts.isRegularExpressionLiteral(node)) {
			const end = node.text.lastIndexOf('/');
			found.push({ file, source: node.text.slice(1, end), flags: node.text.slice(end + 1) });
		}
		ts.forEachChild(node, visit);
	};
	visit(tree);
	return found;
}

const folders = [
	'shared',
	'proxy/upstream',
	'proxy/guard',
	'proxy/store',
	'proxy/routes',
	'proxy/transfer',
];
const patterns = folders
	.flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
			.filter((name) => name.endsWith('.ts'))
			.map((name) => join(folder, name)),
	)
	.flatMap(patternsIn);

/** What is repeated: single characters of all classes, and what is written out in the pattern itself. */
function pumpsOf(source: string): readonly string[] {
	const words = source.match(/[A-Za-z]{2,}|[^\\\w\s()[\]{}?*+|^$.]/g) ?? [];
	const own = words.flatMap((word) => [word, `${word} `, `${word}a`]);
	return [
		...new Set([
			'a',
			'0',
			'F',
			' ',
			'\t',
			'\0',
			'-',
			'.',
			'_',
			'/',
			':',
			'"',
			'\\',
			'<a',
			'a.',
			'a-',
			' a',
			'\u202e',
			...own,
		]),
	];
}

/** How such text begins and ends: so that the pattern is almost matched, and is not. */
const heads = ['', 'a', '"', '<', 'a:', '/'];
const ends = ['', '!', '\u0001', '"', '\n'];

function timeOf(pattern: RegExp, text: string): number {
	pattern.lastIndex = 0;
	const before = performance.now();
	if (pattern.global) text.replace(pattern, '');
	else pattern.exec(text);
	return performance.now() - before;
}

/** The text for which it takes more than linear time, where there is one. */
function badText({ source, flags }: Pattern): string | undefined {
	const pattern = new RegExp(source, flags);
	for (const pump of pumpsOf(source)) {
		for (const head of heads) {
			for (const end of ends) {
				const text = (size: number) => head + pump.repeat(size / pump.length) + end;
				const long = text(length * factor);
				if (timeOf(pattern, long) < noiseMs) continue;
				const isBad = [1, 2, 3].every(
					() =>
						timeOf(pattern, long) > Math.max(timeOf(pattern, text(length)) * mostGrowth, noiseMs),
				);
				if (isBad) return JSON.stringify(`${head}(${pump})…${end}`);
			}
		}
	}
	return undefined;
}

/** Not linear, but what they are given is short; why, beside each. */
const shortInputs: ReadonlyMap<string, string> = new Map([
	['/\\/+$/', 'the address of a signature store, as somebody configured it'],
]);

describe('every pattern', () => {
	it('is found', () => {
		expect(patterns.length).toBeGreaterThan(60);
	});

	it('takes linear time for text that patterns choke on', { timeout: 60_000 }, () => {
		const bad = patterns.flatMap((pattern) => {
			if (shortInputs.has(`/${pattern.source}/${pattern.flags}`)) return [];
			const text = badText(pattern);
			return text === undefined
				? []
				: [`${pattern.file}: /${pattern.source}/${pattern.flags} on ${text}`];
		});
		expect(bad).toEqual([]);
	});
});
