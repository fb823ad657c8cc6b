#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// Stripped types and compiled code are kept in the system's temporary folder: a second start takes half the time.
enableCompileCache();
const { processIo, run } = await import('./cli/index.ts');

process.exitCode = await run(process.argv.slice(2), processIo());
