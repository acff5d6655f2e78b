/** The wire contract between page and proxy. Bodies and query strings carry references, never the path. */
import * as z from 'zod';
import { digestSchema } from '../oci/digest.ts';
import { isRegistry, isRepositoryName, isTag, storeRegistry } from '../oci/reference.ts';
import { capabilityFactSchema } from '../registry/capabilities.ts';
import { limits } from '../registry/limits.ts';
import { namedMirrorsSchema } from '../registry/mirror-rules.ts';
import { problemSchema } from '../registry/problem.ts';

/** The header that carries the process's token. It is not CORS-safelisted, so no foreign page can send it unasked. */
export const tokenHeader = 'x-espalier-token';

const registrySchema = z
	.string()
	.max(300)
	.refine((text) => text === storeRegistry || isRegistry(text), 'not a registry');

export const repositorySchema = z.strictObject({
	registry: registrySchema,
	repository: z.string().refine(isRepositoryName, 'not a repository'),
});

export const referenceSchema = z.strictObject({
	...repositorySchema.shape,
	tag: z.string().refine(isTag, 'not a tag').optional(),
	digest: digestSchema.optional(),
});

export const digestReferenceSchema = z.strictObject({
	...referenceSchema.shape,
	digest: digestSchema,
});

const requestShape = {
	namedBy: registrySchema.optional(),
	/** asked with the login that may write there */
	forWriting: z.boolean().optional(),
};
const documentRequestSchema = z.strictObject({ reference: referenceSchema, ...requestShape });
const configRequestSchema = z.strictObject({ reference: digestReferenceSchema, ...requestShape });

/** `POST /api/manifests` */
export const manifestsBodySchema = z.strictObject({
	requests: z.array(documentRequestSchema).max(limits.documentsPerRequest),
});

/** `POST /api/configs` */
export const configsBodySchema = z.strictObject({
	requests: z.array(configRequestSchema).max(limits.documentsPerRequest),
});

/** `POST /api/exists` */
export const existsBodySchema = z.strictObject({
	requests: z
		.array(z.strictObject({ ...configRequestSchema.shape, kind: z.enum(['manifest', 'blob']) }))
		.max(limits.documentsPerRequest),
});

const failedSchema = z.object({
	index: z.number().int(),
	ok: z.literal(false),
	problem: problemSchema,
});

/** One line of `/api/manifests` and `/api/configs`; `index` is the request's place in the body. */
export const documentLineSchema = z.discriminatedUnion('ok', [
	z.object({
		index: z.number().int(),
		ok: z.literal(true),
		digest: digestSchema,
		mediaType: z.string(),
		checkedAt: z.number(),
		/** the exact bytes: as text where they are UTF-8, else as base64 */
		text: z.string().optional(),
		base64: z.string().optional(),
	}),
	failedSchema,
]);
export type DocumentLine = z.infer<typeof documentLineSchema>;

/** One line of `/api/exists` */
export const presenceLineSchema = z.discriminatedUnion('ok', [
	z.object({
		index: z.number().int(),
		ok: z.literal(true),
		present: z.boolean(),
		checkedAt: z.number(),
	}),
	failedSchema,
]);

/** One line of `/api/tags`, `/api/repositories` (a name) and `/api/referrers` (a descriptor); a problem ends it. */
export const listingLineSchema = z.discriminatedUnion('ok', [
	z.object({ ok: z.literal(true), item: z.unknown() }),
	z.object({ ok: z.literal(false), problem: problemSchema }),
]);

/** Which credential a registry would be given. Never its secret. */
export const credentialUseSchema = z.object({
	registry: z.string(),
	kind: z.enum(['none', 'password', 'identity-token', 'registry-token', 'unusable']),
	username: z.string().optional(),
	/** the file or helper it comes from */
	source: z.string().optional(),
	/** the entry that matched, such as `quay.io/openshift-release-dev` */
	entry: z.string().optional(),
	/** why it cannot be used */
	reason: z.string().optional(),
});
export type CredentialUse = z.infer<typeof credentialUseSchema>;

/** `GET /api/registries?repository=…`, with `&capabilities=ask` also what the registry itself says of what it can do */
export const registryFactsSchema = z.object({
	registry: z.string(),
	transport: z.enum(['https', 'http', 'store']),
	credential: credentialUseSchema,
	/** what it can do; only where that was asked for */
	capabilities: z.array(capabilityFactSchema).optional(),
});
export type RegistryFacts = z.infer<typeof registryFactsSchema>;

const modeSchema = z.enum(['local', 'shared']);

/** `GET /api/session/mode`, without a token: whether there is one at all. */
export const serverModeSchema = z.object({ mode: modeSchema });
export type ServerMode = z.infer<typeof serverModeSchema>;

/** `GET /api/session`: says that the token is good, or that none is needed, and what this server offers. */
export const sessionSchema = z.object({
	version: z.string(),
	/** `shared`: at a team's URL, without a token and without anything of the host's */
	mode: modeSchema.default('local'),
	/** what is served in shared mode, as `registry` or `registry/namespace`; everything otherwise */
	registries: z.array(z.string()).optional(),
	demo: z.string().optional(),
	/** what commands need on their line to reach the same store and registries, quoted for a shell */
	commandFlags: z.string().optional(),
	/** where this server was told to read instead of where names point */
	mirrors: namedMirrorsSchema.optional(),
});
export type Session = z.infer<typeof sessionSchema>;

/** `POST /api/session/code`: what stands for the token in a link, for a minute and for one use. */
export const entryCodeSchema = z.object({ code: z.string() });
export type EntryCode = z.infer<typeof entryCodeSchema>;

/** `POST /api/session/exchange`, without a token */
export const exchangeBodySchema = z.strictObject({ code: z.string() });
export const exchangedSchema = z.object({ token: z.string() });
export type Exchanged = z.infer<typeof exchangedSchema>;

/** `GET /api/session/proof?nonce=…`, without a token: only a server that knows it can give this answer. */
export const proofSchema = z.object({ proof: z.string() });
export type Proof = z.infer<typeof proofSchema>;

/** Any answer that is not 2xx. */
export const failureSchema = z.object({ problem: problemSchema });
