/** Commands that reach the same registries as this page. */

/** @param flags what the page's server was started with, quoted for a shell; may be empty */
export function withFlags(command: string, flags: string): string {
	return flags === '' ? command : `${command} ${flags}`;
}
