/** Facts in a few words. */
import type { RegistryFacts } from '../../../shared/api/schema.ts';
import type { PayloadAgreement } from '../../../shared/release/facts.ts';

export function agreementSentence(agreement: PayloadAgreement): string {
	switch (agreement.kind) {
		case 'single':
			return '';
		case 'agree':
			return ', payloads agree';
		case 'same-components':
			return `, same components, other files differ (${agreement.platforms.join(', ')})`;
		case 'differ':
			return `, payloads differ (${agreement.platforms.join(', ')})`;
		case 'unchecked':
			return ', payloads not compared';
	}
}

/** Which login is used, in a few words; never more than the account's name. */
export function credentialSentence(
	{ registry, transport, credential }: RegistryFacts,
	done: 'read' | 'written' = 'read',
): string {
	if (transport === 'store') return 'in the embedded registry';
	const from = credential.source ? ` (${credential.source})` : '';
	const where = transport === 'http' ? `${registry}, without TLS` : registry;
	switch (credential.kind) {
		case 'none':
			return `${where}: ${done} ${done === 'read' ? 'anonymously' : 'without a login'}`;
		case 'unusable':
			return `${where}: the stored login cannot be used${from}`;
		case 'password':
		case 'identity-token':
		case 'registry-token':
			return `${where}: ${done} as ${credential.username ?? 'the stored login'}${from}`;
	}
}
