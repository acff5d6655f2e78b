/** The credentials of the person at this computer: environment, auth files and helpers, in their order. */
import { readFile, stat } from 'node:fs/promises';
import type { CredentialUse } from '../../../shared/api/schema.ts';
import {
	loginOfEntry,
	parseAuthFile,
	type AuthFile,
	type ParsedAuthFile,
} from '../../../shared/login/auth-file.ts';
import { bestKey } from '../../../shared/login/entry-key.ts';
import type { Repository } from '../../../shared/oci/reference.ts';
import { Places } from '../places.ts';
import {
	authFileLocations,
	type AuthFileLocation,
	type HostEnvironment,
} from './auth-file-locations.ts';
import { askHelper, type HelperCall } from './credential-helper.ts';
import {
	credentialOf,
	credentialUse,
	isUsable,
	type Credential,
	type CredentialSource,
} from './credential.ts';
import { helperServer } from './helper-server.ts';

const environmentVariable = 'DOCKER_AUTH_CONFIG';
const mostFileBytes = 4 * 1024 * 1024;
/** Some helpers take seconds; what they give is good for hours. A failure is asked again soon. */
const helperMemoryMs = 5 * 60_000;
const helperFailureMemoryMs = 5_000;
/** A release may name hundreds of registries, and each helper is a process. */
const helpersAtATime = 4;

type FileState = ParsedAuthFile | { readonly ok: 'absent' };

interface Remembered {
	readonly stamp: string;
	readonly state: FileState;
}

export interface HostCredentialsOptions {
	readonly host: HostEnvironment;
	/** milliseconds since 1970 */
	readonly clock?: () => number;
	readonly helperTimeoutMs?: number;
}

function errorCode(error: unknown): string | undefined {
	return error instanceof Error && 'code' in error && typeof error.code === 'string'
		? error.code
		: undefined;
}

export class HostCredentials implements CredentialSource {
	readonly #host: HostEnvironment;
	readonly #clock: () => number;
	readonly #helperTimeoutMs: number | undefined;
	readonly #files = new Map<string, Remembered>();
	readonly #helperPlaces = new Places(helpersAtATime);
	readonly #helped = new Map<string, { until: number; answer: Promise<Credential> }>();

	constructor({ host, clock = () => Date.now(), helperTimeoutMs }: HostCredentialsOptions) {
		this.#host = host;
		this.#clock = clock;
		this.#helperTimeoutMs = helperTimeoutMs;
	}

	async find(repository: Repository): Promise<Credential> {
		let trouble: Credential = { kind: 'none' };
		const note = (credential: Credential): void => {
			if (trouble.kind === 'none') trouble = credential;
		};
		const fromVariable = this.#fromEnvironment(repository);
		if (isUsable(fromVariable)) return fromVariable;
		note(fromVariable);
		for (const location of authFileLocations(this.#host)) {
			const credential = await this.#fromFile(location, repository);
			if (isUsable(credential)) return credential;
			note(credential);
		}
		return trouble;
	}

	async describe(repository: Repository): Promise<CredentialUse> {
		return credentialUse(repository.registry, await this.find(repository));
	}

	#fromEnvironment(repository: Repository): Credential {
		const text = this.#host.variables[environmentVariable];
		if (!text) return { kind: 'none' };
		const parsed = parseAuthFile(text, 'environment');
		if (!parsed.ok) return damaged(environmentVariable, parsed.reason);
		return fromEntries(parsed.file, repository, environmentVariable, false);
	}

	async #fromFile(location: AuthFileLocation, repository: Repository): Promise<Credential> {
		const state = await this.#read(location);
		if (state.ok === 'absent') return { kind: 'none' };
		if (!state.ok) return damaged(location.file, state.reason);
		const helped = await this.#fromHelpers(state.file, location, repository.registry);
		if (isUsable(helped)) return helped;
		const entry = fromEntries(state.file, repository, location.file, location.namespaces);
		return entry.kind === 'none' ? helped : entry;
	}

	async #fromHelpers(
		file: AuthFile,
		location: AuthFileLocation,
		registry: string,
	): Promise<Credential> {
		// Helpers know registries only: the repository is of no account here.
		const own = bestKey([...file.credHelpers.keys()], { registry, repository: '' }, false);
		const name = own === undefined ? file.credsStore : file.credHelpers.get(own);
		return name ? this.#askOnce(name, registry, location.file) : { kind: 'none' };
	}

	/** Concurrent questions share one answer. */
	async #askOnce(name: string, registry: string, file: string): Promise<Credential> {
		const key = JSON.stringify([name, helperServer(registry), file]);
		const known = this.#helped.get(key);
		if (known && known.until > this.#clock()) return known.answer;
		const timeoutMs = this.#helperTimeoutMs;
		const answer = this.#askInTurn({
			name,
			registry,
			file,
			...(timeoutMs !== undefined && { timeoutMs }),
		});
		const memory = { until: Number.POSITIVE_INFINITY, answer };
		this.#helped.set(key, memory);
		const credential = await answer;
		memory.until = this.#clock() + (isUsable(credential) ? helperMemoryMs : helperFailureMemoryMs);
		return credential;
	}

	async #askInTurn(call: HelperCall): Promise<Credential> {
		await this.#helperPlaces.enter();
		try {
			return await askHelper(call, this.#host);
		} finally {
			this.#helperPlaces.leave();
		}
	}

	/** Read again whenever time or size of the file changed. */
	async #read({ file, form, required }: AuthFileLocation): Promise<FileState> {
		try {
			const { mtimeMs, size } = await stat(file);
			const stamp = `${mtimeMs} ${size}`;
			const known = this.#files.get(file);
			if (known?.stamp === stamp) return known.state;
			const state: FileState =
				size > mostFileBytes
					? { ok: false, reason: 'it is far too large' }
					: parseAuthFile(await readFile(file, 'utf8'), form);
			this.#files.set(file, { stamp, state });
			return state;
		} catch (error) {
			const absent = errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR';
			if (absent && !required) return { ok: 'absent' };
			return { ok: false, reason: absent ? 'it is not there' : 'it may not be read' };
		}
	}
}

function damaged(source: string, reason: string): Credential {
	return { kind: 'unusable', source, reason: `${source} cannot be used: ${reason}.` };
}

function fromEntries(
	file: AuthFile,
	repository: Repository,
	source: string,
	namespaces: boolean,
): Credential {
	const entry = bestKey([...file.auths.keys()], repository, namespaces);
	const found = entry === undefined ? undefined : file.auths.get(entry);
	if (entry === undefined || !found) return { kind: 'none' };
	const login = loginOfEntry(found);
	if (login === 'none') return { kind: 'none' };
	if (login !== 'damaged') return credentialOf(login, { source, entry });
	const reason = `The entry ${entry} in ${source} is damaged: its “auth” is not base64 of a user name and a password.`;
	return { kind: 'unusable', source, reason };
}
