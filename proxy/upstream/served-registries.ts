/** The registries that a team's server reads and writes: whole ones, or single namespaces of them. */
import { registryOfKey } from '../../shared/login/entry-key.ts';
import {
	formatRepository,
	isRegistry,
	isRepositoryName,
	type Repository,
} from '../../shared/oci/reference.ts';

interface Served {
	readonly registry: string;
	/** '' for all of the registry */
	readonly namespace: string;
}

export class ServedRegistries {
	/** as the operator wrote them */
	readonly names: readonly string[];
	readonly #served: readonly Served[];

	/** @param names `registry` or `registry/namespace`, see `isServable` */
	constructor(names: readonly string[]) {
		this.names = names;
		this.#served = names.map((name) => {
			const slash = name.indexOf('/');
			const registry = slash < 0 ? name : name.slice(0, slash);
			const namespace = slash < 0 ? '' : name.slice(slash + 1);
			return { registry: registryOfKey(registry), namespace };
		});
	}

	/** True for what can be listed here. */
	static isServable(name: string): boolean {
		const [registry = '', ...namespace] = name.split('/');
		return (
			isRegistry(registry) && (namespace.length === 0 || isRepositoryName(namespace.join('/')))
		);
	}

	/** @param repository with '' as its path for the registry itself, such as its list of repositories */
	serves({ registry, repository }: Repository): boolean {
		const host = registryOfKey(registry);
		return this.#served.some(
			({ registry: listed, namespace }) =>
				listed === host &&
				(namespace === '' || repository === namespace || repository.startsWith(`${namespace}/`)),
		);
	}

	/** Why something is not served, as a sentence. */
	refusal(repository: Repository): string {
		const what =
			repository.repository === '' ? `all of ${repository.registry}` : formatRepository(repository);
		return `This Espalier serves ${this.names.join(', ')}, and not ${what}.`;
	}
}
