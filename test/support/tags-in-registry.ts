/** Where tags of a registry without TLS point, asked as any client would. */
import { request } from 'undici';
import { manifestAccept } from '../../shared/oci/media-type.ts';
import { sha256 } from './push.ts';

/** @param repository `HOST/PATH` */
async function get(repository: string, what: string) {
	const [, host = '', path = ''] = /^([^/]+)\/(.+)$/.exec(repository) ?? [];
	const url = `http://${host}/v2/${path}/${what}`;
	const { statusCode, body } = await request(url, { headers: { accept: manifestAccept } });
	const bytes = new Uint8Array(await body.arrayBuffer());
	if (statusCode !== 200 && statusCode !== 404) throw new Error(`${url}: ${statusCode}`);
	return statusCode === 200 ? bytes : undefined;
}

/** The digest of what a tag points to, computed from its bytes; undefined where there is no such tag. */
export async function digestOfTag(repository: string, tag: string): Promise<string | undefined> {
	const bytes = await get(repository, `manifests/${tag}`);
	return bytes && sha256(bytes);
}

/** All tags, sorted; none where there is no such repository. */
export async function tagsOf(repository: string): Promise<readonly string[]> {
	const bytes = await get(repository, 'tags/list');
	if (!bytes) return [];
	const { tags } = JSON.parse(new TextDecoder().decode(bytes)) as { tags: string[] | null };
	return (tags ?? []).toSorted();
}
