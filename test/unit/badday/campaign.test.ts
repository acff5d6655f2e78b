import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithRegistries, patienceMs } from '../publish/publishing.ts';
import { Campaign, type Report } from './campaign.ts';

/** All of them with ESPALIER_LONG=1, one with ESPALIER_SEED=n. */
function seeds(): readonly number[] {
	const { ESPALIER_SEED: only, ESPALIER_LONG: long } = process.env;
	if (only !== undefined) return [Number(only)];
	return Array.from({ length: long ? 300 : 30 }, (_, at) => at + 1);
}

/** How many ended how. */
function tally(reports: readonly Report[]): Readonly<Record<string, number>> {
	const counts: Record<string, number> = {};
	for (const { outcome } of reports) counts[outcome] = (counts[outcome] ?? 0) + 1;
	return counts;
}

function told({ seed, outcome, reason, ms, requests, faults, isMoved }: Report): string {
	const moved = isMoved && outcome !== 'verified' ? ' (tag moved)' : '';
	return `seed ${seed}: ${outcome}${moved}, ${ms} ms, ${requests} requests, ${faults} faults ${reason}`;
}

describeWithRegistries('publishing on a bad day', () => {
	let campaign: Campaign;
	const reports: Report[] = [];
	beforeAll(async () => {
		campaign = await Campaign.open();
	}, patienceMs);
	afterAll(async () => {
		await campaign.close();
		if (process.env['ESPALIER_LONG'] || process.env['ESPALIER_SEED']) {
			console.log(reports.map(told).join('\n'), tally(reports));
		}
	});

	it.each(seeds())(
		'ends verified or with a typed problem, moves no tag early, and is finished by a rerun (seed %i)',
		async (seed) => {
			const report = await campaign.run(seed);
			reports.push(report);
			const { violations, story } = report;
			expect(violations, `${told(report)}\n${story.join('\n')}`).toEqual([]);
		},
		patienceMs,
	);

	it('had days that were bad', () => {
		expect(reports).toHaveLength(seeds().length);
		const bad = reports.filter(({ faults }) => faults > 0);
		expect(bad.length).toBeGreaterThan(reports.length / 2);
	});
});
