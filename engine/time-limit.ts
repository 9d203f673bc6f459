/**
 * Time limit: a signal that ends when its time is over, and before that with another one. `AbortSignal.timeout()` does
 * not do: Node 20 collects one that only `AbortSignal.any()` refers to, and then it never ends.
 */

/** As of `AbortSignal.timeout()`. */
const TIME_UP = 'TimeoutError';

/**
 * Runs `work`, which must end by its signal, and keeps the process running meanwhile. Nothing is left when it is done.
 * @param signal ends it before its time is over, with its own reason
 */
export async function withinTime<T>(
  timeoutMs: number,
  work: (limited: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`not done in ${timeoutMs} ms`, TIME_UP));
  }, timeoutMs);
  const onAbort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Whether it is the reason of a signal whose time was over. */
export const isTimeUp = (thrown: unknown): boolean => thrown instanceof Error && thrown.name === TIME_UP;
