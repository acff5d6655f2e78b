import { spawnSync } from 'node:child_process';
import {
	chmodSync,
	cpSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import * as z from 'zod';
import { readServeArguments } from '../../../proxy/cli/arguments.ts';
import { isInstalled } from '../../support/programs.ts';
import { startReplica, type Replica } from '../../support/shared-replica.ts';

const root = join(import.meta.dirname, '../../..');
const deploy = join(root, 'proxy/deploy');
const containerfile = readFileSync(join(deploy, 'Containerfile'), 'utf8');

/** The words of an instruction in its JSON form, the last one of its kind. */
function wordsOf(instruction: string): readonly string[] {
	const text =
		containerfile.match(new RegExp(`^${instruction} .*?(\\[.*\\])$`, 'gm'))?.at(-1) ?? '';
	return z.array(z.string()).parse(JSON.parse(text.slice(text.indexOf('['))));
}

const entrypoint = wordsOf('ENTRYPOINT');

describe('the container', () => {
	it('runs as nobody in particular, and says how it is', () => {
		expect(containerfile).toMatch(/^USER 65532:65532$/m);
		expect(containerfile.match(/^FROM .*$/gm)).toEqual([
			'FROM ${NODE_IMAGE} AS build',
			'FROM ${RUNTIME_IMAGE}',
		]);
		expect(wordsOf('HEALTHCHECK').join(' ')).toContain('/healthz');
		// What runs in the last stage is Node and nothing else: its image may have no shell.
		expect(containerfile.slice(containerfile.lastIndexOf('FROM'))).not.toMatch(/^RUN/m);
	});

	it('begins with a command that only lacks what is served, and where', () => {
		expect(entrypoint.slice(0, 4)).toEqual(['node', 'dist/proxy/main.js', 'serve', '--shared']);
		const flags = [...entrypoint.slice(3), '--registries', 'quay.io'];
		expect(readServeArguments([...flags, '--public-url', 'https://e.example.com'])).toMatchObject({
			listen: { host: '0.0.0.0', port: 8080 },
			metrics: { host: '0.0.0.0', port: 8081 },
		});
	});

	const image = process.env['ESPALIER_NODE_IMAGE'] ?? 'docker.io/library/node:22-slim';
	const canBuild =
		isInstalled('buildah') && spawnSync('buildah', ['inspect', '--type=image', image]).status === 0;
	it.skipIf(!canBuild)(
		canBuild
			? `is built from ${image}`
			: `is not built here: buildah, or the image ${image}, is missing`,
		() => {
			const name = 'localhost/espalier-test';
			const args = ['--pull=never', '--build-arg', `NODE_IMAGE=${image}`, '-t', name];
			const file = join(deploy, 'Containerfile');
			const built = spawnSync('buildah', ['build', '-f', file, ...args, root]);
			expect([built.status, built.stderr.toString()]).toEqual([0, expect.anything()]);
			spawnSync('buildah', ['rmi', name]);
		},
		300_000,
	);
});

const built = join(root, 'dist/proxy/assets');
const isBuilt =
	existsSync(built) && readdirSync(built).some((name) => name.startsWith('serve-shared'));

describe('the command of the container', () => {
	let replica: Replica | undefined;
	const app = mkdtempSync(join(tmpdir(), 'espalier-app-'));
	afterEach(async () => {
		replica?.process.kill('SIGKILL');
		await replica?.ended;
	});
	afterAll(() => {
		rmSync(app, { recursive: true, force: true });
	});

	it.skipIf(!isBuilt)(
		isBuilt
			? 'runs as an unprivileged user who may write nowhere and has no home, and answers probes'
			: 'is not run here: dist has no shared server',
		async () => {
			cpSync(join(root, 'dist'), join(app, 'dist'), { recursive: true });
			cpSync(join(root, 'package.json'), join(app, 'package.json'));
			for (const name of ['', 'dist', 'dist/proxy', 'dist/web']) chmodSync(join(app, name), 0o555);
			const isRoot = process.getuid?.() === 0;
			replica = await startReplica(
				[
					'--registries',
					'quay.io',
					'--public-url',
					'https://e.example.com',
					'--listen',
					'127.0.0.1:0',
				],
				[join(app, 'dist/proxy/main.js')],
				{
					cwd: app,
					env: { PATH: process.env['PATH'], NODE_ENV: 'production', HOME: '/nonexistent' },
					...(isRoot && { uid: 65_532, gid: 65_532 }),
				},
			);
			const get = (path: string) =>
				request(`http://127.0.0.1:${replica?.port}${path}`, { headers: { host: 'e.example.com' } });
			const health = await get('/healthz');
			expect([health.statusCode, await health.body.text()]).toEqual([200, 'ok\n']);
			const page = await get('/');
			expect(page.statusCode).toBe(200);
			expect(await page.body.text()).toContain('<!doctype html>');
			replica.process.kill('SIGTERM');
			expect(await replica.ended).toBe(0);
		},
		30_000,
	);
});

const kindSchema = z.looseObject({ kind: z.string() });
const metadata = z.looseObject({ name: z.literal('espalier') });
const probe = z.looseObject({
	httpGet: z.strictObject({ path: z.literal('/healthz'), port: z.literal('http') }),
});
const ports = z.array(z.looseObject({ name: z.string(), containerPort: z.number() }));
/** What must hold of them, beside the form that Kubernetes gives them. */
const schemas = {
	Deployment: z.strictObject({
		apiVersion: z.literal('apps/v1'),
		kind: z.literal('Deployment'),
		metadata,
		spec: z.strictObject({
			replicas: z.number().min(2),
			selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
			strategy: z.looseObject({}),
			template: z.strictObject({
				metadata: z.strictObject({ labels: z.record(z.string(), z.string()) }),
				spec: z.strictObject({
					automountServiceAccountToken: z.literal(false),
					enableServiceLinks: z.literal(false),
					// Longer than the server itself takes to end.
					terminationGracePeriodSeconds: z.number().min(28),
					securityContext: z.strictObject({
						runAsNonRoot: z.literal(true),
						runAsUser: z.literal(65_532),
						runAsGroup: z.literal(65_532),
						seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
					}),
					topologySpreadConstraints: z.array(z.looseObject({})).length(1),
					containers: z.tuple([
						z.strictObject({
							name: z.literal('espalier'),
							image: z.string(),
							args: z.array(z.string()),
							ports,
							readinessProbe: probe,
							livenessProbe: probe,
							resources: z.strictObject({
								requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
								limits: z.strictObject({ memory: z.string() }),
							}),
							securityContext: z.strictObject({
								allowPrivilegeEscalation: z.literal(false),
								readOnlyRootFilesystem: z.literal(true),
								capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
							}),
						}),
					]),
				}),
			}),
		}),
	}),
	Service: z.strictObject({
		apiVersion: z.literal('v1'),
		kind: z.literal('Service'),
		metadata,
		spec: z.strictObject({
			selector: z.record(z.string(), z.string()),
			// The numbers are not for who opens the page.
			ports: z.tuple([
				z.strictObject({ name: z.string(), port: z.number(), targetPort: z.literal('http') }),
			]),
		}),
	}),
	PodDisruptionBudget: z.strictObject({
		apiVersion: z.literal('policy/v1'),
		kind: z.literal('PodDisruptionBudget'),
		metadata,
		spec: z.strictObject({ minAvailable: z.literal(1), selector: z.looseObject({}) }),
	}),
	NetworkPolicy: z.strictObject({
		apiVersion: z.literal('networking.k8s.io/v1'),
		kind: z.literal('NetworkPolicy'),
		metadata,
		spec: z.strictObject({
			podSelector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
			policyTypes: z.tuple([z.literal('Ingress'), z.literal('Egress')]),
			ingress: z.array(
				z.strictObject({ from: z.array(z.looseObject({})), ports: z.array(z.looseObject({})) }),
			),
			egress: z.array(
				z.strictObject({
					to: z.array(
						z.union([
							z.strictObject({ namespaceSelector: z.looseObject({}) }),
							z.strictObject({
								ipBlock: z.strictObject({
									cidr: z.string(),
									except: z.array(z.string()).refine((all) => all.includes('169.254.0.0/16')),
								}),
							}),
						]),
					),
					ports: z.array(z.looseObject({})),
				}),
			),
		}),
	}),
};

describe('the Kubernetes manifest', () => {
	const documents = parseAllDocuments(readFileSync(join(deploy, 'kubernetes.yaml'), 'utf8'));
	const values = documents.map((document) => kindSchema.parse(document.toJS()));

	it('is YAML without a mistake, each kind once', () => {
		expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
		const kinds = values.map(({ kind }) => kind);
		expect(kinds.toSorted()).toEqual(Object.keys(schemas).toSorted());
	});

	it.each(Object.entries(schemas))('says of the %s what must hold', (kind, schema) => {
		const found = values.find((value) => value.kind === kind);
		expect(schema.safeParse(found).error?.issues).toBeUndefined();
	});

	it('has one label for all, ports that fit, and arguments that the command understands', () => {
		const [deployment, service, budget, policy] = values;
		const { spec } = schemas.Deployment.parse(deployment);
		const { labels } = spec.template.metadata;
		expect(spec.selector.matchLabels).toEqual(labels);
		expect(schemas.Service.parse(service).spec.selector).toEqual(labels);
		expect(schemas.PodDisruptionBudget.parse(budget).spec.selector).toEqual({
			matchLabels: labels,
		});
		expect(schemas.NetworkPolicy.parse(policy).spec.podSelector.matchLabels).toEqual(labels);
		const [container] = spec.template.spec.containers;
		const args = readServeArguments([...entrypoint.slice(3), ...container.args]);
		if (!('shared' in args)) throw new Error('not shared');
		const { listen, metrics } = args;
		expect(container.ports).toEqual([
			{ name: 'http', containerPort: listen.port },
			{ name: 'metrics', containerPort: metrics?.port },
		]);
	});
});
