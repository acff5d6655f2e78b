/** Whether this page came from a static host. */
import { staticPageMeta } from '../../shared/api/static-page.ts';

/** By the mark that the build puts into the page, and the proxy takes away. */
export function isStaticPage(): boolean {
	const { name, content } = staticPageMeta;
	return document.querySelector(`meta[name="${name}"][content="${content}"]`) !== null;
}
