/** Tags, referrers and repositories (distribution-spec, "Content Discovery"). */
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { jsonResponse, requireDigest, type Exchange } from './exchange.ts';
import { pageOf } from './paging.ts';
import type { Store } from './store.ts';

export async function listTags({ request, url, repository }: Exchange): Promise<Response> {
	const { items, link } = pageOf(await repository.tags(), url);
	return jsonResponse(request, { name: repository.name, tags: items }, link ? { Link: link } : {});
}

/** Never 404: a subject or repository that is not there has no referrers. */
export async function listReferrers(exchange: Exchange): Promise<Response> {
	const { request, url, repository, target } = exchange;
	const wanted = url.searchParams.get('artifactType');
	const all = await repository.referrers(requireDigest(target));
	const manifests = wanted ? all.filter(({ artifactType }) => artifactType === wanted) : all;
	return jsonResponse(
		request,
		{ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests },
		{
			'Content-Type': mediaTypes.ociIndex,
			...(wanted && { 'OCI-Filters-Applied': 'artifactType' }),
		},
	);
}

export async function listRepositories(
	request: Request,
	url: URL,
	store: Store,
): Promise<Response> {
	const { items, link } = pageOf(await store.repositories(), url);
	return jsonResponse(request, { repositories: items }, link ? { Link: link } : {});
}
