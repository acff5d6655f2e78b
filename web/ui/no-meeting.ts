/** Why a page on a static host did not get to the proxy, in words, and what to do about it. */
import type { ConnectionStatus } from '../state/connection.svelte.ts';

export interface Reason {
	readonly title: string;
	readonly remedy: string;
}

/** The origin of the page, and that of the proxy. */
interface Parties {
	readonly page: string;
	readonly proxy: string;
}

/** Undefined as long as nothing went wrong. */
export function reasonOfNoMeeting(
	status: ConnectionStatus,
	{ page, proxy }: Parties,
): Reason | undefined {
	switch (status) {
		case 'denied':
			return {
				title: 'Your browser keeps this page from your computer',
				remedy: `It was not allowed to reach apps on this device. Allow that in the settings of this site, left of the address, and connect again; or use the page that Espalier serves itself, at ${proxy}.`,
			};
		case 'not-running':
			return {
				title: `Nothing answers at ${proxy}`,
				remedy:
					'Espalier is not running, or it listens on another port. Some browsers, such as Safari, let no page of an https site reach this computer: there, use the page that Espalier serves itself.',
			};
		case 'not-allowed':
			return {
				title: `What runs at ${proxy} does not answer this page`,
				remedy: `It is an Espalier that was started without “--allow-origin ${page}”, or another program. Stop it with Ctrl+C, and start it anew with the command below.`,
			};
		case 'rejected':
			return {
				title: 'Espalier does not take this key',
				remedy:
					'Each start has another key, and a key in a link that was opened before is used up. Take the one that was printed last, or run the command below.',
			};
		case 'failed':
			return {
				title: `What runs at ${proxy} does not answer as Espalier does`,
				remedy: 'It may be another version, or another program. Look at its address and port.',
			};
		case 'waiting':
		case 'connecting':
		case 'ready':
			return undefined;
	}
}
