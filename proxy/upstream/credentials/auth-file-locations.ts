/** Where Docker and Podman keep their auth files, first match first (containers-auth.json(5), docker-login(1)). */
import path from 'node:path';
import type { AuthFileForm } from '../../../shared/login/auth-file.ts';

/** What the search depends on. */
export interface HostEnvironment {
	readonly variables: Readonly<Record<string, string | undefined>>;
	readonly homeDirectory: string;
	/** as `process.platform` names it */
	readonly platform: string;
	/** undefined on Windows */
	readonly uid: number | undefined;
}

export interface AuthFileLocation {
	readonly file: string;
	readonly form: AuthFileForm;
	/** Podman's files may have entries for a part of a registry. */
	readonly namespaces: boolean;
	/** Set where the user named the file: then it must be there. */
	readonly required: boolean;
}

function containersFile(file: string): AuthFileLocation {
	return { file, form: 'config', namespaces: true, required: false };
}

function runtimeFile({ variables, homeDirectory, platform, uid }: HostEnvironment): string {
	const runtime = variables['XDG_RUNTIME_DIR'];
	if (platform !== 'linux') return path.join(homeDirectory, '.config', 'containers', 'auth.json');
	if (runtime) return path.join(runtime, 'containers', 'auth.json');
	return path.join('/run/containers', String(uid ?? 0), 'auth.json');
}

/** `REGISTRY_AUTH_FILE` takes the place of Podman's runtime file, `DOCKER_CONFIG` that of `~/.docker`. */
export function authFileLocations(host: HostEnvironment): readonly AuthFileLocation[] {
	const { variables, homeDirectory } = host;
	const named = variables['REGISTRY_AUTH_FILE'];
	// Set to nothing counts as not set: else files of the working directory would be read.
	const configHome = variables['XDG_CONFIG_HOME'] || path.join(homeDirectory, '.config');
	const docker = variables['DOCKER_CONFIG'] || path.join(homeDirectory, '.docker');
	const locations: AuthFileLocation[] = [
		named ? { ...containersFile(named), required: true } : containersFile(runtimeFile(host)),
		containersFile(path.join(configHome, 'containers', 'auth.json')),
		{
			file: path.join(docker, 'config.json'),
			form: 'config',
			namespaces: false,
			required: false,
		},
		{
			file: path.join(homeDirectory, '.dockercfg'),
			form: 'dockercfg',
			namespaces: false,
			required: false,
		},
	];
	return locations.filter(
		({ file }, index) => locations.findIndex((other) => other.file === file) === index,
	);
}
