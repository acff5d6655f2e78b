/** Where a command prints to. */
export interface Output {
	readonly stdout: { write(text: string): unknown };
	readonly stderr: { write(text: string): unknown };
}
