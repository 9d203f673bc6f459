/** Interrupts: the first Ctrl-C or SIGTERM asks the command to end, the second ends the process. */
import { isatty } from 'node:tty';
import { EXIT } from './exit-codes.js';

/** Reason of the signal, thrown by whatever it aborts. The message is for people. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(message = 'interrupted') {
    super(message);
  }
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * On a terminal, its end is an interrupt. Without one (nohup, cron, a service) a hang-up is ignored, as nohup wants: Node
 * undoes what we inherit of that.
 */
const isOnTerminal = (): boolean => [0, 1, 2].some(isatty);

/**
 * Runs `work` with a signal that the first interrupt aborts; listens no longer than `work` takes.
 * @param work its second argument interrupts, for keys that reach the program as input
 * @param leavesNothing a hang-up counts without a terminal, too
 */
export async function withInterrupts<T>(
  work: (signal: AbortSignal, interrupt: () => void) => Promise<T>,
  leavesNothing = false,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Interrupted());
  };
  // Asked now: a terminal that has gone is none.
  const counts = leavesNothing || isOnTerminal();
  const hangUp = () => {
    // The shell and the system each tell of the end of a terminal: that is no impatience.
    if (!controller.signal.aborted && counts) interrupt();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  process.on('SIGHUP', hangUp);
  try {
    return await work(controller.signal, interrupt);
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    process.off('SIGHUP', hangUp);
  }
}

/** What `work` gives; rejects with the signal's reason when that comes first. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
