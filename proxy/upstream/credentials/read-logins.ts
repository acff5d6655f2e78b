/** Logins that the operator of a team's server names for reading. Nothing shows whose they are, or where they lie. */
import { loginOfEntry, parseAuthFile } from '../../../shared/login/auth-file.ts';
import { bestKey } from '../../../shared/login/entry-key.ts';
import type { Login } from '../../../shared/login/login.ts';
import type { Repository } from '../../../shared/oci/reference.ts';
import { credentialOf, type Credential, type CredentialSource } from './credential.ts';

const source = 'a login of this server, for reading';

export type ReadLogins =
	| { readonly ok: true; readonly logins: ReadonlyMap<string, Login> }
	| { readonly ok: false; readonly reason: string };

/** Reads an auth file. Helpers are not asked here: they are programs, and may give logins that write. */
export function parseReadLogins(text: string): ReadLogins {
	const parsed = parseAuthFile(text, 'config');
	if (!parsed.ok) return parsed;
	const { auths, credHelpers, credsStore } = parsed.file;
	if (credHelpers.size > 0 || credsStore !== undefined) {
		return { ok: false, reason: 'it names credential helpers, which are not asked here' };
	}
	const logins = new Map<string, Login>();
	for (const [entry, found] of auths) {
		const login = loginOfEntry(found);
		if (login === 'damaged') return { ok: false, reason: `its entry “${entry}” is damaged` };
		if (login !== 'none') logins.set(entry, login);
	}
	return { ok: true, logins };
}

/** Finds among these; what reads with them never writes (see `admission.ts`). */
export function readLoginsSource(logins: ReadonlyMap<string, Login>): CredentialSource {
	const entries = [...logins.keys()];
	const find = (repository: Repository): Credential => {
		const entry = bestKey(entries, repository, true);
		const login = entry === undefined ? undefined : logins.get(entry);
		if (entry === undefined || !login) return { kind: 'none' };
		return credentialOf(login, { source, entry });
	};
	return {
		find: (repository) => Promise.resolve(find(repository)),
		describe: (repository) => {
			const { registry } = repository;
			const { kind } = find(repository);
			return Promise.resolve({ registry, kind, ...(kind !== 'none' && { source }) });
		},
	};
}
