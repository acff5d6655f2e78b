/** The logins that were typed into this tab. They are in its memory alone: nothing here stores, shares or prints a secret. */
import { keyedLogin, type KeyedLogin, type Login } from '../../shared/login/login.ts';

/** Reading them comes when there is something to read. */
const reader = () => import('../../shared/login/given-logins.ts');

/** A login for people: never its secret. */
export interface ShownLogin {
	/** the registry or namespace that it is for */
	readonly entry: string;
	readonly kind: Login['kind'];
	readonly username: string | undefined;
}

/** That somebody is asked for a login. */
export interface LoginWish {
	/** for what; empty where that is open */
	readonly entry: string;
	/** what waits for it: tried again as soon as there is one */
	readonly onadded?: (() => void) | undefined;
}

function shown({ entry, login }: KeyedLogin): ShownLogin {
	const username = 'username' in login ? login.username : undefined;
	return { entry, kind: login.kind, username };
}

/** True for a file that is meant to be a pull secret or Docker config, whether it can be read or not. */
export async function isAuthFile(file: File): Promise<boolean> {
	if (/(?:^|[._-])(?:dockercfg|dockerconfigjson|pull-?secret)\b/i.test(file.name)) return true;
	const { looksLikeAuthFile, mostAuthFileCharacters } = await reader();
	if (file.size > mostAuthFileCharacters) return false;
	return looksLikeAuthFile(await file.text().catch(() => ''));
}

export class Logins {
	#all = $state.raw<readonly KeyedLogin[]>([]);
	#wish = $state.raw<LoginWish | undefined>(undefined);
	/** What was of no use in the last file or text, a sentence each. */
	notes = $state.raw<readonly string[]>([]);
	/** What became of the last file or text. */
	said = $state('');
	readonly shown = $derived(this.#all.map(shown));

	/** With their secrets, for requests. */
	get all(): readonly KeyedLogin[] {
		return this.#all;
	}

	/** What the page asks for now; undefined where it asks for nothing. */
	get wish(): LoginWish | undefined {
		return this.#wish;
	}

	/** Shows where to give a login. */
	ask(wish: LoginWish = { entry: '' }): void {
		this.#wish = wish;
	}

	close(): void {
		this.#wish = undefined;
		this.said = '';
		this.notes = [];
	}

	/** Takes the place of another one for the same entry. False where it cannot be sent. */
	add(entry: string, login: Login): boolean {
		const keyed = keyedLogin(entry, login);
		if (!keyed.ok) return false;
		this.#take([keyed.login]);
		return true;
	}

	/** Reads a pull secret or Docker config; what is of no use is named in `notes`. */
	async give(text: string): Promise<void> {
		const { readGivenLogins } = await reader();
		const given = readGivenLogins(text);
		this.notes = given.ok ? given.notes : [];
		if (!given.ok) {
			this.said = given.reason;
			return;
		}
		const { length } = given.logins;
		this.said =
			length === 0
				? 'No login of it can be used here.'
				: `${length} ${length === 1 ? 'login was' : 'logins were'} added.`;
		if (length > 0) this.#take(given.logins);
	}

	async giveFile(file: File): Promise<void> {
		if (!this.#wish) this.ask();
		const { mostAuthFileCharacters } = await reader();
		if (file.size > mostAuthFileCharacters) {
			this.notes = [];
			this.said = 'The file is too large for a pull secret or Docker config.';
			return;
		}
		await this.give(await file.text().catch(() => ''));
	}

	remove(entry: string): void {
		this.#all = this.#all.filter((login) => login.entry !== entry);
	}

	forget(): void {
		this.#all = [];
		this.notes = [];
		this.said = '';
	}

	#take(logins: readonly KeyedLogin[]): void {
		const isReplaced = (entry: string) => logins.some((login) => login.entry === entry);
		this.#all = [...this.#all.filter(({ entry }) => !isReplaced(entry)), ...logins];
		const waiting = this.#wish?.onadded;
		if (!waiting) return;
		this.#wish = undefined;
		waiting();
	}
}
