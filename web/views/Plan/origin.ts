/** Where a plan or receipt that no link leads to came from. */
export type Origin =
	| { readonly kind: 'file'; readonly name: string }
	/** this browser kept it */
	| { readonly kind: 'kept' };
