/** Campaigns: in full with ESPALIER_LONG=1 (`npm run test:long`), a tenth of them otherwise. */

export const isLong = process.env['ESPALIER_LONG'] === '1';

export function campaign(fullCount: number): number {
	return isLong ? fullCount : Math.ceil(fullCount / 10);
}

export const skippedWhenShort = 'only in the long campaigns (npm run test:long)';
