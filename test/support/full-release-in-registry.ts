/** Where the journeys find the release of full size that was pushed before them. */

const { ESPALIER_TEST_DOCKER, ESPALIER_TEST_OCI, ESPALIER_TEST_DIGEST } = process.env;

export const fullReleaseMissing = ESPALIER_TEST_DOCKER === undefined;
export const skippedWithoutFullRelease = 'needs docker-registry and the genuine fixtures';

export const fullRelease = {
	docker: ESPALIER_TEST_DOCKER ?? '',
	oci: ESPALIER_TEST_OCI ?? '',
	digest: ESPALIER_TEST_DIGEST ?? '',
};
