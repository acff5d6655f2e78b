/** What `npm run dev` tells the server that it starts again and again; nothing else sets it. */
import { isToken } from '../guard/token.ts';

export interface Development {
	/** where the page is served from, with hot reload; allowed as an origin beside the server's own */
	readonly origin: string;
	/** kept over restarts, so that open tabs go on working */
	readonly token: string;
}

/** Undefined in every other way to serve. Only a loopback origin counts. */
export function readDevelopment(
	env: Readonly<Record<string, string | undefined>>,
): Development | undefined {
	const origin = env['ESPALIER_DEV_ORIGIN'] ?? '';
	const token = env['ESPALIER_DEV_TOKEN'] ?? '';
	if (!/^http:\/\/localhost:\d{1,5}$/.test(origin) || !isToken(token)) return undefined;
	return { origin, token };
}
