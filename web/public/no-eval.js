// The page's content security policy forbids code made at run time. Schemas ask for this as they are made, in
// whatever order the page's modules are loaded: so it is said before any of them.
globalThis.__zod_globalConfig = { jitless: true };
