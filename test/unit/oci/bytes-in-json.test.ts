import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromJsonBytes, toJsonBytes } from '../../../shared/oci/bytes-in-json.ts';

describe('bytes in JSON', () => {
	it('come back as they were, also through JSON itself', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 100_000 }), (bytes) => {
				const text = JSON.stringify(toJsonBytes(bytes));
				expect(fromJsonBytes(JSON.parse(text) as object)).toEqual(bytes);
			}),
			{ numRuns: 30 },
		);
	});

	it('are text where they are UTF-8, with a BOM and all', () => {
		const bytes = new TextEncoder().encode('\uFEFFgrößer 😀\r\n');
		expect(toJsonBytes(bytes)).toEqual({ text: '\uFEFFgrößer 😀\r\n' });
		expect(fromJsonBytes(toJsonBytes(bytes))).toEqual(bytes);
	});

	it('are base64 as everybody writes it where they are not', () => {
		const bytes = Uint8Array.from([0xff, 0, 0xfe, 0x80]);
		expect(toJsonBytes(bytes)).toEqual({ base64: Buffer.from(bytes).toString('base64') });
	});

	it('are undefined for what is not base64', () => {
		expect(fromJsonBytes({ base64: 'a*b=' })).toBeUndefined();
	});
});
