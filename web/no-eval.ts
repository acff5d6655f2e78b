import * as z from 'zod';

// The page's content security policy forbids code made at run time; schemas ask when they are made.
z.config({ jitless: true });
