/** Logins that came with one request: they go before what this computer knows, and are gone with the request. */
import type { CredentialUse } from '../../../shared/api/schema.ts';
import { bestKey } from '../../../shared/login/entry-key.ts';
import type { KeyedLogin } from '../../../shared/login/login.ts';
import type { Repository } from '../../../shared/oci/reference.ts';
import {
	credentialOf,
	credentialUse,
	type Credential,
	type CredentialSource,
} from './credential.ts';

const source = 'what was typed into the page';

export class TypedCredentials implements CredentialSource {
	readonly #logins: ReadonlyMap<string, KeyedLogin>;
	readonly #otherwise: CredentialSource;

	/** @param otherwise for repositories that none of the logins is for */
	constructor(logins: readonly KeyedLogin[], otherwise: CredentialSource) {
		this.#logins = new Map(logins.map((login) => [login.entry, login]));
		this.#otherwise = otherwise;
	}

	async find(repository: Repository): Promise<Credential> {
		return this.#typedFor(repository) ?? this.#otherwise.find(repository);
	}

	async describe(repository: Repository): Promise<CredentialUse> {
		const typed = this.#typedFor(repository);
		return typed ? credentialUse(repository.registry, typed) : this.#otherwise.describe(repository);
	}

	#typedFor(repository: Repository): Credential | undefined {
		const entry = bestKey([...this.#logins.keys()], repository, true);
		const typed = entry === undefined ? undefined : this.#logins.get(entry);
		return typed && credentialOf(typed.login, { source, entry: typed.entry, isPassing: true });
	}
}
