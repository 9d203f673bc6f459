/**
 * V8 flags of the command, on Node 20 and 21: later versions optimise in other steps and do not know the flag.
 *
 * The interrupt budget is how much a function runs before it is optimised. Eight times the default saves a
 * download of 1 GiB 5 % of its CPU, 4 % of its time and 5 MB: it is over before the optimising of what is not hot pays.
 *
 * It waits for the first sign of life of a thread: code cached under other flags is refused, and Node would compile
 * its own modules from source, for 10 ms of CPU when we start and 26 ms when a thread does. Who needs no thread keeps
 * the default.
 */
import { setFlagsFromString } from 'node:v8';

if (Number.parseInt(process.versions.node, 10) < 22) {
  process.once('worker', (worker) => {
    worker.once('message', () => setFlagsFromString('--interrupt-budget=1000000'));
  });
}
