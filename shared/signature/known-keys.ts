/** Keys that are known without asking the payload. */

/**
 * Fingerprints of primary keys that sign OpenShift releases: Red Hat, Inc. (release key 2),
 * published at https://access.redhat.com/security/team/key.
 */
const wellKnown: ReadonlySet<string> = new Set(['567E347AD0044ADE55BA8A5F199E2F91FD431D51']);

/** True where a fingerprint says whose key it is, whoever brought the key. */
export function isWellKnown(fingerprint: string): boolean {
	return wellKnown.has(fingerprint);
}
