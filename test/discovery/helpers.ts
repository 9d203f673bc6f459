/** Trackers and clocks to test the tracker client against. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { AnnounceRequest } from '../../engine/discovery/announce.js';
import type { Clock, TimerHandle } from '../../engine/ports.js';
import { asMillis, type Millis } from '../../engine/units.js';

/** For `skip`: false, or why. */
export const NO_IPV6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1')
  ? false
  : 'this machine has no IPv6 loopback';

export const INFO_HASH = '0123456789abcdef0123456789abcdef012345ff';
export const PEER_ID = Buffer.from('-SW0100-abcdefghijkl', 'latin1');

export const realClock: Clock = {
  now: () => asMillis(performance.now()),
  schedule(at, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, at - performance.now()), 2 ** 31 - 1));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Time stands still until it is told to pass. */
export class ManualClock implements Clock {
  #now = 1_000;
  readonly #timers = new Set<{ at: number; run: () => void }>();

  now(): Millis {
    return asMillis(this.#now);
  }

  schedule(at: Millis, run: () => void): TimerHandle {
    const timer = { at, run };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, running what falls due in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

/** Serves `handle`, by default on 127.0.0.1 at a free port; the url ends before the path. */
export async function serveHttp(
  handle: http.RequestListener,
  host = '127.0.0.1',
  port = 0,
): Promise<{ url: string; close(): void }> {
  const server = http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const announceRequest = (overrides: Partial<AnnounceRequest> = {}): AnnounceRequest => ({
  infoHash: Buffer.from(INFO_HASH, 'hex'),
  peerId: PEER_ID,
  key: 0xdeadbeef,
  port: 6881,
  uploadedBytes: 1,
  downloadedBytes: 2,
  leftBytes: 3,
  event: 'started',
  numWant: 50,
  ...overrides,
});

const PATIENCE_MS = 5_000;

/** Resolves when `holds` does, asked again at every turn of the event loop; rejects after five seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it never came true: ${holds}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
