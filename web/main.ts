import { mount } from 'svelte';
import * as z from 'zod';
import './ui/tokens.css';
import App from './App.svelte';

// The page's content security policy forbids code made at run time.
z.config({ jitless: true });

mount(App, { target: document.body });
