import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { audit, auditRelease, readAuditArguments } from '../../../proxy/cli/audit.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';
import { coverageReportSchema } from '../../../shared/report/coverage-report.ts';
import { ReleaseMaker } from '../../support/release-maker.ts';
import { makeSigner, signText, statement, type OwnSigner } from '../signature/genuine.ts';
import { startScripted, stopAll } from '../upstream/scripted-server.ts';

const reference = 'quay.io/acme/release:1';
let folder: string;
let signer: OwnSigner;
let maker: ReleaseMaker;
let digest: string;

function configMap(store: string): string {
	return JSON.stringify({
		apiVersion: 'v1',
		kind: 'ConfigMap',
		metadata: {
			name: 'release-verification',
			annotations: { 'release.openshift.io/verification-config-map': '' },
		},
		data: {
			'store-a': store,
			'verifier-public-key-a': new TextDecoder().decode(signer.keyring),
		},
	});
}

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'espalier-signature-'));
	signer = await makeSigner();
	maker = new ReleaseMaker();
	maker.addBuilt('pod');
	const text = configMap('https://127.0.0.1:9/store');
	await maker.finish({ files: [{ name: '0000_90_keys.json', text }] });
	digest = (await maker.read()).root?.digest ?? '';
	await writeFile(join(folder, 'key.asc'), signer.keyring);
	await writeFile(join(folder, 'good'), await signText(statement(digest), signer));
	const other = `sha256:${'b2'.repeat(32)}`;
	await writeFile(join(folder, 'bad'), await signText(statement(other), signer));
});
afterEach(stopAll);
afterAll(() => rm(folder, { recursive: true }));

const file = (name: string) => join(folder, name);

async function run(...flags: readonly string[]) {
	const written = { stdout: '', stderr: '' };
	const args = readAuditArguments([reference, ...flags])!;
	const exitCode = await auditRelease(maker.registries, args, {
		stdout: { write: (text: string) => (written.stdout += text) },
		stderr: { write: (text: string) => (written.stderr += text) },
	});
	return { exitCode, ...written };
}

async function startStore(signature: Uint8Array | undefined) {
	return startScripted((request, response) => {
		const isThere =
			signature !== undefined && request.url === `/s/${digest.replace(':', '=')}/signature-1`;
		response.statusCode = isThere ? 200 : 404;
		response.end(isThere ? signature : 'nothing');
	});
}

describe('espalier audit', () => {
	it('does not call a file bad that is no signature at all', async () => {
		await writeFile(file('hostname'), 'box.example\n');
		await expect(run('--signature-file', file('hostname'))).rejects.toThrow(
			'hostname is not a signature; nothing was checked.',
		);
	});

	it('says nothing of signatures unless it is asked', async () => {
		const { exitCode, stdout } = await run('--json');
		expect(exitCode).toBe(0);
		expect(JSON.parse(stdout)).not.toHaveProperty('signature');
	});

	it('finds a signature in a store, and says that only the payload vouches for its key', async () => {
		const server = await startStore(await readFile(file('good')));
		const { exitCode, stdout } = await run('--signature-store', `http://${server.host}/s`);
		expect(exitCode).toBe(0);
		expect(stdout).toContain('Signature: This release is signed by Test Signer');
		expect(stdout).toContain('Only the payload itself vouches for that key');
		expect(server.requests.map(({ path }) => path.slice(-1))).toEqual(['1', '2']);
		const required = await run(
			...['--signature-store', `http://${server.host}/s`],
			'--require-signature',
		);
		expect(required.exitCode).toBe(3);
	});

	it('passes with the key that the user gave, in every format', async () => {
		const flags = ['--signature-file', file('good'), '--verification-key', file('key.asc')];
		const json = await run(...flags, '--require-signature', '--json');
		expect(json.exitCode).toBe(0);
		expect(coverageReportSchema.parse(JSON.parse(json.stdout)).signature).toMatchObject({
			verdict: 'valid',
			trust: 'given',
			covers: 'release',
			subjects: [{ digest, signatures: [{ fingerprint: signer.fingerprint, from: 'good' }] }],
		});
		expect((await run(...flags, '--markdown')).stdout).toContain('### Signature: valid');
	});

	it('fails with a bad one, and says why', async () => {
		const { exitCode, stdout, stderr } = await run('--signature-file', file('bad'));
		expect(exitCode).toBe(3);
		expect(stdout).toContain('Signature: The signature is bad.');
		expect(stdout).toContain(`not for ${digest}`);
		expect(stderr).toBe('');
	});

	it('tells none from what could not be looked at', async () => {
		const empty = await startStore(undefined);
		const none = await run('--signature-store', `http://${empty.host}/s`, '--json');
		expect(coverageReportSchema.parse(JSON.parse(none.stdout)).signature?.verdict).toBe('none');
		expect(none.exitCode).toBe(0);
		await empty.stop();
		const down = await run('--signature-store', `http://${empty.host}/s`, '--require-signature');
		expect(down.exitCode).toBe(4);
		expect(down.stdout).toContain('could not be checked');
	});

	it('says that it could not be checked where the payload’s store may not be asked', async () => {
		const { exitCode, stdout } = await run('--signature');
		expect(exitCode).toBe(0);
		expect(stdout).toContain('Signature: The signature could not be checked.');
	});

	it.each([
		[['--verification-key', 'k'], 'does not say where signatures are'],
		[['--require-signature'], 'does not say where signatures are'],
		[['--signature-store', 'nonsense'], 'is not an address'],
		[['--signature-store', 'file:///etc/passwd'], 'not reached over https'],
		[['--signature-store', 'https://u:secret@a.example/'], 'with a login'],
	])('refuses %j', (flags, why) => {
		const read = () => readAuditArguments([reference, ...flags]);
		expect(read).toThrow(UsageError);
		expect(read).toThrow(why);
		expect(read).not.toThrow('secret');
	});

	it('names the file that cannot be read', async () => {
		await expect(run('--signature-file', file('nowhere'))).rejects.toThrow('nowhere');
	});

	it('explains where --signature looks', async () => {
		let text = '';
		const output = { write: (part: string) => (text += part) };
		await audit(['--help'], { stdout: output, stderr: output });
		expect(text).toContain('that contacts hosts that you did not name');
	});
});
