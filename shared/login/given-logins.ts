/** Logins as people give them to the page: an entry that they type, and auth files that they paste or drop. */
import { fromJsonBytes } from '../oci/bytes-in-json.ts';
import { isRegistry, isRepositoryName, storeRegistry } from '../oci/reference.ts';
import { loginOfEntry, parseAuthFile, type AuthFile } from './auth-file.ts';
import { isRegistryKey, registryOfKey } from './entry-key.ts';
import { keyedLogin, type KeyedLogin } from './login.ts';

/** More than any pull secret has. */
export const mostAuthFileCharacters = 1024 * 1024;

export type ReadEntry =
	{ readonly ok: true; readonly entry: string } | { readonly ok: false; readonly reason: string };

const likeHost = /[.:]|^localhost$/;

/**
 * Reads what a login is for, `quay.io` or `quay.io/team`; a scheme in front and “/” at the end are taken off.
 * The reason of a refusal quotes nothing: people paste passwords into the wrong field.
 */
export function readEntry(text: string): ReadEntry {
	const written = text
		.trim()
		.replace(/^(?:https?|docker):\/\//i, '')
		.replace(/\/{1,9}$/, '');
	if (written === '') return { ok: false, reason: 'Say for which registry the login is.' };
	const [first = '', ...path] = written.split('/');
	const host = first.toLowerCase();
	if (host === storeRegistry) {
		return { ok: false, reason: 'The embedded registry needs no login from here.' };
	}
	if (!likeHost.test(host) || !isRegistry(host)) {
		return {
			ok: false,
			reason:
				'This is not a registry: a host name such as quay.io, with “:” and a port where needed.',
		};
	}
	const registry = registryOfKey(host);
	if (path.length === 0) return { ok: true, entry: registry };
	if (!isRepositoryName(path.join('/'))) {
		return {
			ok: false,
			reason: 'After the registry comes a namespace, such as quay.io/team, without tag or digest.',
		};
	}
	return { ok: true, entry: `${registry}/${path.join('/')}` };
}

export type GivenLogins =
	| {
			readonly ok: true;
			readonly logins: readonly KeyedLogin[];
			/** a sentence for every part of it that is of no use here; names entries, quotes nothing else */
			readonly notes: readonly string[];
	  }
	| { readonly ok: false; readonly reason: string };

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const configKeys = ['auths', 'credHelpers', 'credsStore'];

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text.replace(/^\uFEFF/, ''));
	} catch {
		return undefined;
	}
}

/** As `oc get secret -o json` and `-o yaml` print it: base64 on one line. */
const secretField = /^\s*"?\.dockerconfigjson"?:\s*"?([A-Za-z0-9+/]+={0,2})"?,?\s*$/m;
const secretKind = /^\s*"?kind"?:\s*"?Secret"?,?\s*$/m;

/** The Docker config inside of a Kubernetes Secret; any other text as it is. */
function outOfSecret(text: string): string {
	const base64 = secretKind.test(text) ? secretField.exec(text)?.[1] : undefined;
	const bytes =
		base64 === undefined ? undefined : fromJsonBytes({ base64: base64.replace(/={1,2}$/, '') });
	return bytes ? new TextDecoder().decode(bytes) : text;
}

const expected =
	'Expected is {"auths": …}, as oc extract secret/pull-secret -n openshift-config --to=- prints it';

/** True for a Docker config or pull secret. The old `.dockercfg` has no mark of its own. */
export function looksLikeAuthFile(text: string): boolean {
	if (text.length > mostAuthFileCharacters) return false;
	const value = parseJson(outOfSecret(text));
	return isRecord(value) && configKeys.some((key) => Object.hasOwn(value, key));
}

function helperNote(entry: string, helper: string): string {
	return `“${entry}”: its login is with the credential helper “${helper}” of the computer that the file is from; the page cannot ask it.`;
}

function entryOf(key: string): string {
	return isRegistryKey(key) ? registryOfKey(key) : key;
}

interface Collected {
	readonly logins: Map<string, KeyedLogin>;
	readonly notes: string[];
}

function collect(file: AuthFile, { logins, notes }: Collected): void {
	for (const [key, written] of file.auths) {
		const name = key.slice(0, 200);
		const login = loginOfEntry(written);
		const helper = file.credHelpers.get(key) ?? file.credsStore;
		const keyed = typeof login === 'string' ? undefined : keyedLogin(entryOf(key), login);
		if (keyed?.ok) logins.set(keyed.login.entry, keyed.login);
		else if (login !== 'none') notes.push(`“${name}”: the entry is damaged and left out.`);
		else if (helper !== undefined) notes.push(helperNote(name, helper.slice(0, 100)));
		else notes.push(`“${name}”: there is no login in this entry.`);
	}
	for (const [key, helper] of file.credHelpers) {
		if (!file.auths.has(key)) notes.push(helperNote(key.slice(0, 200), helper.slice(0, 100)));
	}
}

/** Reads a pull secret or Docker config that somebody pasted or dropped. */
export function readGivenLogins(text: string): GivenLogins {
	if (text.length > mostAuthFileCharacters) {
		return { ok: false, reason: 'It is too large for a pull secret or Docker config.' };
	}
	const config = outOfSecret(text);
	const parsed = parseAuthFile(config, looksLikeAuthFile(config) ? 'config' : 'dockercfg');
	if (!parsed.ok) {
		const reason = `It cannot be used as a pull secret: ${parsed.reason}. ${expected}.`;
		return { ok: false, reason };
	}
	const { file } = parsed;
	const collected: Collected = { logins: new Map(), notes: [] };
	collect(file, collected);
	const { logins, notes } = collected;
	if (logins.size === 0 && notes.length === 0) {
		return {
			ok: false,
			reason:
				file.credsStore === undefined
					? 'There is no login in it.'
					: `There is no login in it: they are with the credential helper “${file.credsStore.slice(0, 100)}” of the computer that it is from.`,
		};
	}
	return { ok: true, logins: [...logins.values()], notes };
}
