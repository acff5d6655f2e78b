/** WWW-Authenticate (RFC 9110 §11.6.1): several challenges in one header, quoted strings, unknown schemes. */

export type Challenge =
	| {
			readonly scheme: 'bearer';
			readonly realm: string;
			readonly service?: string;
			readonly scope?: string;
			readonly error?: string;
	  }
	| { readonly scheme: 'basic'; readonly realm: string };

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
// Beyond the grammar: some servers send URLs without quotes.
const unquoted = /[^\s,"]+/y;
const skip = /[\s,]*/y;

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
	pattern.lastIndex = at;
	return pattern.exec(text);
}

interface RawChallenge {
	readonly scheme: string;
	readonly parameters: Map<string, string>;
}

/** A linear scan: a token followed by `=` is a parameter of the challenge before it, else a new scheme. */
function scan(header: string): RawChallenge[] {
	const challenges: RawChallenge[] = [];
	let at = 0;
	for (;;) {
		at += match(skip, header, at)?.[0].length ?? 0;
		const word = match(token, header, at)?.[0];
		if (word === undefined) return challenges;
		at += word.length;
		const equals = match(/\s*=\s*/y, header, at);
		const current = challenges.at(-1);
		if (!equals || !current) {
			challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
			if (equals) return challenges;
			continue;
		}
		at += equals[0].length;
		const string = match(quoted, header, at);
		const value = string ? string[1]?.replace(/\\(.)/g, '$1') : match(unquoted, header, at)?.[0];
		if (value === undefined) continue;
		at += string ? string[0].length : value.length;
		current.parameters.set(word.toLowerCase(), value);
	}
}

/** The challenges that Espalier can answer, in the order given. Never throws. */
export function parseChallenges(header: string): readonly Challenge[] {
	return scan(header).flatMap(({ scheme, parameters }): Challenge[] => {
		const realm = parameters.get('realm') ?? '';
		if (scheme === 'basic') return [{ scheme, realm }];
		if (scheme !== 'bearer' || realm === '') return [];
		const service = parameters.get('service');
		const scope = parameters.get('scope');
		const error = parameters.get('error');
		return [
			{
				scheme,
				realm,
				...(service !== undefined && { service }),
				...(scope !== undefined && { scope }),
				...(error !== undefined && { error }),
			},
		];
	});
}
