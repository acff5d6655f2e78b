import { beforeAll, describe, expect, it } from 'vitest';
import { problemCodes } from '../../../shared/registry/problem.ts';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import type { ReleaseReading } from '../../../shared/release/read-release.ts';
import { verdict } from '../../../shared/release/verdict.ts';
import {
	coverageReport,
	coverageReportSchema,
	type CoverageReport,
} from '../../../shared/report/coverage-report.ts';
import { coverageCsv, csvField } from '../../../shared/report/csv.ts';
import { explain } from '../../../shared/report/explain.ts';
import { coverageMarkdown } from '../../../shared/report/markdown.ts';
import { printable } from '../../../shared/report/printable.ts';
import { coverageText } from '../../../shared/report/text.ts';
import { formatAge, formatBytes, formatDay } from '../../../shared/report/units.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

/** One cell of every status that needs no policy. */
async function readOneOfEach(): Promise<ReleaseReading> {
	const maker = new ReleaseMaker(['amd64', 'arm64', 's390x']);
	const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
	const amd64 = (name: string) => entryOf(maker.image(name, linux('amd64')));
	maker.add('aws', [amd64('aws'), entryOf(pods[1]!)]);
	const lost = maker.image('lost', linux('arm64'));
	maker.registries.remove(maker.part(lost.manifest));
	const wrong = maker.image('lost', linux('s390x'), { configured: linux('ppc64le') });
	maker.add('lost', [amd64('lost'), entryOf(lost), entryOf(wrong)]);
	const limited = maker.image('os', linux('arm64'));
	maker.registries.fail(maker.part(limited.manifest), {
		code: 'rate-limited',
		origin: 'registry',
		reason: 'quay.io takes no more requests for now.',
	});
	const extra = maker.image('os', linux('riscv64'));
	maker.add('os', [
		amd64('os'),
		entryOf(limited),
		entryOf(maker.image('os', linux('s390x'))),
		entryOf(extra),
	]);
	maker.add(
		'pod',
		pods.map((pod) => entryOf(pod)),
	);
	await maker.finish();
	return maker.read();
}

let reading: ReleaseReading;
let report: CoverageReport;
let sentence: string;
beforeAll(async () => {
	reading = await readOneOfEach();
	report = coverageReport(reading)!;
	sentence = verdict(assessCoverage(reading));
});

/** A report whose every text comes from somebody hostile. */
function hostile(text: string): CoverageReport {
	const [component] = report.components;
	return {
		...report,
		release: { ...report.release, name: text, findings: [text] },
		components: [
			{
				...component!,
				name: text,
				platforms: [
					{ platform: 'linux/arm64', status: 'placeholder', placeholderOf: text, reason: text },
				],
			},
		],
	};
}

describe('the coverage report', () => {
	it('has the documented shape, and nothing that it does not name', () => {
		const strict = coverageReportSchema.parse(JSON.parse(JSON.stringify(report)));
		expect(strict).toEqual(JSON.parse(JSON.stringify(report)));
	});

	it('says this of a release with one cell of every status', async () => {
		await expect(`${JSON.stringify(report, null, '\t')}\n`).toMatchFileSnapshot(
			'golden/coverage.json.golden',
		);
	});

	it('does not exist where no payload could be read', async () => {
		const maker = new ReleaseMaker();
		await maker.finish({ edit: () => [] });
		expect(coverageReport(await maker.read())).toBeUndefined();
	});

	it('refuses a status that nobody knows', () => {
		const [component] = report.components;
		const platforms = [{ platform: 'linux/amd64', status: 'fine' }];
		const changed = { ...report, components: [{ ...component, platforms }] };
		expect(coverageReportSchema.safeParse(changed).success).toBe(false);
	});
});

describe('CSV', () => {
	it('has a line for each component and platform', async () => {
		await expect(coverageCsv(report)).toMatchFileSnapshot('golden/coverage.csv.golden');
	});

	it.each([
		['plain', 'plain'],
		['', ''],
		['a,b', '"a,b"'],
		['a "b"', '"a ""b"""'],
		['a\nb', '"a\nb"'],
		['a\r\nb', '"a\r\nb"'],
		['=1+1', "'=1+1"],
		['+1', "'+1"],
		['-1', "'-1"],
		['@SUM(A1)', "'@SUM(A1)"],
		['\t=1', "'\t=1"],
		['\r=1', '"\'\r=1"'],
		['=HYPERLINK("http://evil.test","x")', '"\'=HYPERLINK(""http://evil.test"",""x"")"'],
		['a=1', 'a=1'],
	])('writes the field %j as %j', (value, field) => {
		expect(csvField(value)).toBe(field);
	});

	it('keeps a stranger’s text in its field', () => {
		const lines = coverageCsv(hostile('=cmd|x,"y"\r\nz')).split('\r\n"');
		expect(lines[0]).toBe(
			'component,platform,status,digest,size,placeholderOf,reason,reference,readFrom',
		);
		expect(lines[1]).toMatch(/^'=cmd\|x,""y""\r\nz",linux\/arm64,placeholder,,,"'=cmd/);
	});
});

describe('Markdown', () => {
	it('has totals and what is not built', async () => {
		await expect(coverageMarkdown(report, sentence)).toMatchFileSnapshot(
			'golden/coverage.md.golden',
		);
	});

	it('makes no markup, no row and no cell of a stranger’s text', () => {
		const text = coverageMarkdown(hostile('a|b\n\n# c <img src=x> [d](http://e) `f` *g* _h_'), '');
		const escaped = 'a\\|b # c \\<img src=x\\> \\[d\\](http://e) \\`f\\` \\*g\\* \\_h\\_';
		expect(text).toContain(`## Coverage of ${escaped}\n`);
		expect(text).toContain(`- note: ${escaped}\n`);
		expect(text).toContain(`| ${escaped} | `);
		expect(text).toContain(`placeholder (${escaped}) |`);
		expect(text.split('\n').filter((line) => line.startsWith('#'))).toHaveLength(1);
	});
});

describe('the report for a terminal', () => {
	it('has facts, totals and what is not built', async () => {
		await expect(coverageText(report, sentence)).toMatchFileSnapshot('golden/coverage.txt.golden');
	});

	it('lets no control character of a stranger through', () => {
		const text = coverageText(hostile('a\u001b[31mb\u009bc\u202ed\u2028e\u0000\r\nf\tg'), sentence);
		expect(text).toContain('a�[31mb�c�d�e���f�g');
		expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u202a-\u202e]/);
	});

	it('prints other text as it is', () => {
		expect(printable('größe 日本 😀 “x”')).toBe('größe 日本 😀 “x”');
	});
});

describe('an explanation', () => {
	it.each(problemCodes)('of %s has a title, the reason and something to do', (code) => {
		const { title, why, remedies } = explain({
			code,
			origin: 'registry',
			reason: 'Why.',
			registry: 'quay.io',
			retryAfterMs: 4200,
		});
		expect(title).toMatch(/^[A-Z].*[^.]$/);
		expect(why).toBe('Why.');
		expect(remedies.length).toBeGreaterThan(code === 'cancelled' ? -1 : 0);
		for (const remedy of remedies) expect(remedy).toMatch(/^[A-Z].*[.:]?$/);
		expect(new Set(remedies).size).toBe(remedies.length);
	});

	it('names the registry where it says what to type', () => {
		const problem = { code: 'unauthorized', origin: 'registry', reason: '' } as const;
		expect(explain({ ...problem, registry: 'quay.io' }).remedies[0]).toContain(
			'docker login quay.io ',
		);
		expect(explain(problem).remedies[0]).toContain('docker login REGISTRY');
	});

	it('speaks of the typed login where that was refused, and of no other way to log in', () => {
		const problem = {
			code: 'unauthorized',
			origin: 'registry',
			reason: '',
			registry: 'r.test',
			typedLogin: { username: 'me' },
		} as const;
		const { title, why, remedies } = explain(problem);
		expect(title).toBe('This login is not accepted');
		expect(why).toContain('r.test refused me, as typed into this tab');
		expect(remedies.join()).not.toContain('docker login');
		expect(remedies[0]).toContain('this computer');
	});

	it('sends nobody to the computer of a team’s server', () => {
		const problem = { code: 'unauthorized', origin: 'registry', reason: '' } as const;
		const { remedies } = explain(problem, { isShared: true });
		expect(remedies.join()).not.toContain('docker login');
	});

	it('says how long to wait where that is known', () => {
		const problem = { code: 'rate-limited', origin: 'registry', reason: '' } as const;
		expect(explain({ ...problem, retryAfterMs: 4200 }).remedies[0]).toBe('Wait 5 s and try again.');
		expect(explain(problem).remedies[0]).toContain('a few minutes');
	});
});

describe('units', () => {
	it.each([
		[0, '0 B'],
		[999, '999 B'],
		[1000, '1.00 kB'],
		[955_593, '956 kB'],
		[8_992_256, '8.99 MB'],
		[12_345_678, '12.3 MB'],
		[999_999, '1.00 MB'],
		[99_960, '100 kB'],
		[9.5e14, '950 TB'],
		[Number.MAX_SAFE_INTEGER, '9007 TB'],
	])('writes %d bytes as %s', (bytes, text) => {
		expect(formatBytes(bytes)).toBe(text);
	});

	it.each([
		[-5000, 'just now'],
		[59_999, 'just now'],
		[60_000, '1 min ago'],
		[3_599_999, '59 min ago'],
		[3_600_000, '1 h ago'],
		[47 * 3_600_000, '47 h ago'],
		[72 * 3_600_000, '3 d ago'],
	])('writes an age of %d ms as %s', (age, text) => {
		expect(formatAge(age)).toBe(text);
	});

	it.each([
		['2026-01-02T03:04:05Z', '2026-01-02'],
		['yesterday', 'yesterday'],
	])('writes the time %s as %s', (time, text) => {
		expect(formatDay(time)).toBe(text);
	});
});

it('no flag is advised for an address that is never asked, as it would not help', () => {
	const problem = {
		code: 'egress-blocked',
		origin: 'proxy',
		reason: 'No.',
		registry: '10.0.0.1',
	} as const;
	expect(explain(problem).remedies.join()).toContain('--plain-http 10.0.0.1');
	expect(explain({ ...problem, isForbidden: true }).remedies.join()).not.toContain('--');
});
