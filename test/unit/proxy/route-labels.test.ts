import { expect, it } from 'vitest';
import { routeLabels } from '../../../proxy/server/metrics.ts';

it('labels a request with its route, and whatever strangers make up with one of two words', () => {
	const routeOf = routeLabels(['/*', '/api/*', '/api/:name', '/api/blob', '/healthz', '/v2/*']);
	expect(['/api/blob', '/healthz'].map(routeOf)).toEqual(['/api/blob', '/healthz']);
	const made = ['/api/*', '/api/:name', '/api/blob/x', '/api/', '/v2/a', '/v2'];
	expect(new Set(made.map(routeOf))).toEqual(new Set(['none']));
	expect(['/', '/*', '/healthz/x', '/apis'].map(routeOf)).toEqual(['page', 'page', 'page', 'page']);
});
