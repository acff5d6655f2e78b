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
	const isOwn = command !== undefined && ['audit', 'plan', 'run', 'undo'].includes(command);
	const words = isOwn ? [command, ...(command === 'plan' && job === 'prune' ? [job] : [])] : [];
	return `See “${['espalier', ...words, '--help'].join(' ')}”.`;
}

const storeFlag =
	'  --store DIR                where the embedded registry keeps its repositories, for “store/…”';

const registryFlags = `  --plain-http HOST          reach this registry without TLS (again for more)
  --ca HOST=FILE             trust the authorities in this PEM file for this registry
  --trust-realm HOST=REALM   let this registry's token server be on another host`;

export const usage = `Shows which architectures a multi-arch container release really covers, and publishes it pruned.

Usage:
  espalier [serve] [flags]           serve the page, the API and the embedded registry
  espalier open LINK [flags]         open a link, or a reference, in a running server or a new one
  espalier audit REFERENCE [flags]   print the coverage of a release; see “espalier audit --help”
  espalier plan prune REFERENCE …    plan what publishing a pruned release takes; see “espalier plan prune --help”
  espalier run PLAN [flags]          carry a plan out; see “espalier run --help”
  espalier undo RECEIPT [flags]      plan the way back from a run; see “espalier undo --help”
  espalier --help | --version

Flags of serve and open:
  --port N                   listen on this port of localhost (4763)
  --store DIR                where the embedded registry keeps its repositories
${registryFlags}
  --no-open                  print the address only

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

Exit codes:
  0  read, and every required platform is built
  1  an error: no report
  3  a required platform is a placeholder, missing, broken or mismatched somewhere
  4  something required could not be checked
`;

export const planUsage = `Decides what publishing takes, and writes nothing but the plan.

Usage:
  espalier plan prune REFERENCE [flags]   a release without some of its children; see “espalier plan prune --help”
`;

export const planPruneUsage = `Plans a pruned release: what is left out, every digest that comes of it, and every step to publish it.

Usage:
  espalier plan prune REFERENCE --to REPOSITORY --release REFERENCE [flags]

Where it goes:
  --to REPOSITORY            where component images go, such as registry.example/acme/components
  --release REFERENCE        what the release is called then; its tag is moved last
  --tag-template TEMPLATE    tags of components ({version}__{component}); “--tag-template=” for none
  --version VERSION          another version for the release; without it the version is kept
  --rewrite-version          replace the old version everywhere in the payload, not only where it is declared
  --self-contained           copy components that do not change too

What goes, one of these at least:
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
