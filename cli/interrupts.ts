/** Interrupts: the first Ctrl-C or SIGTERM asks the command to end, the second ends the process. */
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
 * Runs `work` with a signal that the first interrupt aborts; listens no longer than `work` takes.
 * @param work its second argument interrupts, for keys that reach the program as input
 * @param more signals that count, too; SIGHUP is not among them, as whoever started us with nohup wants it ignored
 */
export async function withInterrupts<T>(
  work: (signal: AbortSignal, interrupt: () => void) => Promise<T>,
  more: readonly NodeJS.Signals[] = [],
): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Interrupted());
  };
  const signals = [...SIGNALS, ...more];
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await work(controller.signal, interrupt);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
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
