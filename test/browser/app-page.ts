/** What every component test needs: the page's own styles, and a session with a release. */
import axe from 'axe-core';
import { expect } from 'vitest';
import { render } from 'vitest-browser-svelte';
import '../../web/ui/tokens.css';
import GlyphSprite from '../../web/ui/GlyphSprite.svelte';
import { formatRoute, type ReleaseParams } from '../../shared/link/route.ts';
import { ProxyClient } from '../../web/api/proxy-client.ts';
import { Location } from '../../web/state/location.svelte.ts';
import { entryOf, linux, ReleaseMaker } from '../support/release-maker.ts';
import ReleasePage from './ReleasePage.svelte';

export const reference = 'quay.io/acme/release:1';

/** One cell of every status, and `more` components that are simply built. */
export function releaseOfAllStatuses(more: readonly string[] = []): ReleaseMaker {
	const maker = new ReleaseMaker(['amd64', 'arm64', 's390x']);
	const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
	const amd64 = (name: string) => entryOf(maker.image(name, linux('amd64')));
	maker.add('aws-driver', [amd64('aws-driver'), entryOf(pods[1]!)]);
	const lost = maker.image('cli', linux('arm64'));
	maker.registries.remove(maker.part(lost.manifest));
	const wrong = maker.image('cli', linux('s390x'), { configured: linux('ppc64le') });
	maker.add('cli', [amd64('cli'), entryOf(lost), entryOf(wrong)]);
	const limited = maker.image('os-images', linux('arm64'));
	maker.registries.fail(maker.part(limited.manifest), {
		code: 'rate-limited',
		origin: 'registry',
		reason: 'quay.io takes no more requests for now.',
		status: 429,
	});
	maker.add('os-images', [
		amd64('os-images'),
		entryOf(limited),
		entryOf(maker.image('os-images', linux('s390x'))),
		entryOf(maker.image('os-images', linux('riscv64'))),
	]);
	maker.add(
		'pod',
		pods.map((pod) => entryOf(pod)),
	);
	for (const name of more) maker.addBuilt(name);
	return maker;
}

/** The whole view, reading from a fake registry; its choices are in the address bar as in the page. */
export async function openRelease(maker: ReleaseMaker, params: Partial<ReleaseParams> = {}) {
	history.replaceState(
		null,
		'',
		formatRoute({ view: 'release', params: { ref: reference, ...params } }),
	);
	const location = new Location();
	// The view asks it for the credential alone; without an answer that line is left out.
	const client = new ProxyClient({ token: () => undefined, origin: 'http://127.0.0.1:9' });
	await render(GlyphSprite);
	return render(ReleasePage, { location, registries: maker.registries, client });
}

export function setTheme(theme: 'light' | 'dark'): void {
	document.documentElement.dataset['theme'] = theme;
}

/** Holds what is shown against WCAG 2.0 to 2.2, A and AA. */
export async function expectAccessible(): Promise<void> {
	const { violations } = await axe.run(document.body, {
		runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
	});
	const found = violations.flatMap(({ id, nodes }) =>
		nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary ?? ''}`),
	);
	expect(found).toEqual([]);
}
