/** How the commands are called, and what is said where one is called wrongly. */

/** Arguments that cannot be understood. The message is a sentence that quotes them. */
export class UsageError extends Error {
	constructor(message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'UsageError';
	}
}

/** Said after every usage error. */
export function usageHint([command, job]: readonly string[]): string {
	const own = ['audit', 'plan', 'probe', 'run', 'undo'];
	const isOwn = command !== undefined && own.includes(command);
	const words = isOwn
		? [command, ...(command === 'plan' && (job === 'prune' || job === 'show') ? [job] : [])]
		: [];
	return `See “${['espalier', ...words, '--help'].join(' ')}”.`;
}

const storeFlag =
	'  --store DIR                where the embedded registry keeps its repositories, for “store/…”';

const registryFlags = `  --plain-http HOST          reach this registry without TLS (again for more)
  --ca HOST=FILE             trust the authorities in this PEM file for this registry
  --client-cert HOST=CERT,KEY
                             show this registry, and nobody else, the certificate in these two PEM files
  --trust-realm HOST=REALM   let this registry's token server be on another host
  --mirrors FILE             read where this file says: ImageDigestMirrorSet, ImageTagMirrorSet,
                             ImageContentSourcePolicy or registries.conf (again for more)`;

export const usage = `Shows which architectures a multi-arch container release really covers, and publishes it pruned.

Usage:
  espalier [serve] [flags]           serve the page, the API and the embedded registry
  espalier serve --shared …          serve a team at one URL; see below
  espalier open LINK [flags]         open a link, or a reference, in a running server or a new one
  espalier audit REFERENCE [flags]   print the coverage of a release; see “espalier audit --help”
  espalier plan prune REFERENCE …    plan what publishing a pruned release takes; see “espalier plan prune --help”
  espalier plan show FILE            what a plan would do, whoever made it
  espalier probe REPOSITORY [flags]  find out by writing what a registry takes; see “espalier probe --help”
  espalier run PLAN [flags]          carry a plan out; see “espalier run --help”
  espalier undo RECEIPT [flags]      plan the way back from a run; see “espalier undo --help”
  espalier --help | --version

Flags of serve and open:
  --port N                   listen on this port of localhost (4763)
  --store DIR                where the embedded registry keeps its repositories
${registryFlags}
  --no-open                  print the address only
  --allow-origin ORIGIN      answer the page on this static host, too: https://pages.example.com (again for more)

Flags of serve --shared, which has no token, no embedded registry, and nothing of this computer's logins:
  --registries LIST          serve these and no others: registries or namespaces, such as quay.io,ghcr.io/team
  --public-url URL           where people open it, such as https://espalier.example.com; TLS ends before it
  --listen HOST:PORT         listen there (127.0.0.1:4763)
  --trusted-proxy CIDR       believe X-Forwarded-For from there (again for more)
  --metrics HOST:PORT        give numbers for Prometheus there, on /metrics
  --read-auth-file FILE      read with these logins where people bring none; never write with them
  --plain-http, --ca, --trust-realm as above

Registries on loopback addresses are reached without TLS anyway.
`;

export const auditUsage = `Prints the coverage of a release: component by component, platform by platform.

Usage:
  espalier audit REFERENCE [flags]

Flags:
  --json | --csv | --markdown   print it in this form
  --require PLATFORM            fail unless everything is built for it, such as linux/arm64 (again for more)
  --check DEPTH                 “configs” (default): compare every listed platform with what the image says;
                                “children”: every manifest is read, platforms are taken as listed (faster)
${storeFlag}
${registryFlags}

Release signatures, looked at only with one of the first three:
  --signature                look where the payload itself says: that contacts hosts that you did not name
  --signature-store URL      look there: URL/sha256=HEX/signature-1 (again for more)
  --signature-file FILE      a signature, as it lies in a store (again for more)
  --verification-key FILE    public keys that count in place of the payload's own, which proves nothing by
                             itself unless it is known by its fingerprint (again for more: each must have signed)
  --require-signature        fail without a valid signature by a key that is known, or given with
                             --verification-key

Exit codes:
  0  read, and every required platform is built
  1  an error: no report
  3  a required platform is a placeholder, missing, broken or mismatched somewhere, or a signature is bad,
     or the one that is required is not there or vouched for by the payload alone
  4  something required could not be checked
`;

export const planUsage = `Decides what publishing takes, and writes nothing but the plan.

Usage:
  espalier plan prune REFERENCE [flags]   a release without some of its children; see “espalier plan prune --help”
  espalier plan show FILE [flags]         what a plan in a file would do; see “espalier plan show --help”
`;

export const planShowUsage = `Shows what a plan in a file would write, and whom running it would contact. Contacts nobody.

Usage:
  espalier plan show FILE [flags]

Flags:
  --markdown                 print it for a pull request

Exit codes:
  0  it is a plan, and its parts fit together
  1  it is not
`;

export const planPruneUsage = `Plans a pruned release, or a copy: what is left out, every digest that comes of it, and every step to publish it.

Usage:
  espalier plan prune REFERENCE --to REPOSITORY --release REFERENCE [flags]

Where it goes:
  --to REPOSITORY            where component images go, such as registry.example/acme/components
  --release REFERENCE        what the release is called then; its tag is moved last
  --tag-template TEMPLATE    tags of components ({version}__{component}); “--tag-template=” for none
  --version VERSION          another version for the release; without it the version is kept
  --rewrite-version          replace the old version everywhere in the payload, not only where it is declared
  --self-contained           copy components that do not change too
  --no-attachments           leave behind what is attached to what is copied: signatures, attestations, SBOMs,
                             referrers; without the flag they come along where the digest stays

How:
  --mode MODE                “prune” (default): indexes list only what is kept, under new digests;
                             “sparse”: every digest and signature stays, what goes is listed, but not copied:
                             few registries take that, and it is found at the first index push, before any tag;
                             “whole”: everything is copied as it is, and nothing can be chosen to go

What goes, one of these at least, unless the mode is whole:
  --drop-placeholders        children that stand in for builds that do not exist
  --keep PLATFORMS           everything but these platforms, such as linux/amd64,linux/arm64
  --drop COMPONENT@PLATFORM  this child (again for more), such as etcd@linux/s390x
and within that:
  --components GLOB          the first two apply to these components only (again for more)
  --exclude GLOB             leave these components as they are (again for more)
  --toggle COMPONENT@PLATFORM
                             the opposite of what the first two say for this child (again for more)

Flags:
  -o, --output FILE          write the plan there, and the summary to standard output; without it the plan
                             goes to standard output and the summary to standard error
  --markdown                 print the plan for a pull request
  --no-estimate              do not ask the target what it has
${storeFlag}
${registryFlags}

Exit codes:
  0  the plan was made
  1  it cannot be made: nothing was written
`;

export const probeUsage = `Finds out what a registry takes, by writing to it: an OCI index, a Docker manifest list, and a sparse index.
What it writes has no tag and stays there; nothing is deleted, and no tag is touched.

Usage:
  espalier probe REPOSITORY [flags]

Flags:
  --json                     print the facts as JSON
${storeFlag}
${registryFlags}

Exit codes:
  0  all was tried, whatever came of it
  1  it could not be tried
`;

export const runUsage = `Carries a plan out: copies, uploads, reads everything back, and then moves tags, the release's last.
Run again it does only what is missing.

Usage:
  espalier run PLAN [flags]

Flags:
  --receipt FILE             write there what was done, once it is verified; “espalier undo” takes it back
  --deep                     ask for every blob before tags move, also below manifests that were there before
${storeFlag}
${registryFlags}

Exit codes:
  0        everything is there as planned, read back and verified
  1        it is not: a plan that cannot be run, a failure, a tag that somebody else moved
  130, 143 stopped by a signal
`;

export const undoUsage = `Plans the way back from a run: its tags to where they were before. What was copied stays.

Usage:
  espalier undo RECEIPT [flags]

Flags:
  -o, --output FILE          write the plan there, and the summary to standard output
${storeFlag}
${registryFlags}

Exit codes:
  0  the plan was made, or there is nothing to undo
  1  it cannot be made: nothing was written
`;
