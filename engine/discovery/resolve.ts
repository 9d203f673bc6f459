/**
 * Names to addresses through the system's resolver. It runs on the threads that file access uses as well, and
 * one dead DNS server holds a thread for many seconds: so few run at once and the rest wait in line.
 */
import { lookup } from 'node:dns/promises';
import { SwarmError } from '../errors.js';

/** Literal addresses of `host`, which is a name. @throws SwarmError TRACKER_UNREACHABLE, or the signal's reason */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Of the process's four I/O threads. */
const MAX_RUNNING = 2;
/** Names that wait; trackers of many torrents come at once, more than this is a flood. */
const MAX_WAITING = 512;

let running = 0;
const waiting: (() => void)[] = [];

export const systemResolve: Resolve = async (host, signal) => {
  if (running >= MAX_RUNNING) {
    if (waiting.length >= MAX_WAITING) throw unreachable(host, 'too many names wait to be resolved');
    await new Promise<void>((resume) => {
      waiting.push(resume);
    });
  } else running++;
  if (signal.aborted) {
    release();
    throw signal.reason;
  }
  const found = lookup(host, { all: true, verbatim: true }).finally(release);
  return await new Promise<readonly string[]>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    found
      .then((entries) => resolve(entries.map(({ address }) => address)))
      .catch((error: NodeJS.ErrnoException) => reject(unreachable(host, error.code ?? error.message)))
      .finally(() => signal.removeEventListener('abort', abort));
  });
};

/** Hands the turn to who waits longest. */
function release(): void {
  const next = waiting.shift();
  if (next === undefined) running--;
  else next();
}

function unreachable(host: string, reason: string): SwarmError {
  return new SwarmError('TRACKER_UNREACHABLE', `the name ${host} cannot be resolved (${reason})`, { host });
}
