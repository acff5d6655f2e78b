/** Compressing in a worker, so that the page answers meanwhile. */
import type { Gzip } from '../../shared/archive/gzip.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import workerUrl from './gzip-worker.ts?worker&url';

interface ScriptPolicy {
	createScriptURL(url: string): string;
}

/** Not in the DOM types of TypeScript yet. */
interface TrustedTypes {
	createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy;
}

let policy: ScriptPolicy | undefined;

/** The name is in the page's policy (proxy/guard/headers.ts); the only script it lets through is this worker's. */
function trustedUrl(): string {
	const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
	const createScriptURL = () => workerUrl;
	policy ??= trustedTypes?.createPolicy('espalier-worker', { createScriptURL }) ?? {
		createScriptURL,
	};
	return policy.createScriptURL(workerUrl);
}

export const gzipInWorker: Gzip = (bytes) => {
	const worker = new Worker(trustedUrl(), { type: 'module' });
	return new Promise<Uint8Array>((resolve, reject) => {
		worker.addEventListener('message', ({ data }: MessageEvent<Uint8Array>) => resolve(data));
		worker.addEventListener('error', (event) => {
			event.preventDefault();
			const reason = `The payload could not be compressed: the page’s worker did not start or failed (${event.message || 'no reason given'}).`;
			reject(new ProblemError({ code: 'internal', origin: 'browser', reason }));
		});
		worker.postMessage(bytes);
	}).finally(() => worker.terminate());
};
