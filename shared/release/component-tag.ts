/** The tag that a component's image gets, made from a template. */
import { isTag } from '../oci/reference.ts';
import { ProblemError } from '../registry/problem.ts';

export interface TagParts {
	readonly version: string;
	readonly component: string;
}

const placeholder = /\{(\w*)\}/g;

function refuse(reason: string): never {
	throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
}

/**
 * Fills in `{version}` and `{component}`. Tags cannot hold the `+` of a version: it becomes `_`.
 * @throws ProblemError `plan-impossible` for unknown names in braces, and where the result is no tag
 */
export function tagFor(template: string, { version, component }: TagParts): string {
	const parts = new Map([
		['version', version.replaceAll('+', '_')],
		['component', component],
	]);
	const tag = template.replace(placeholder, (whole, name: string) => {
		return (
			parts.get(name) ??
			refuse(`“${whole}” in the tag template means nothing: there are {version} and {component}.`)
		);
	});
	if (isTag(tag)) return tag;
	return refuse(
		`The template “${template}” makes “${tag}” of ${component}, which is not a tag: letters, digits, “_”, “.” and “-”, at most 128, no “.” or “-” in front.`,
	);
}
