#!/usr/bin/env node
/** The `swarm` command: the process around `run`. */
import './v8-flags.js';
import { EXIT } from './exit-codes.js';
import { run } from './run.js';

// Whoever read us went away (`swarm info … | head`): there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  process.exit(EXIT.done);
});
// The work itself does not depend on being watched.
process.stderr.on('error', () => {});

const code = await run(process.argv.slice(2), process);
// What was written to a pipe must still arrive; whatever else is not done by now may not hold the user.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
process.exit(code);
