import tseslint from 'typescript-eslint';
import svelte from 'eslint-plugin-svelte';

/**
 * Who may import whom. A folder may import what is listed for it, and nothing else of the project.
 * Inside shared/ the order is oci <- registry <- index <- release <- plan; see README, "Map".
 */
const sharedLayers = {
	oci: [],
	archive: ['oci', 'registry'],
	registry: ['oci'],
	login: ['oci'],
	index: ['oci', 'registry'],
	release: ['oci', 'archive', 'registry', 'index'],
	signature: ['oci', 'archive', 'registry'],
	plan: ['oci', 'archive', 'registry', 'index', 'release'],
	link: ['oci', 'registry', 'index', 'release'],
	report: ['oci', 'registry', 'index', 'release', 'plan', 'signature'],
	api: ['oci', 'registry', 'signature', 'login'],
};

const sharedRules = Object.entries(sharedLayers).map(([layer, allowed]) => {
	const forbidden = Object.keys(sharedLayers).filter(
		(other) => other !== layer && !allowed.includes(other),
	);
	return {
		files: [`shared/${layer}/**/*.ts`],
		rules: {
			'no-restricted-imports': [
				'error',
				{
					patterns: [
						...forbidden.map((other) => ({
							group: [`../${other}/*`],
							message: `shared/${layer} may not import shared/${other}.`,
						})),
						{
							group: ['**/web/**', '**/proxy/**', '**/test/**'],
							message: 'shared imports neither web nor proxy.',
						},
						{
							regex: '^(node:|undici|hono|svelte|idb|@hono/)',
							message: 'shared is pure: platform features are passed in.',
						},
					],
				},
			],
		},
	};
});

const impure = [
	'fetch',
	'window',
	'document',
	'process',
	'Buffer',
	'setTimeout',
	'setInterval',
	'performance',
	'crypto',
	'localStorage',
	'indexedDB',
	'navigator',
	'console',
];

export default tseslint.config(
	{
		ignores: [
			'dist/',
			'node_modules/',
			'.config/',
			'.ci/',
			'test-results/',
			'playwright-report/',
			'**/*.mjs',
		],
	},
	...tseslint.configs.strictTypeChecked,
	...svelte.configs.recommended,
	{
		languageOptions: {
			parserOptions: {
				project: './tsconfig.json',
				tsconfigRootDir: new URL('..', import.meta.url).pathname,
				extraFileExtensions: ['.svelte'],
			},
		},
		rules: {
			curly: ['error', 'multi-line'],
			eqeqeq: 'error',
			// “void value” says that a reactive value is read for its dependency alone.
			'@typescript-eslint/no-meaningless-void-operator': 'off',
			'@typescript-eslint/no-unused-vars': [
				'error',
				{ ignoreRestSiblings: true, argsIgnorePattern: '^_', varsIgnorePattern: '^_+$' },
			],
			'max-params': ['error', 4],
			'@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
			'@typescript-eslint/no-unnecessary-condition': [
				'error',
				{ allowConstantLoopConditions: 'only-allowed-literals' },
			],
			'@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
			'@typescript-eslint/switch-exhaustiveness-check': [
				'error',
				{ considerDefaultExhaustiveForUnions: true },
			],
			'@typescript-eslint/consistent-type-imports': 'error',
		},
	},
	{
		files: ['**/*.svelte', '**/*.svelte.ts'],
		languageOptions: { parserOptions: { parser: tseslint.parser } },
	},
	{
		// Components are any to the linter's type information; svelte-check checks their props.
		files: ['**/*.svelte'],
		rules: {
			'@typescript-eslint/no-unsafe-assignment': 'off',
			'@typescript-eslint/no-unsafe-argument': 'off',
			'@typescript-eslint/no-unsafe-return': 'off',
			'@typescript-eslint/no-unsafe-call': 'off',
			'@typescript-eslint/no-unsafe-member-access': 'off',
		},
	},
	{
		files: ['shared/**/*.ts'],
		rules: {
			'no-restricted-globals': [
				'error',
				...impure.map((name) => ({ name, message: 'shared is pure: pass it in.' })),
			],
			'no-restricted-syntax': [
				'error',
				{
					selector: "MemberExpression[object.name='Date'][property.name='now']",
					message: 'shared has no clock: pass the time in.',
				},
				{
					selector: "NewExpression[callee.name='Date'][arguments.length=0]",
					message: 'shared has no clock: pass the time in.',
				},
				{
					selector: "MemberExpression[object.name='Math'][property.name='random']",
					message: 'shared has no randomness: pass it in.',
				},
			],
		},
	},
	...sharedRules,
	{
		files: ['proxy/**/*.ts'],
		rules: {
			'no-restricted-globals': [
				'error',
				{ name: 'fetch', message: 'fetch tees uploads and decodes blobs: use undici.request.' },
			],
			'no-restricted-imports': [
				'error',
				{
					paths: [
						{
							name: 'undici',
							importNames: ['fetch'],
							message: 'fetch tees uploads and decodes blobs: use undici.request.',
						},
					],
					patterns: [
						{ group: ['**/web/**', '**/test/**'], message: 'proxy imports shared only.' },
						{
							group: ['hono/proxy', 'hono/body-limit', 'hono/cors', 'hono/csrf'],
							message: 'These buffer streams or trust the Host header.',
						},
					],
				},
			],
		},
	},
	{
		files: ['web/**/*.ts', 'web/**/*.svelte'],
		rules: {
			'@typescript-eslint/no-restricted-imports': [
				'error',
				{
					patterns: [
						{
							group: ['**/proxy/**'],
							allowTypeImports: true,
							message: 'web may import types from proxy, never values.',
						},
						{ group: ['**/test/**', 'node:*', 'undici'], message: 'web imports shared only.' },
					],
				},
			],
			'svelte/no-at-html-tags': 'error',
			// svelte-check says which ignores are needed; this rule does not see its warnings.
			'svelte/no-unused-svelte-ignore': 'off',
		},
	},
	{
		files: ['test/**/*.ts', 'playwright.config.ts', 'vite.config.ts'],
		rules: {
			'@typescript-eslint/no-non-null-assertion': 'off',
			'@typescript-eslint/require-await': 'off',
		},
	},
);
