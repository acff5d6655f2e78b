/** How the commands are called, and what is said where one is called wrongly. */

/** Arguments that cannot be understood. The message is a sentence that quotes them. */
export class UsageError extends Error {
	constructor(message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'UsageError';
	}
}

/** Said after every usage error. */
export const usageHint = 'See “espalier --help”.';

const registryFlags = `  --plain-http HOST          reach this registry without TLS (again for more)
  --ca HOST=FILE             trust the authorities in this PEM file for this registry
  --trust-realm HOST=REALM   let this registry's token server be on another host`;

export const usage = `Shows which architectures a multi-arch container release really covers.

Usage:
  espalier [serve] [flags]           serve the page, the API and the embedded registry
  espalier open LINK [flags]         open a link, or a reference, in a running server or a new one
  espalier audit REFERENCE [flags]   print the coverage of a release; see “espalier audit --help”
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
  --store DIR                   where the embedded registry keeps its repositories, for “store/…”
${registryFlags}

Exit codes:
  0  read, and every required platform is built
  1  an error: no report
  3  a required platform is a placeholder, missing, broken or mismatched somewhere
  4  something required could not be checked
`;
