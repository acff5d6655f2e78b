import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { plan } from '../../../proxy/cli/plan.ts';
import { formatRepository } from '../../../shared/oci/reference.ts';
import { printPlan } from '../../../shared/plan/plan-file.ts';
import { smallPlan, source, target } from '../plan/small-plan.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-show-'));
afterAll(() => {
	rmSync(folder, { recursive: true });
});

async function show(text: string, ...flags: readonly string[]) {
	const file = join(folder, 'plan.json');
	writeFileSync(file, text);
	const printed = { stdout: '', stderr: '' };
	const code = await plan(['show', file, ...flags], {
		stdout: { write: (part: string) => (printed.stdout += part) },
		stderr: { write: (part: string) => (printed.stderr += part) },
	});
	return { code, ...printed };
}

describe('espalier plan show', () => {
	it('says what a plan would write and whom it would contact, and contacts nobody', async () => {
		const made = await smallPlan();
		const { code, stdout, stderr } = await show(printPlan(made));
		expect(code).toBe(0);
		expect(stderr).toBe('');
		for (const part of [made.id, formatRepository(target), formatRepository(source)]) {
			expect(stdout).toContain(part);
		}
	});

	it('prints it for a pull request', async () => {
		const made = await smallPlan();
		expect((await show(printPlan(made), '--markdown')).stdout).toMatch(/^#|\n\| /);
	});

	it('refuses a plan whose content is not what its digest says', async () => {
		const made = await smallPlan();
		const text = printPlan(made).replace('schemaVersion', 'schemaversion');
		expect(text).not.toBe(printPlan(made));
		const { code, stdout, stderr } = await show(text);
		expect(code).toBe(1);
		expect(stdout).toBe('');
		expect(stderr).not.toBe('');
	});

	it('says what it is called with', async () => {
		await expect(plan(['show'], process)).rejects.toThrow('needs the file of a plan');
		await expect(plan(['show', 'a', 'b'], process)).rejects.toThrow('“b” is one more');
	});
});
