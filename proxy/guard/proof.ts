/** How a server shows that it knows the token without saying it, so that nobody else is told by mistake. */
import { createHmac } from 'node:crypto';

export interface ProofQuestion {
	/** what makes each question another one; has the form of a token */
	readonly nonce: string;
	/** the port that was asked: what another one answers is of no use here */
	readonly port: number;
}

/** The answer that only a server with this token can give. */
export function proofOf(token: string, { nonce, port }: ProofQuestion): string {
	return createHmac('sha256', token).update(`${nonce}${port}`).digest('base64url');
}
