/**
 * What the browser lets this page do on the reader's own computer. Chrome asks for it from version 142 on, see
 * https://wicg.github.io/local-network-access/; others ask nothing, and then nothing is known.
 */
export type LocalNetworkPermission = 'granted' | 'denied' | 'prompt' | 'unknown';

/** The present name, and the one before the permission was split in two. */
const names = ['loopback-network', 'local-network-access'];

/** Pages of this computer reach it without being asked about. */
export function isOnThisComputer(hostname: string): boolean {
	return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

export async function localNetworkPermission(): Promise<LocalNetworkPermission> {
	if (isOnThisComputer(window.location.hostname)) return 'unknown';
	for (const name of names) {
		try {
			// TypeScript does not list these names yet; browsers without one of them throw.
			const { state } = await navigator.permissions.query({ name: name as PermissionName });
			return state;
		} catch {
			continue;
		}
	}
	return 'unknown';
}
