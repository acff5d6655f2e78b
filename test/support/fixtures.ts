/** Genuine data of other projects, read in place; tests that need it skip where it is not there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folder =
	process.env['ESPALIER_FIXTURES'] ?? join(import.meta.dirname, '../../../shared/fixtures');

export const fixturesMissing = !existsSync(folder);
export const skippedWithoutFixtures = 'genuine fixtures are not on this machine';

export function fixture(...path: string[]): string {
	return join(folder, ...path);
}

const release412 = 'openshift/oc-mirror/tests/unit/testdata/test-untar/blobs/sha256';

/** The top layer of the 4.12.0 release image for x86_64. */
export const payloadLayer412 = fixture(
	release412,
	'5b2ca04f694b70c8b41f1c2a40b7e95643181a1d037b115149ecc243324c513d',
);
export const config412 = fixture(
	release412,
	'18249fc55c217d5ecc543fb7cae29cdcbc8a7d94691e8a684f336abf75d01e64',
);
