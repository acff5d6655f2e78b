import { describe, expect, it } from 'vitest';
import { tagFor } from '../../../shared/release/component-tag.ts';

describe('a tag from a template', () => {
	it.each([
		['{version}__{component}', '4.20.0-acme.1_x__etcd'],
		['{component}-{component}', 'etcd-etcd'],
		['fixed', 'fixed'],
	])('%j is %j', (template, expected) => {
		expect(tagFor(template, { version: '4.20.0-acme.1+x', component: 'etcd' })).toBe(expected);
	});

	it.each(['{version}:{component}', '{unknown}', '-{component}', 'x'.repeat(129)])(
		'%j is refused',
		(template) => {
			expect(() => tagFor(template, { version: '4.20.0', component: 'etcd' })).toThrow(
				'plan-impossible',
			);
		},
	);
});
