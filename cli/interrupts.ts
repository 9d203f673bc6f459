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

/** Who is watched dies with the terminal, and says goodbye first. Nohup, which wants that ignored, takes us off it. */
const hangUp = (): readonly NodeJS.Signals[] =>
  process.stdout.isTTY || process.stderr.isTTY ? ['SIGHUP'] : [];

/**
 * Runs `work` with a signal that the first interrupt aborts; listens no longer than `work` takes.
 * @param work its second argument interrupts, for keys that reach the program as input
 * @param more signals that count, whoever watches
 */
export async function withInterrupts<T>(
  work: (signal: AbortSignal, interrupt: () => void) => Promise<T>,
  more: readonly NodeJS.Signals[] = [],
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (signal?: NodeJS.Signals) => {
    // The shell and the system each tell of the same end of a terminal: that is no impatience.
    if (controller.signal.aborted && signal === 'SIGHUP') return;
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Interrupted());
  };
  const signals = new Set([...SIGNALS, ...hangUp(), ...more]);
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await work(controller.signal, () => interrupt());
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
