/** What every binding of the writing half of the port must do, whatever it is bound to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest, type DigestReference, type Repository } from '../../../shared/oci/reference.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobUpload,
	BlobUploadEvent,
	ManifestPush,
	Registries,
	TagMove,
} from '../../../shared/registry/registries.ts';
import { contentOf, descriptorOf, type Content } from '../../support/release-maker.ts';
import { all, failureOf, imageOf, type Image } from './contract.ts';

export interface WriterUnderTest {
	readonly registries: Registries;
	/** the registry that is written to */
	readonly registry: string;
	/** another one, to copy from */
	readonly elsewhere: string;
	/** Not every registry removes tags. */
	readonly removesTags: boolean;
	putBlob(repository: Repository, content: Content): Promise<void>;
	/** Its config and layers are there already. */
	putManifest(repository: Repository, content: Content, tag?: string): Promise<void>;
	/** Changes what is stored elsewhere under a digest, as a broken disk does. */
	damage(reference: DigestReference, bytes: Uint8Array): Promise<void>;
	stop(): Promise<void>;
}

let made = 0;

function blobOf(size = 300): Content {
	made += 1;
	const seed = made;
	const bytes = Uint8Array.from({ length: size }, (_, at) => at * 31 + seed + (at >> 8) * seed);
	return contentOf(mediaTypes.octetStream, bytes);
}

function indexOf(images: readonly Image[]): Content {
	return contentOf(mediaTypes.ociIndex, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociIndex,
		manifests: images.map(({ manifest }) => descriptorOf(manifest)),
	});
}

async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) {
		yield await Promise.resolve(bytes.subarray(at, at + size));
	}
}

function stateOf(event: { readonly state: string; readonly problem?: { readonly code: string } }) {
	return event.problem?.code ?? event.state;
}

/** What each request ended in. */
function ends<R, E extends { readonly state: string }>(
	requests: readonly R[],
	events: readonly E[],
	requestOf: (event: E) => R,
): (string | undefined)[] {
	const finals = events.filter(({ state }) => state !== 'copying' && state !== 'sending');
	expect(finals.map(requestOf).length).toBe(requests.length);
	return requests.map((request) => {
		const final = finals.find((event) => requestOf(event) === request);
		return final && stateOf(final);
	});
}

export function describeRegistryWriter(name: string, setUp: () => Promise<WriterUnderTest>): void {
	describe(`the writing half of the port: ${name}`, () => {
		let subject: WriterUnderTest;
		beforeAll(async () => {
			subject = await setUp();
		}, 60_000);
		afterAll(() => subject.stop());

		/** A repository that no other test uses. */
		const here = (): Repository => {
			made += 1;
			return { registry: subject.registry, repository: `contract/w${made}` };
		};
		const there = (): Repository => ({ ...here(), registry: subject.elsewhere });
		const blobAt = async (repository: Repository, size?: number): Promise<Content> => {
			const blob = blobOf(size);
			await subject.putBlob(repository, blob);
			return blob;
		};
		const partsAt = async (repository: Repository): Promise<Image> => {
			const image = imageOf();
			await subject.putBlob(repository, image.config);
			await subject.putBlob(repository, image.layer);
			return image;
		};
		const imageAt = async (repository: Repository, tag?: string): Promise<Image> => {
			const image = await partsAt(repository);
			await subject.putManifest(repository, image.manifest, tag);
			return image;
		};
		const copyOf = (blob: Content, to: Repository, ...from: Repository[]): BlobCopy => ({
			to: byDigest(to, blob.digest),
			sizeBytes: blob.bytes.length,
			from,
		});
		const copy = async (...copies: BlobCopy[]) =>
			ends(copies, await all(subject.registries.copyBlobs(copies)), (event) => event.copy);
		const put = async (...uploads: BlobUpload[]) =>
			ends(uploads, await all(subject.registries.putBlobs(uploads)), (event) => event.upload);
		const push = async (...pushes: ManifestPush[]) =>
			ends(pushes, await all(subject.registries.pushManifests(pushes)), (event) => event.push);
		const move = async (...moves: TagMove[]) =>
			ends(moves, await all(subject.registries.moveTags(moves)), (event) => event.move);
		const uploadOf = (content: Content, to: Repository, bytes = content.bytes): BlobUpload => ({
			to: byDigest(to, content.digest),
			sizeBytes: bytes.length,
			content: () => pieces(bytes),
		});
		const pushOf = (content: Content, to: Repository, bytes = content.bytes): ManifestPush => ({
			to: byDigest(to, content.digest),
			mediaType: content.mediaType,
			bytes,
		});
		const read = async ({ digest }: Content, from: Repository) => {
			const { chunks } = await subject.registries.readBlob({ reference: byDigest(from, digest) });
			return Buffer.concat(await all(chunks));
		};
		const isThere = async (
			kind: 'blob' | 'manifest',
			{ digest }: Content,
			repository: Repository,
		) => {
			const request = { kind, reference: byDigest(repository, digest) };
			const [result] = await all(subject.registries.exists([request], { fresh: true }));
			return result?.ok ? result.present : result?.problem;
		};
		const tagAt = async (repository: Repository, tag: string) => {
			const requests = [{ reference: { ...repository, tag } }];
			const [result] = await all(subject.registries.readManifests(requests, { fresh: true }));
			return result?.ok ? result.document.digest : result?.problem.code;
		};

		describe('blobs', () => {
			it.each([0, 1, 700_000])('copies one of %i bytes from another registry', async (size) => {
				const [from, to] = [there(), here()];
				const blob = await blobAt(from, size);
				expect(await copy(copyOf(blob, to, from))).toEqual(['copied']);
				expect(Buffer.compare(await read(blob, to), blob.bytes)).toBe(0);
			});

			it('takes one over from another repository of the registry', async () => {
				const [from, to] = [here(), here()];
				const blob = await blobAt(from, 200_000);
				expect(await copy(copyOf(blob, to, from))).toEqual([
					expect.stringMatching(/^(?:mounted|copied)$/),
				]);
				expect(Buffer.compare(await read(blob, to), blob.bytes)).toBe(0);
			});

			it('leaves alone what is there', async () => {
				const [from, to] = [there(), here()];
				const blob = await blobAt(from);
				await subject.putBlob(to, blob);
				expect(await copy(copyOf(blob, to, from))).toEqual(['existed']);
				expect(await copy(copyOf(blob, to, to))).toEqual(['existed']);
			});

			it('tells what no source has, while the others are copied', async () => {
				const [from, to] = [there(), here()];
				const [one, two] = [await blobAt(from), await blobAt(from, 90_000)];
				const absent = blobOf();
				expect(
					await copy(
						copyOf(one, to, from),
						copyOf(absent, to, from),
						copyOf(two, to, from),
						copyOf(absent, here(), to),
					),
				).toEqual([
					'copied',
					'blob-unknown',
					'copied',
					expect.stringMatching(/^(?:blob|repository)-unknown$/),
				]);
				expect(await isThere('blob', absent, to)).toBe(false);
			});

			it('asks the next source where the first does not have it', async () => {
				const [empty, from, to] = [there(), there(), here()];
				const blob = await blobAt(from);
				await blobAt(empty);
				expect(await copy(copyOf(blob, to, empty, from))).toEqual(['copied']);
			});

			it.each([400, 300_000])(
				'never completes a damaged one of %i bytes at the target',
				async (size) => {
					const [from, to] = [there(), here()];
					const [blob, sound] = [await blobAt(from, size), await blobAt(from)];
					await subject.damage(byDigest(from, blob.digest), blob.bytes.toReversed());
					expect(await copy(copyOf(blob, to, from), copyOf(sound, to, from))).toEqual([
						expect.stringMatching(/^(?:digest-mismatch|truncated)$/),
						'copied',
					]);
					expect(await isThere('blob', blob, to)).toBe(false);
				},
			);

			it('refuses one of another size than its descriptor states', async () => {
				const [from, to] = [there(), here()];
				const blob = await blobAt(from, 500);
				const wrong = { ...copyOf(blob, to, from), sizeBytes: 499 };
				expect(await copy(wrong)).toEqual(['malformed']);
				expect(await isThere('blob', blob, to)).toBe(false);
			});

			it('answers each of several equal copies', async () => {
				const [from, to] = [there(), here()];
				const blob = await blobAt(from, 100_000);
				const copies = [1, 2, 3].map(() => copyOf(blob, to, from));
				const states = await copy(...copies);
				expect(states).toContain('copied');
				for (const state of states) expect(state).toMatch(/^(?:copied|existed)$/);
			});

			it('counts up while it copies', async () => {
				const [from, to] = [there(), here()];
				const blob = await blobAt(from, 900_000);
				const events: BlobCopyEvent[] = await all(
					subject.registries.copyBlobs([copyOf(blob, to, from)]),
				);
				const bytes = events.flatMap((event) => (event.state === 'copying' ? [event.bytes] : []));
				expect(bytes).toEqual(bytes.toSorted((one, other) => one - other));
				expect(bytes.at(-1)).toBeLessThanOrEqual(900_000);
				expect(events.at(-1)?.state).toBe('copied');
			});

			it('puts content that the caller has, and not a second time', async () => {
				const to = here();
				const [small, large] = [blobOf(10), blobOf(500_000)];
				expect(await put(uploadOf(small, to), uploadOf(large, to))).toEqual(['sent', 'sent']);
				expect(Buffer.compare(await read(large, to), large.bytes)).toBe(0);
				expect(await put(uploadOf(small, to))).toEqual(['existed']);
			});

			it('refuses content that is not what its digest says', async () => {
				const to = here();
				const [wrong, short, right] = [blobOf(200_000), blobOf(), blobOf()];
				const cut = { ...uploadOf(short, to), content: () => pieces(short.bytes.subarray(1)) };
				expect(
					await put(uploadOf(wrong, to, wrong.bytes.toReversed()), cut, uploadOf(right, to)),
				).toEqual(['digest-mismatch', 'malformed', 'sent']);
				expect(await isThere('blob', wrong, to)).toBe(false);
				expect(await isThere('blob', short, to)).toBe(false);
			});

			it('tells of content that cannot be read', async () => {
				const blob = blobOf();
				const broken: BlobUpload = {
					...uploadOf(blob, here()),
					content: async function* () {
						yield blob.bytes.subarray(0, 5);
						throw new Error('the file is gone');
					},
				};
				const events: BlobUploadEvent[] = await all(subject.registries.putBlobs([broken]));
				expect(events.at(-1)?.state).toBe('failed');
			});
		});

		describe('manifests', () => {
			it('pushes bytes by digest, children before their index, and moves no tag', async () => {
				const to = here();
				const [one, two] = [await partsAt(to), await partsAt(to)];
				const index = indexOf([one, two]);
				expect(await push(pushOf(one.manifest, to), pushOf(two.manifest, to))).toEqual([
					'pushed',
					'pushed',
				]);
				expect(await push(pushOf(index, to))).toEqual(['pushed']);
				const request = { reference: byDigest(to, index.digest) };
				const [result] = await all(subject.registries.readManifests([request], { fresh: true }));
				expect(result?.ok && result.document).toEqual({
					mediaType: index.mediaType,
					digest: index.digest,
					bytes: index.bytes,
				});
				expect(await failureOf(all(subject.registries.tags(to)).then(String))).toMatch(
					/^(?:no failure|repository-unknown)$/,
				);
			});

			it('copies by digest from where it is, and leaves alone what is there', async () => {
				const [from, near, to] = [there(), here(), here()];
				const image = await imageAt(from);
				const other = await imageAt(near);
				for (const part of [image.config, image.layer, other.config, other.layer]) {
					await subject.putBlob(to, part);
				}
				const copied = ({ manifest }: Image, ...sources: Repository[]): ManifestPush => ({
					to: byDigest(to, manifest.digest),
					mediaType: manifest.mediaType,
					from: sources,
				});
				const pushes = [copied(image, there(), from), copied(other, near)];
				expect(await push(...pushes)).toEqual(['pushed', 'pushed']);
				expect(await push(...pushes, copied(image, to))).toEqual(['existed', 'existed', 'existed']);
				expect(await isThere('manifest', image.manifest, to)).toBe(true);
			});

			it('tells what no source has', async () => {
				const [from, to] = [there(), here()];
				const image = await partsAt(from);
				await imageAt(from);
				const { digest, mediaType } = image.manifest;
				const absent = { to: byDigest(to, digest), mediaType, from: [from] };
				expect(await push(absent, { ...absent, from: [] })).toEqual([
					'manifest-unknown',
					'manifest-unknown',
				]);
			});

			it('refuses bytes that are not what their digest says, and still pushes the others', async () => {
				const to = here();
				const [wrong, right] = [await partsAt(to), await partsAt(to)];
				const spaced = new Uint8Array([...wrong.manifest.bytes, 0x0a]);
				expect(await push(pushOf(wrong.manifest, to, spaced), pushOf(right.manifest, to))).toEqual([
					'digest-mismatch',
					'pushed',
				]);
				expect(await isThere('manifest', wrong.manifest, to)).toBe(false);
			});

			it('refuses a manifest whose parts are not there', async () => {
				const to = here();
				await partsAt(to);
				const [image, child] = [imageOf(), imageOf()];
				expect(await push(pushOf(image.manifest, to), pushOf(indexOf([child]), to))).toEqual([
					'parts-missing',
					'parts-missing',
				]);
			});

			it('answers each of several equal pushes', async () => {
				const to = here();
				const image = await partsAt(to);
				const pushes = [1, 2, 3].map(() => pushOf(image.manifest, to));
				for (const state of await push(...pushes)) expect(state).toMatch(/^(?:pushed|existed)$/);
			});
		});

		describe('tags', () => {
			const moveOf = (
				to: Repository,
				[expected, digest]: readonly (Digest | 'absent')[],
				tag = 'v1',
			): TagMove => ({ ...to, tag, expect: expected!, digest: digest! });

			it('sets one that was not there, moves it, and finds it there', async () => {
				const to = here();
				const [one, two] = [await imageAt(to), await imageAt(to)];
				const [first, second] = [one.manifest.digest, two.manifest.digest];
				expect(await move(moveOf(to, ['absent', first]))).toEqual(['moved']);
				expect(await tagAt(to, 'v1')).toBe(first);
				expect(await move(moveOf(to, [first, second]))).toEqual(['moved']);
				expect(await tagAt(to, 'v1')).toBe(second);
				expect(await move(moveOf(to, [first, second]))).toEqual(['already-there']);
				expect(await move(moveOf(to, [first, 'absent'], 'never-set'))).toEqual(['already-there']);
			});

			it('says where one points instead, moves nothing, and holds the others back', async () => {
				const to = here();
				const [one, two, three] = [await imageAt(to, 'v1'), await imageAt(to), await imageAt(to)];
				const moves = [
					moveOf(to, ['absent', three.manifest.digest], 'v2'),
					moveOf(to, [two.manifest.digest, three.manifest.digest]),
					moveOf(to, ['absent', one.manifest.digest]),
					moveOf(to, [two.manifest.digest, three.manifest.digest], 'v3'),
				];
				const results = await all(subject.registries.moveTags(moves));
				const resultOf = (wanted: TagMove) => results.find((result) => result.move === wanted);
				expect(moves.map(resultOf)).toEqual([
					expect.objectContaining({ state: 'held-back' }),
					expect.objectContaining({ state: 'conflict', found: one.manifest.digest }),
					expect.objectContaining({ state: 'already-there' }),
					expect.objectContaining({ state: 'conflict', found: 'absent' }),
				]);
				expect(await tagAt(to, 'v1')).toBe(one.manifest.digest);
				expect(await tagAt(to, 'v2')).toBe('manifest-unknown');
			});

			it('moves none where the manifest of one is not there', async () => {
				const to = here();
				const [one, absent] = [await imageAt(to), imageOf()];
				expect(
					await move(
						moveOf(to, ['absent', absent.manifest.digest]),
						moveOf(to, ['absent', one.manifest.digest], 'v2'),
					),
				).toEqual(['manifest-unknown', 'held-back']);
				expect(await tagAt(to, 'v2')).toBe('manifest-unknown');
			});

			it('moves many side by side', async () => {
				const to = here();
				const { manifest } = await imageAt(to);
				const moves = Array.from({ length: 20 }, (_, at) =>
					moveOf(to, ['absent', manifest.digest], `t${at}`),
				);
				expect(await move(...moves)).toEqual(Array(20).fill('moved'));
				expect(await tagAt(to, 't19')).toBe(manifest.digest);
			});

			it('answers each of several equal moves', async () => {
				const to = here();
				const { manifest } = await imageAt(to);
				const moves = [1, 2].map(() => moveOf(to, ['absent', manifest.digest]));
				for (const state of await move(...moves)) {
					expect(state).toMatch(/^(?:moved|already-there)$/);
				}
			});

			it('removes one where the registry does that, and says so where it does not', async () => {
				const to = here();
				const { manifest } = await imageAt(to, 'v1');
				const states = await move(moveOf(to, [manifest.digest, 'absent']));
				expect(states).toEqual([subject.removesTags ? 'moved' : 'unsupported']);
				expect(await tagAt(to, 'v1')).toBe(
					subject.removesTags ? 'manifest-unknown' : manifest.digest,
				);
				expect(await isThere('manifest', manifest, to)).toBe(true);
			});

			it('does not remove one that points elsewhere', async () => {
				const to = here();
				const [one, two] = [await imageAt(to, 'v1'), await imageAt(to)];
				expect(await move(moveOf(to, [two.manifest.digest, 'absent']))).toEqual(['conflict']);
				expect(await tagAt(to, 'v1')).toBe(one.manifest.digest);
			});
		});

		it('writes nothing where nothing is asked for', async () => {
			const { registries } = subject;
			expect(await all(registries.copyBlobs([]))).toEqual([]);
			expect(await all(registries.putBlobs([]))).toEqual([]);
			expect(await all(registries.pushManifests([]))).toEqual([]);
			expect(await all(registries.moveTags([]))).toEqual([]);
		});

		it('writes nothing for who has given up already', async () => {
			const [from, to] = [there(), here()];
			const blob = await blobAt(from);
			const image = await partsAt(to);
			const { registries } = subject;
			const options = { signal: AbortSignal.abort() };
			expect(
				await Promise.all([
					failureOf(all(registries.copyBlobs([copyOf(blob, to, from)], options))),
					failureOf(all(registries.putBlobs([uploadOf(blob, to)], options))),
					failureOf(all(registries.pushManifests([pushOf(image.manifest, to)], options))),
				]),
			).toEqual(Array(3).fill('cancelled'));
			expect(await isThere('blob', blob, to)).toBe(false);
			expect(await isThere('manifest', image.manifest, to)).toBe(false);
		});

		it('stops when it is told to in the middle, and finishes when it is asked again', async () => {
			const [from, to] = [there(), here()];
			const copies: BlobCopy[] = [];
			for (let at = 0; at < 60; at += 1) {
				copies.push(copyOf(await blobAt(from, 70_000), to, from));
			}
			const abort = new AbortController();
			const seen: BlobCopyEvent[] = [];
			const work = async () => {
				for await (const event of subject.registries.copyBlobs(copies, { signal: abort.signal })) {
					seen.push(event);
					abort.abort();
				}
			};
			expect(await failureOf(work())).toBe('cancelled');
			expect(seen.length).toBeLessThan(copies.length);
			for (const state of await copy(...copies)) expect(state).toMatch(/^(?:copied|existed)$/);
		});

		it('may be left in the middle, and asked again', async () => {
			const [from, to] = [there(), here()];
			const blob = await blobAt(from, 500_000);
			const copies = [copyOf(blob, to, from), copyOf(await blobAt(from), to, from)];
			for await (const event of subject.registries.copyBlobs(copies)) {
				expect(copies).toContain(event.copy);
				break;
			}
			for (const state of await copy(...copies)) expect(state).toMatch(/^(?:copied|existed)$/);
		});
	});
}
