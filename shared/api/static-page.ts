/** How the built page knows that it lies on a static host: by a mark that the proxy takes away when it serves it. */

export const staticPageMeta = { name: 'espalier-proxy', content: 'elsewhere' } as const;

/** The mark as the build writes it. */
export const staticPageMark = `<meta name="${staticPageMeta.name}" content="${staticPageMeta.content}">`;
