/** One of several processes that write to the same repository: `writer-process.ts ROOT PREFIX COUNT`. */
import { Store } from '../../../proxy/store/store.ts';
import { indexOf } from './images.ts';

const [root = '', prefix = '', count = ''] = process.argv.slice(2);
const store = await Store.open(root);
const demo = store.repository('demo');
const { bytes } = indexOf([]);
for (let number = 0; number < Number(count); number++) {
	await demo.putManifest(bytes, { tag: `${prefix}-${number}` });
}
