import { expect, it, onTestFinished } from 'vitest';
import { generatedBlob } from '../../support/generated-blob.ts';
import { startGeneratedRegistry } from '../../support/generated-registry.ts';
import { isLong } from '../../support/long.ts';
import { startServedProxy } from '../../support/served-proxy.ts';

/**
 * Built, the program starts with 85 MiB, and may come to 200; from the sources what translates them takes more, so
 * only what is added counts.
 */
const mostMoreMiB = 115;
const sizesMiB = isLong ? [1024, 10 * 1024] : [256];

it.each(sizesMiB)(
	'copies %i MiB from registry to registry without holding them in memory',
	async (sizeMiB) => {
		const [source, sink, proxy] = await Promise.all([
			startGeneratedRegistry(),
			startGeneratedRegistry(),
			startServedProxy(),
		]);
		onTestFinished(async () => {
			await Promise.all([source.stop(), sink.stop(), proxy.stop()]);
		});
		const { repository, digest, sizeBytes } = generatedBlob(sizeMiB);
		const { peakMiB: startMiB } = await proxy.measure();
		const startedAt = performance.now();
		const lines = await proxy.api('copies', {
			copies: [
				{
					to: { registry: sink.host, repository: 'copied', digest },
					sizeBytes,
					from: [{ registry: source.host, repository }],
				},
			],
		});
		const seconds = (performance.now() - startedAt) / 1000;
		expect(JSON.parse(lines.trim().split('\n').at(-1)!)).toEqual({ index: 0, state: 'copied' });
		const { peakMiB, longestDelayMs } = await proxy.measure();
		if (isLong) {
			const rate = (sizeMiB / seconds).toFixed(0);
			console.info(
				`${sizeMiB} MiB in ${seconds.toFixed(1)} s (${rate} MiB/s): peak ${peakMiB.toFixed(0)} MiB after ${startMiB.toFixed(0)} MiB at the start, longest delay ${longestDelayMs.toFixed(0)} ms`,
			);
		}
		expect(peakMiB - startMiB).toBeLessThan(mostMoreMiB);
	},
	600_000,
);
