/** The numbers of a team's server, as Prometheus reads them. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { UpstreamWatch } from '../upstream/upstream-watch.ts';
import type { ServedRequest } from './served-requests.ts';

/** The label of a request: one of a few, whatever strangers ask for. */
export type RouteOf = (path: string) => string;

/** @param paths of routes without parameters */
export function routeLabels(paths: Iterable<string>): RouteOf {
	const known = new Set([...paths].filter((path) => /^\/(?:api\/[^*:]+|healthz)$/.test(path)));
	return (path) => {
		if (known.has(path)) return path;
		return /^\/(?:api|v2)(?:\/|$)/.test(path) ? 'none' : 'page';
	};
}

const secondsBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600];

/** With those of the process itself: memory, CPU, and the delay of the event loop (`nodejs_eventloop_lag_…`). */
export class Metrics {
	readonly #registry = new Registry();
	readonly #requests = this.#counter('http_requests_total', 'Requests served', [
		'route',
		'method',
		'status',
	]);
	readonly #brokenOff = this.#counter(
		'http_broken_off_total',
		'Requests whose connection ended before the answer did',
	);
	readonly #bytes = this.#counter('http_bytes_total', 'Bytes over the wire, headers included', [
		'direction',
	]);
	readonly #inFlight = new Gauge({
		name: 'espalier_http_requests_in_flight',
		help: 'Requests under way',
		registers: [this.#registry],
	});
	readonly #seconds = new Histogram({
		name: 'espalier_http_request_seconds',
		help: 'Seconds from the first byte of a request to the last of its answer',
		labelNames: ['route'],
		buckets: secondsBuckets,
		registers: [this.#registry],
	});
	readonly #upstream = this.#counter('upstream_requests_total', 'Requests to registries');
	readonly #retries = this.#counter('upstream_retries_total', 'Requests made once more');
	readonly #failures = this.#counter(
		'upstream_failures_total',
		'Requests to registries that came to nothing or were refused, by problem code',
		['code'],
	);

	constructor() {
		collectDefaultMetrics({ register: this.#registry });
	}

	get watch(): UpstreamWatch {
		return {
			onRequest: () => {
				this.#upstream.inc();
			},
			onRetry: () => {
				this.#retries.inc();
			},
			onFailure: (code) => {
				this.#failures.inc({ code });
			},
		};
	}

	begun(): void {
		this.#inFlight.inc();
	}

	/** @param route one of a few labels */
	served(
		{ method, status, isBrokenOff, bytesIn, bytesOut, ms }: ServedRequest,
		route: string,
	): void {
		const known = ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'].includes(method) ? method : 'other';
		this.#inFlight.dec();
		this.#requests.inc({ route, method: known, status: `${Math.floor(status / 100)}xx` });
		if (isBrokenOff) this.#brokenOff.inc();
		this.#bytes.inc({ direction: 'in' }, bytesIn);
		this.#bytes.inc({ direction: 'out' }, bytesOut);
		this.#seconds.observe({ route }, ms / 1000);
	}

	/** In the text format of Prometheus. */
	text(): Promise<string> {
		return this.#registry.metrics();
	}

	get contentType(): string {
		return this.#registry.contentType;
	}

	#counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
		const registers = [this.#registry];
		return new Counter({ name: `espalier_${name}`, help, labelNames: [...labelNames], registers });
	}
}
