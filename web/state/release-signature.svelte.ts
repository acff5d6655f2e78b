/** The signatures of the release that is shown: looked at only when somebody asks, and says where. */
import { isDigest } from '../../shared/oci/digest.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { ReleaseReading } from '../../shared/release/read-release.ts';
import { printable } from '../../shared/report/printable.ts';
import { signatureReport, type SignatureReport } from '../../shared/report/signature-report.ts';
import {
	isLikeSignature,
	isPublicKeyFile,
	noSignatureSentence,
} from '../../shared/signature/given-file.ts';
import type { FoundSignature, Keyring } from '../../shared/signature/judge.ts';
import { signatureLimits } from '../../shared/signature/limits.ts';
import {
	storeHosts,
	type FindSignatures,
	type SignatureStore,
} from '../../shared/signature/stores.ts';
import type { VerificationConfigMap } from '../../shared/signature/verification-config-map.ts';

/** A file that the user gave, and for what it is taken. */
export interface GivenFile {
	readonly name: string;
	readonly bytes: Uint8Array;
	readonly kind: 'key' | 'signature';
}

async function readFile(file: File): Promise<GivenFile> {
	// Beyond this it is neither; the judge says so of what is cut here.
	const bytes = new Uint8Array(await file.slice(0, signatureLimits.keyringBytes + 1).arrayBuffer());
	return { name: file.name, bytes, kind: isPublicKeyFile(bytes) ? 'key' : 'signature' };
}

export class ReleaseSignature {
	readonly #find: FindSignatures;
	readonly #reading: () => ReleaseReading | undefined;
	#named = $state.raw<VerificationConfigMap | undefined>(undefined);
	#abort: AbortController | undefined;
	#areStoresAsked = false;

	isPrepared = $state(false);
	isChecking = $state(false);
	given = $state.raw<readonly GivenFile[]>([]);
	report = $state.raw<SignatureReport | undefined>(undefined);
	problem = $state.raw<Problem | undefined>(undefined);
	/** why the last files were not taken */
	refusal = $state<string | undefined>(undefined);

	readonly #stores = $derived<readonly SignatureStore[]>(
		(this.#named?.stores ?? []).map((url) => ({ url, namedBy: 'payload' })),
	);
	/** The hosts that looking where the payload says would contact. */
	readonly hosts = $derived(storeHosts(this.#stores));
	/** The payload's own keys, by the names that it gives them. */
	readonly keyNames = $derived((this.#named?.keyrings ?? []).map(({ name }) => name));

	constructor(find: FindSignatures, reading: () => ReleaseReading | undefined) {
		this.#find = find;
		this.#reading = reading;
	}

	/** Reads what the payload says of its own signatures; contacts nobody. */
	async prepare(): Promise<void> {
		const payload = this.#reading()?.payload;
		if (this.isPrepared || !payload) return;
		const { findVerificationConfigMap } =
			await import('../../shared/signature/verification-config-map.ts');
		this.#named = findVerificationConfigMap(payload.files);
		this.isPrepared = true;
	}

	/** Looks where the payload says, and checks what is found. */
	async lookInStores(): Promise<void> {
		this.#areStoresAsked = true;
		await this.#check();
	}

	/** Takes keys and signatures, and checks with them at once. */
	async give(files: readonly File[]): Promise<void> {
		try {
			this.refusal = undefined;
			const read = await Promise.all(files.map(readFile));
			const other = read.find(({ kind, bytes }) => kind === 'signature' && !isLikeSignature(bytes));
			if (other) {
				this.refusal = noSignatureSentence(printable(other.name, 100));
				return;
			}
			this.given = [...this.given, ...read];
			await this.#check();
		} catch (error) {
			this.problem = problemOf(error);
		}
	}

	/** As if nothing had been given or looked at. */
	forget(): void {
		this.stop();
		this.given = [];
		this.report = undefined;
		this.problem = undefined;
		this.refusal = undefined;
		this.#areStoresAsked = false;
	}

	stop(): void {
		this.#abort?.abort();
		this.isChecking = false;
	}

	#keyrings(): readonly Keyring[] {
		const given = this.given.filter(({ kind }) => kind === 'key');
		// A key that the user gives takes the place of those that the payload chose for itself.
		if (given.length > 0) return given.map((key) => ({ ...key, from: 'user' }));
		return (this.#named?.keyrings ?? []).map((key) => ({ ...key, from: 'payload' }));
	}

	#files(): readonly FoundSignature[] {
		return this.given
			.filter(({ kind }) => kind === 'signature')
			.map(({ name, bytes }) => ({ from: name, bytes }));
	}

	async #check(): Promise<void> {
		const reading = this.#reading();
		if (!reading?.root || (!this.#areStoresAsked && this.#files().length === 0)) return;
		this.stop();
		const abort = new AbortController();
		this.#abort = abort;
		this.isChecking = true;
		this.problem = undefined;
		try {
			const report = await this.#reportOn(reading, abort.signal);
			if (!abort.signal.aborted) this.report = report;
		} catch (error) {
			if (!abort.signal.aborted) this.problem = problemOf(error);
		} finally {
			if (!abort.signal.aborted) this.isChecking = false;
		}
	}

	/** OpenPGP is large, and few ask for it: it comes when it is needed. */
	async #reportOn(
		{ root, images }: ReleaseReading,
		signal: AbortSignal,
	): Promise<SignatureReport | undefined> {
		if (!root) return undefined;
		await this.prepare();
		const [{ checkReleaseSignatures }, { verifyOnDemand }] = await Promise.all([
			import('../../shared/signature/check-release.ts'),
			import('../../shared/signature/openpgp-on-demand.ts'),
		]);
		const subjects = await checkReleaseSignatures(
			{
				root: root.digest,
				images: images.flatMap(({ digest, platform }) =>
					isDigest(digest) ? [{ digest, platform }] : [],
				),
				keyrings: this.#keyrings(),
				stores: this.#areStoresAsked ? this.#stores : [],
				files: this.#files(),
			},
			{ verify: verifyOnDemand(), now: Date.now(), find: this.#find, signal },
		);
		return signatureReport(subjects);
	}
}
