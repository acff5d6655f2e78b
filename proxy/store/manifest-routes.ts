/** `/v2/<name>/manifests/<tag or digest>` (distribution-spec, "Pulling manifests", "Pushing Manifests"). */
import { isDigest, type Digest } from '../../shared/oci/digest.ts';
import { bareMediaType } from '../../shared/oci/media-type.ts';
import { isTag } from '../../shared/oci/reference.ts';
import { arrivingBody } from './arriving-body.ts';
import { requireDigest, type Exchange } from './exchange.ts';
import type { TagExpectation } from './layout.ts';
import { mostManifestBytes } from './manifest-facts.ts';
import { StoreError } from './store-error.ts';

/** What is no tag cannot be there: 404, unless it looks like a digest. */
async function resolve({ repository, target }: Exchange): Promise<Digest> {
	if (isDigest(target)) return target;
	if (target.includes(':')) requireDigest(target);
	return await repository.resolve(target);
}

/** The entity tags of a condition, without quotes and weakness marks. */
function entityTags(header: string): string[] {
	return header.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"?([^"]*)"?$/, '$1'));
}

export async function getManifest(exchange: Exchange): Promise<Response> {
	const { request, repository } = exchange;
	const digest = await resolve(exchange);
	const { bytes, mediaType } = await repository.readManifest(digest);
	const headers = {
		'Content-Type': mediaType,
		'Docker-Content-Digest': digest,
		ETag: `"${digest}"`,
		Vary: 'Accept',
	};
	const known = entityTags(request.headers.get('if-none-match') ?? '');
	if (known.includes(digest)) return new Response(null, { status: 304, headers });
	return new Response(request.method === 'HEAD' ? null : new Uint8Array(bytes), {
		headers: { ...headers, 'Content-Length': `${bytes.length}` },
	});
}

async function readAtMost(exchange: Exchange, mostBytes: number): Promise<Uint8Array> {
	const { request } = exchange;
	const refuse = () =>
		new StoreError('manifestTooLarge', `A manifest may have at most ${mostBytes} bytes.`);
	if (Number(request.headers.get('content-length') ?? 0) > mostBytes) throw refuse();
	const chunks: Uint8Array[] = [];
	let sizeBytes = 0;
	for await (const chunk of arrivingBody(exchange)) {
		sizeBytes += chunk.length;
		if (sizeBytes > mostBytes) throw refuse();
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

function expectation(headers: Headers): TagExpectation | undefined {
	if (headers.get('if-none-match')?.trim() === '*') return 'absent';
	const match = headers.get('if-match');
	if (match === null) return undefined;
	return match.trim() === '*' ? 'present' : entityTags(match);
}

export async function putManifest(exchange: Exchange): Promise<Response> {
	const { request, repository, target } = exchange;
	const digest = target.includes(':') ? requireDigest(target) : undefined;
	if (digest === undefined && !isTag(target)) {
		throw new StoreError('tagInvalid', `“${target}” is not a tag.`, { details: [target] });
	}
	const stored = await repository.putManifest(await readAtMost(exchange, mostManifestBytes), {
		digest,
		tag: digest === undefined ? target : undefined,
		mediaType: bareMediaType(request.headers.get('content-type') ?? ''),
		expect: expectation(request.headers),
	});
	return new Response(null, {
		status: 201,
		headers: {
			'Docker-Content-Digest': stored.digest,
			ETag: `"${stored.digest}"`,
			Location: `/v2/${repository.name}/manifests/${stored.digest}`,
			'Content-Length': '0',
			...(stored.subject && { 'OCI-Subject': stored.subject }),
		},
	});
}

export async function deleteManifest({ repository, target }: Exchange): Promise<Response> {
	if (target.includes(':')) await repository.deleteManifest(requireDigest(target));
	else await repository.deleteTag(target);
	return new Response(null, { status: 202, headers: { 'Content-Length': '0' } });
}
