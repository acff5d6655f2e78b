/** Public registries that everybody reads from: that a link names one of them gives nothing away and reaches nothing private. */

const hosts: ReadonlySet<string> = new Set([
	'docker.io',
	'gcr.io',
	'ghcr.io',
	'mcr.microsoft.com',
	'public.ecr.aws',
	'quay.io',
	'registry.access.redhat.com',
	'registry.ci.openshift.org',
	'registry.connect.redhat.com',
	'registry.fedoraproject.org',
	'registry.gitlab.com',
	'registry.k8s.io',
	'registry.opensuse.org',
	'registry.redhat.io',
	'registry.suse.com',
]);

/** Below these there are as many hosts as regions, and nobody else's. */
const families = /^(?:[a-z0-9-]+\.gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)$/;

export function isWellKnownRegistry(registry: string): boolean {
	return hosts.has(registry) || families.test(registry);
}
