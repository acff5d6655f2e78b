/** Which names a repository of the store may have. */
import { isRepositoryName } from '../../shared/oci/reference.ts';
import { StoreError } from './store-error.ts';

// Repositories nest as folders do, so these would be files and folders of a layout.
const reserved: readonly string[] = ['blobs', 'index.json', 'oci-layout'];

export function isReservedComponent(component: string): boolean {
	return reserved.includes(component);
}

/** @throws StoreError `nameInvalid` */
export function checkRepositoryName(name: string): void {
	const options = { reference: name, details: [name] };
	if (!isRepositoryName(name)) {
		throw new StoreError('nameInvalid', `“${name}” is not a repository name.`, options);
	}
	const taken = name.split('/').find(isReservedComponent);
	if (taken !== undefined) {
		throw new StoreError(
			'nameInvalid',
			`“${name}” cannot be kept: “${taken}” is a name that every OCI image layout uses itself.`,
			options,
		);
	}
}
