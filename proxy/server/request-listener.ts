/** From Node's requests to the app. */
import { getRequestListener, RequestError } from '@hono/node-server';
import type { RequestListener } from 'node:http';
import { securityHeaders } from '../guard/headers.ts';

function answerUnreadable(error: unknown): Response {
	const readable = !(error instanceof RequestError);
	return Response.json(
		{
			problem: {
				code: readable ? 'internal' : 'request-invalid',
				origin: 'proxy',
				reason: readable ? 'Espalier could not answer.' : 'The request cannot be understood.',
			},
		},
		{ status: readable ? 500 : 400, headers: { ...securityHeaders, 'cache-control': 'no-store' } },
	);
}

interface App {
	readonly fetch: (request: Request, env: object) => Response | Promise<Response>;
}

/** The app as a listener for `node:http`. What cannot even be made a request is answered here. */
export function toRequestListener(app: App): RequestListener {
	const listener = getRequestListener((request, env) => app.fetch(request, env), {
		errorHandler: answerUnreadable,
	});
	return (incoming, outgoing) => void listener(incoming, outgoing);
}
