/** The tracker: one swarm store behind HTTP and UDP. This is its whole public API. */
import { randomBytes } from 'node:crypto';
import { SwarmError } from '../engine/errors.js';
import { asMillis, type Millis, type PeerAddress } from '../engine/units.js';
import { AnnounceService } from './announce.js';
import { ConnectionIds } from './connection-ids.js';
import { HttpTracker } from './http-tracker.js';
import { type ListenOption, resolveTrackerOptions, type TrackerOptions } from './options.js';
import { RateBuckets } from './rate-buckets.js';
import { emptyStats, type TransportStats } from './stats.js';
import { type StoreStats, SwarmStore } from './swarm-store.js';
import { UdpTracker } from './udp-tracker.js';

export type { TrackerOptions } from './options.js';

interface TrackerStats extends StoreStats {
  readonly uptimeMs: number;
  readonly http: Readonly<TransportStats>;
  readonly udp: Readonly<TransportStats>;
}

export interface RunningTracker {
  /** Where it listens; null when it does not. */
  readonly http: PeerAddress | null;
  readonly udp: PeerAddress | null;
  stats(): TrackerStats;
  /** Idempotent; afterwards nothing is open. */
  close(): Promise<void>;
}

/** The world, replaceable by tests. */
interface TrackerEnvironment {
  /** Monotonic. */
  readonly now: () => Millis;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
}

const SYSTEM: TrackerEnvironment = { now: () => asMillis(performance.now()), rng: Math.random };

/** So many overdue peers are forgotten so often, besides those that announces push out; one costs a microsecond. */
const SWEEP_INTERVAL_MS = 1_000;
const SWEEP_PEERS = 10_000;
const SECRET_BYTES = 32;

/**
 * Listens and serves until closed.
 * @throws SwarmError USAGE_INVALID_OPTION, or ADDRESS_UNAVAILABLE naming the address
 */
export async function startTracker(
  options: TrackerOptions,
  { now, rng }: TrackerEnvironment = SYSTEM,
): Promise<RunningTracker> {
  const resolved = resolveTrackerOptions(options);
  if (!options.http && !options.udp)
    throw new SwarmError('USAGE_INVALID_OPTION', 'a tracker needs http, udp or both', { option: 'http' });
  const store = new SwarmStore(resolved.store, rng);
  const service = new AnnounceService(store, resolved, rng);
  const buckets = new RateBuckets(resolved.requestsPerSecondPerPrefix);
  const ids = new ConnectionIds(randomBytes(SECRET_BYTES));
  const startedAt = now();

  const http = await listen(options.http, () => new HttpTracker(service, buckets, resolved, now));
  const udp = await listen(options.udp, (host) => new UdpTracker(host, service, ids, buckets, now)).catch(
    async (error: unknown) => {
      await http?.server.close();
      throw error;
    },
  );
  const sweeper = setInterval(() => store.sweep(now(), SWEEP_PEERS), SWEEP_INTERVAL_MS);
  let closed: Promise<void> | undefined;
  return {
    http: http?.address ?? null,
    udp: udp?.address ?? null,
    stats: () => ({
      ...store.stats,
      uptimeMs: now() - startedAt,
      http: { ...(http?.server.stats ?? emptyStats()) },
      udp: { ...(udp?.server.stats ?? emptyStats()) },
    }),
    close: () => {
      clearInterval(sweeper);
      closed ??= Promise.all([http?.server.close(), udp?.server.close()]).then(() => {});
      return closed;
    },
  };
}

interface Transport {
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

/** `::` takes IPv4 too; a machine without IPv6 does not know it. */
const ANY_HOSTS = ['::', '0.0.0.0'];
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

async function listen<T extends Transport>(
  option: ListenOption | null | undefined,
  open: (host: string) => T,
): Promise<{ server: T; address: PeerAddress } | null> {
  if (!option) return null;
  const hosts = option.host === undefined ? ANY_HOSTS : [option.host];
  for (const host of hosts) {
    const server = open(host);
    try {
      return { server, address: { host, port: await server.listen(host, option.port) } };
    } catch (error) {
      await server.close();
      const errno = (error as NodeJS.ErrnoException).code ?? '';
      if (host !== hosts.at(-1) && NO_IPV6.has(errno)) continue;
      throw new SwarmError(
        'ADDRESS_UNAVAILABLE',
        `cannot listen on ${host} port ${option.port} (${errno})`,
        { host, port: option.port, errno },
        { cause: error, hint: 'Choose another port, or stop the program that uses this one.' },
      );
    }
  }
  return null;
}
