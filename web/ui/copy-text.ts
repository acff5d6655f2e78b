/** Puts text on the clipboard; where the browser does not allow that (plain http on a network), by selection. */
export async function copyText(text: string): Promise<boolean> {
	const { clipboard } = navigator as Partial<Navigator>;
	try {
		if (clipboard) {
			await clipboard.writeText(text);
			return true;
		}
	} catch {
		// Not allowed; the old way may be.
	}
	const area = document.createElement('textarea');
	area.value = text;
	area.className = 'visually-hidden';
	document.body.append(area);
	area.select();
	// Deprecated, and the only way where there is no clipboard.
	// eslint-disable-next-line @typescript-eslint/no-deprecated
	const done = document.execCommand('copy');
	area.remove();
	return done;
}
