import { describe, expect, it } from 'vitest';
import { splitDigests } from '../../../web/ui/split-digests.ts';

const hex = '0123456789abcdef'.repeat(4);
const digest = `sha256:${hex}`;

describe('long digests in sentences', () => {
	it('are shown short, between the text around them', () => {
		expect(splitDigests(`It is for ${digest}. Clusters refuse.`)).toEqual([
			{ kind: 'text', text: 'It is for ' },
			{ kind: 'digest', text: digest, short: 'sha256:0123456789ab…' },
			{ kind: 'text', text: '. Clusters refuse.' },
		]);
	});

	it('take the repository before them along', () => {
		const reference = `127.0.0.1:5000/ocp/release@${digest}`;
		expect(splitDigests(`becomes ${reference};`)[1]).toEqual({
			kind: 'digest',
			text: reference,
			short: '127.0.0.1:5000/ocp/release@sha256:0123456789ab…',
		});
	});

	it('are found every time, and with more digits', () => {
		const long = `sha512:${hex}${hex}`;
		const found = splitDigests(`from ${digest} to ${long}`).filter(({ kind }) => kind === 'digest');
		expect(found.map(({ text }) => text)).toEqual([digest, long]);
	});

	it.each(['', 'no digest', 'sha256:short', `sha256:${hex}0`, `sha1:${hex}`])(
		'are not seen in “%s”',
		(text) => expect(splitDigests(text).filter(({ kind }) => kind === 'digest')).toEqual([]),
	);
});
