/** Who may do what on `/v2/`: no web page anything, every local client reading, holders of the token writing. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { StoreError } from './store-error.ts';

const challenge = { 'WWW-Authenticate': 'Basic realm="espalier"' };
const reading: readonly string[] = ['GET', 'HEAD'];

function passwordOf(authorization: string | null): string | undefined {
	const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization?.trim() ?? '');
	if (!match?.[1]) return undefined;
	const credentials = Buffer.from(match[1], 'base64').toString('utf8');
	const colon = credentials.indexOf(':');
	return colon < 0 ? undefined : credentials.slice(colon + 1);
}

function hash(text: string): Buffer {
	return createHash('sha256').update(text).digest();
}

/**
 * @param isPing true for `GET /v2/`, which has to challenge: containers/image sends credentials
 * to a registry only where its ping was answered with 401, and reads without them all the same
 * @throws StoreError `denied` for requests of web pages, `unauthorized` for writes without the token
 */
export function guardRequest(request: Request, token: string, isPing: boolean): void {
	const { headers, method } = request;
	if (headers.has('origin') || headers.has('sec-fetch-site')) {
		throw new StoreError('denied', 'The embedded registry does not answer web pages.');
	}
	if (reading.includes(method) && !isPing) return;
	const password = passwordOf(headers.get('authorization'));
	if (password !== undefined && token !== '' && timingSafeEqual(hash(password), hash(token))) {
		return;
	}
	throw new StoreError('unauthorized', 'Writing needs the token of this Espalier as password.', {
		headers: challenge,
	});
}
