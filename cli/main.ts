#!/usr/bin/env node
/** The `swarm` command: the process around `run`. */
import { EXIT } from './exit-codes.js';
import { run } from './run.js';

// Whoever read us went away (`swarm info … | head`): there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
});

// Not process.exit: what was written to a pipe must still arrive.
process.exitCode = await run(process.argv.slice(2), process);
