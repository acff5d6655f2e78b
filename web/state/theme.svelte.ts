/** Light, dark, or as the system says. */

export const themes = ['system', 'light', 'dark'] as const;
export type ThemeName = (typeof themes)[number];

const storageKey = 'espalier.theme';

export class Theme {
	#name = $state<ThemeName>(read());

	get name(): ThemeName {
		return this.#name;
	}

	/** The one after this one. */
	next(): void {
		const name = themes[(themes.indexOf(this.#name) + 1) % themes.length] ?? 'system';
		this.#name = name;
		if (name === 'system') delete document.documentElement.dataset['theme'];
		else document.documentElement.dataset['theme'] = name;
		try {
			localStorage.setItem(storageKey, name);
		} catch {
			// It then lasts as long as the page.
		}
	}
}

function read(): ThemeName {
	const name = document.documentElement.dataset['theme'];
	return themes.find((theme) => theme === name) ?? 'system';
}
