/** Names to addresses through the system's resolver, with an end to the waiting that the resolver lacks. */
import { lookup } from 'node:dns/promises';
import { SwarmError } from '../errors.js';
import { networkFault } from '../network-fault.js';

/** Literal addresses of `host`, which is a name. @throws SwarmError TRACKER_UNREACHABLE, or the signal's reason */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

export const systemResolve: Resolve = (host, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    lookup(host, { all: true, verbatim: true })
      .then((found) => resolve(found.map(({ address }) => address)))
      .catch((error: NodeJS.ErrnoException) => reject(unresolved(host, error)))
      .finally(() => signal.removeEventListener('abort', abort));
  });

function unresolved(host: string, cause: NodeJS.ErrnoException): SwarmError {
  return new SwarmError(
    'TRACKER_UNREACHABLE',
    `the name ${host} cannot be resolved: ${networkFault(cause)}`,
    { host },
    { cause },
  );
}
