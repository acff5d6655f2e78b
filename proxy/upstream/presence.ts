/** Looking whether a thing is there, also where a registry does not answer HEAD. */
import type { RegistryRequest } from '../../shared/registry/distribution.ts';
import type { Call, RegistryClient } from './registry-client.ts';

const withoutHead: ReadonlySet<number> = new Set([400, 403, 405, 501]);

/** True for the status of a HEAD by which registries say that they answer GET only. */
export function answersGetOnly(status: number): boolean {
	return withoutHead.has(status);
}

/** What a GET would be answered with; nothing of the answer is read. */
export async function statusOfGet(
	client: RegistryClient,
	request: RegistryRequest,
	call: Call,
): Promise<number> {
	const { status, body } = await client.stream(request, call);
	body.destroy();
	return status;
}
