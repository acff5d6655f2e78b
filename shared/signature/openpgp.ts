/** OpenPGP by openpgp.js. A large library: load this file on demand. */
import { enums, Message, PacketList, readKeys, readMessage } from 'openpgp';
import type { AnyPacket, PublicKey } from 'openpgp';
import { signatureLimits } from './limits.ts';
import { readPackets, readVersion3, tags } from './packets.ts';
import { Version3Packet } from './version-3.ts';
import type { SignedMessage, SignedMessageRequest, Signer, VerifySigned } from './verify-signed.ts';

type MessageSignature = Awaited<ReturnType<Message<Uint8Array>['verify']>>[number];

/** How the library says it, as a sentence. */
function sentence(error: unknown): string {
	const text = error instanceof Error ? error.message : String(error);
	return `${text.replace(/\.$/, '')}.`;
}

function refused(error: unknown): SignedMessage {
	return { kind: 'refused', reason: sentence(error) };
}

async function readKeyring(keyring: Uint8Array): Promise<readonly PublicKey[]> {
	if (keyring.length > signatureLimits.keyringBytes) throw new RangeError('It is too large.');
	const isArmored = keyring[0] !== undefined && keyring[0] < 0x80;
	const keys = await (isArmored
		? readKeys({ armoredKeys: new TextDecoder().decode(keyring) })
		: readKeys({ binaryKeys: keyring }));
	if (keys.length > signatureLimits.keysInKeyring) throw new RangeError('It has too many keys.');
	return keys.map((key) => key.toPublic());
}

async function signerOf(
	key: PublicKey,
	{ signature }: MessageSignature,
	now: Date,
): Promise<Signer> {
	const [packet] = (await signature).packets;
	const created = packet?.created ?? now;
	// Only a user ID that the key itself certified; a keyring may carry anything beside it.
	const { user } = await key.getPrimaryUser(created);
	return {
		fingerprint: key.getFingerprint().toUpperCase(),
		userId: user.userID?.userID ?? '',
		signedAt: created.getTime(),
	};
}

/** Signatures of version 3, over the same literal data: the library leaves them out when it reads a message. */
function withVersion3(message: Uint8Array, opened: Message<Uint8Array>): Message<Uint8Array> {
	const packets = new PacketList<AnyPacket>();
	for (const { tag, body } of readPackets(message) ?? []) {
		const signature = tag === tags.signature ? readVersion3(body) : undefined;
		if (signature) packets.push(new Version3Packet(signature));
	}
	packets.push(...opened.packets.filterByTag(enums.packet.literalData));
	return new Message(packets);
}

/** With one key at a time: two keys of one keyring could share a key ID, and only one of them signed. */
async function verifyWithKey(
	message: Uint8Array,
	key: PublicKey,
	date: Date,
): Promise<SignedMessage> {
	const opened = await readMessage({ binaryMessage: message });
	const signatures = [
		...(await opened.verify([key], date)),
		...(await withVersion3(message, opened).verify([key], date)),
	];
	const own = signatures.filter(({ keyID }) => key.getKeys(keyID).length > 0);
	if (own.length === 0) {
		return { kind: 'other-key', keyIds: signatures.map(({ keyID }) => keyID.toHex()) };
	}
	const body: unknown = opened.getLiteralData();
	if (!(body instanceof Uint8Array)) return refused('It holds no data');
	let failure: SignedMessage = refused('It is not signed');
	for (const result of own) {
		try {
			// Rejects with what is wrong.
			await result.verified;
			return { kind: 'signed', signer: await signerOf(key, result, date), body };
		} catch (error) {
			failure = refused(error);
		}
	}
	return failure;
}

/** Refuses what the library refuses: keys expired or revoked when they signed, weak hashes, short keys. */
export const verifySigned: VerifySigned = async ({
	message,
	keyring,
	now,
}: SignedMessageRequest) => {
	let keys: readonly PublicKey[];
	try {
		keys = await readKeyring(keyring);
	} catch (error) {
		return { kind: 'keyring-unreadable', reason: sentence(error) };
	}
	let answer: SignedMessage = { kind: 'other-key', keyIds: [] };
	for (const key of keys) {
		try {
			const found = await verifyWithKey(message, key, new Date(now));
			if (found.kind === 'signed') return found;
			if (answer.kind === 'other-key') answer = found;
		} catch (error) {
			answer = refused(error);
		}
	}
	return answer;
};
