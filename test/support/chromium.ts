/** Finds a Chromium that is already on the machine, and how to start it without it calling anybody. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const names = [
	'chromium',
	'chromium-browser',
	'google-chrome',
	'google-chrome-stable',
	'chrome.exe',
];
const places = [
	'/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
	'/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of an installed Chromium or Chrome; undefined where Playwright's own is the only chance. */
export function findChromium(): string | undefined {
	const named = process.env['CHROMIUM'];
	if (named) return named;
	const folders = (process.env['PATH'] ?? '').split(delimiter);
	return [...folders.flatMap((folder) => names.map((name) => join(folder, name))), ...places].find(
		(path) => existsSync(path),
	);
}

/** A root user inside a container has no sandbox to offer. */
const isRoot = process.getuid?.() === 0;

export const chromiumArguments = [
	...(isRoot ? ['--no-sandbox'] : []),
	'--disable-gpu',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	'--no-first-run',
];

export function chromiumLaunchOptions() {
	const executablePath = findChromium();
	return { args: chromiumArguments, ...(executablePath && { executablePath }) };
}
