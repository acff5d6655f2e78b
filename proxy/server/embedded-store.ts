/** The embedded registry of this user. */
import { join } from 'node:path';
import { ensureDemoRelease } from '../demo/demo-release.ts';
import { Store } from '../store/store.ts';
import { dataDirectory, ownSurroundings } from './data-directory.ts';

/** Opens it, in the user's data directory by default; it is made where it is missing, with a release to look at. */
export async function openStore(folder: string | undefined): Promise<Store> {
	const store = await Store.open(folder ?? join(dataDirectory(ownSurroundings()), 'store'));
	await ensureDemoRelease(store);
	return store;
}
