/** A file that may be a plan or a receipt: read, and taken for what it is or refused. */
import type { Plan } from '../../shared/plan/plan.ts';
import { parsePlan } from '../../shared/plan/plan-file.ts';
import { parseReceipt, type Receipt } from '../../shared/plan/receipt.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';

export type FileContent =
	| { readonly kind: 'reading' }
	| { readonly kind: 'plan'; readonly plan: Plan }
	| { readonly kind: 'receipt'; readonly receipt: Receipt }
	| { readonly kind: 'failed'; readonly problem: Problem };

/** Receipts say so near their beginning; whatever does not is held to be a plan, which says what is wrong with it. */
function isReceipt(text: string): boolean {
	return /^\s*\{\s*"schema"\s*:\s*"espalier\/receipt\//.test(text);
}

async function readText(file: Blob): Promise<string> {
	if (file.size > limits.planCharacters) {
		const reason = `The file has ${file.size} bytes; no plan or receipt has more than ${limits.planCharacters}.`;
		throw new ProblemError({ code: 'too-large', origin: 'content', reason });
	}
	try {
		return await file.text();
	} catch (cause) {
		const reason = 'The browser could not read the file: it may have been moved or changed.';
		throw new ProblemError({ code: 'malformed', origin: 'browser', reason }, { cause });
	}
}

export class FileReading {
	content = $state.raw<FileContent>({ kind: 'reading' });

	constructor(file: Blob, hash: HashBytes) {
		void this.#read(file, hash);
	}

	async #read(file: Blob, hash: HashBytes): Promise<void> {
		try {
			const text = await readText(file);
			this.content = isReceipt(text)
				? { kind: 'receipt', receipt: parseReceipt(text) }
				: { kind: 'plan', plan: await parsePlan(text, hash) };
		} catch (error) {
			this.content = { kind: 'failed', problem: problemOf(error) };
		}
	}
}
