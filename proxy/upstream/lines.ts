/** Finds the line to a registry, and opens it at the first request: one for each registry and reach. */
import { limits } from '../../shared/registry/limits.ts';
import type { Admission } from './admission.ts';
import type { Agents } from './agents.ts';
import { RegistryAuth } from './auth.ts';
import { BoundedMap } from './bounded-map.ts';
import type { CredentialSource } from './credentials/credential.ts';
import type { EgressPolicy, Reach } from './egress.ts';
import { endpointOf, type RegistryEndpoint } from './endpoint.ts';
import { collect, type Outgoing } from './exchange.ts';
import type { Line } from './line.ts';
import type { Pace } from './retry.ts';
import type { Roads } from './roads.ts';
import type { Tokens } from './tokens.ts';
import type { UpstreamWatch } from './upstream-watch.ts';

export interface LinesOptions {
	readonly plainHttp: readonly string[];
	readonly credentials: CredentialSource;
	readonly agents: Agents;
	readonly egress: EgressPolicy;
	readonly tokens: Tokens;
	readonly pace: Pace;
	readonly roads: Roads;
	/** what may be asked for; everything where it is left out */
	readonly admission?: Admission | undefined;
	readonly watch?: UpstreamWatch | undefined;
}

/** Whom a request is for. */
export interface Destination {
	readonly registry: string;
	/** '' for the registry itself */
	readonly repository: string;
	/** the registry whose content named it; absent where the user did */
	readonly namedBy?: string | undefined;
}

const reachMemoryMs = 5_000;
const mostReaches = 10_000;
const mostLines = 1_000;

interface KnownReach {
	readonly until: number;
	readonly reach: Promise<Reach>;
}

export class Lines {
	readonly #options: LinesOptions;
	readonly #lines = new BoundedMap<string, Line>(mostLines);
	readonly #reaches = new BoundedMap<string, KnownReach>(mostReaches);

	constructor(options: LinesOptions) {
		this.#options = options;
	}

	endpoint(registry: string): RegistryEndpoint {
		return endpointOf(registry, this.#options.plainHttp);
	}

	async to({ registry, repository, namedBy }: Destination): Promise<Line> {
		const reach =
			namedBy === undefined || namedBy === registry
				? 'named'
				: await this.#reachOf(registry, repository, namedBy);
		const key = `${reach} ${registry}`;
		const known = this.#lines.get(key);
		if (known) return known;
		const line = this.#open(registry, reach);
		this.#lines.set(key, line);
		return line;
	}

	#reachOf(registry: string, repository: string, namedBy: string): Promise<Reach> {
		const key = `${namedBy} ${registry} ${repository}`;
		const now = this.#options.pace.clock();
		const known = this.#reaches.get(key);
		if (known && known.until > now) return known.reach;
		const reach = this.#options.egress.reachOf(this.endpoint(registry), repository, namedBy);
		this.#reaches.set(key, { until: now + reachMemoryMs, reach });
		return reach;
	}

	#open(registry: string, reach: Reach): Line {
		const { credentials, tokens, pace, roads } = this.#options;
		const endpoint = this.endpoint(registry);
		const auth = new RegistryAuth({
			endpoint,
			reach,
			credentials,
			tokens,
			clock: pace.clock,
			ping: () => this.#ping(endpoint, reach),
		});
		return {
			...roads.to(registry, reach),
			endpoint,
			reach,
			auth,
			reading: { scout: undefined, done: false },
			writing: { scout: undefined, done: false },
			unreachable: undefined,
		};
	}

	async #ping(endpoint: RegistryEndpoint, reach: Reach): Promise<string> {
		const dispatcher = this.#options.agents.to(endpoint, reach);
		const withinMs = this.#options.agents.answerMs;
		const outgoing: Outgoing = { method: 'GET', path: '/v2/', headers: {}, withinMs };
		const answer = await collect(dispatcher, outgoing, limits.errorBodyBytes);
		return answer.status === 401 ? (answer.headers['www-authenticate'] ?? '') : '';
	}
}
