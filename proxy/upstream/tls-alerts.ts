/** Keeps what the other side said over TLS when it hung up, such as that it wants a client certificate. */
import type { buildConnector } from 'undici';

function isAlert(error: Error): boolean {
	return 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_SSL_');
}

/**
 * With TLS 1.3 an alert comes after the connection counts as made. undici then tells the request only that the
 * other side closed it: the alert becomes the cause of that.
 */
export function keepingAlerts(connect: buildConnector.connector): buildConnector.connector {
	return (options, callback) => {
		connect(options, (...made) => {
			let alert: Error | undefined;
			made[1]?.prependListener('error', (error: Error) => {
				if (alert && error !== alert) error.cause ??= alert;
				else if (isAlert(error)) alert = error;
			});
			callback(...made);
		});
	};
}
