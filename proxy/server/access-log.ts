/** What a team's server says while it runs: one line of JSON for each thing, and never a secret. */
import { pino, stdTimeFunctions } from 'pino';
import type { ServedRequest } from './served-requests.ts';

export interface ServerLog {
	/** of the server itself: that it listens, that it stops */
	readonly note: (message: string) => void;
	readonly request: (request: ServedRequest) => void;
	/** an error that is no problem of a registry's */
	readonly defect: (error: unknown) => void;
}

export interface LogStream {
	readonly write: (text: string) => unknown;
}

/** Probes that are answered well would be most of the log. */
function isQuietProbe({ path, status }: ServedRequest): boolean {
	return path === '/healthz' && status === 200;
}

export function openLog(stream: LogStream): ServerLog {
	const options = { base: null, timestamp: stdTimeFunctions.isoTime };
	const log = pino(options, { write: (line: string) => void stream.write(line) });
	return {
		note: (message) => {
			log.info(message);
		},
		request: (request) => {
			const { isBrokenOff, ...rest } = request;
			if (!isQuietProbe(request)) log.info({ ...rest, ...(isBrokenOff && { isBrokenOff }) });
		},
		defect: (error) => {
			const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
			log.error({ defect: what }, 'A defect in Espalier');
		},
	};
}
