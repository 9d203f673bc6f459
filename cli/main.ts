#!/usr/bin/env node
/** The `swarm` command: the process around `run`. */
import './v8-flags.js';
import { EXIT } from './exit-codes.js';
import { run } from './run.js';

// Whoever read us went away (`swarm info … | head`): there is nobody left to tell. That a terminal went away (EIO) we
// are told by a signal, which leaves time for goodbyes.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  if (error.code === 'EIO') return;
  process.stderr.write(`error: stdout cannot be written to (${error.code})\n`);
  process.exit(EXIT.storage);
});
// The work itself does not depend on being watched.
process.stderr.on('error', () => {});

// Who lists processes would read the password of a proxy or a tracker.
if (process.argv.some((argument) => /:\/\/[^/]*@/.test(argument))) process.title = 'swarm';
const code = await run(process.argv.slice(2), process);
// What was written to a pipe must still arrive; whatever else is not done by now may not hold the user.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
process.exit(code);
