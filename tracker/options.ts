/** Options of the tracker, with unit and default; a wrong value fails at start-up, naming the option. */
import { SwarmError } from '../engine/errors.js';
import type { StoreLimits } from './swarm-store.js';

export interface ListenOption {
  /** Literal address. Default `::`, which takes IPv4 as well; `0.0.0.0` where the machine has no IPv6. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface TrackerOptions {
  /** Undefined or null: no HTTP. */
  readonly http?: ListenOption | null;
  /** Undefined or null: no UDP. */
  readonly udp?: ListenOption | null;
  /** How often clients are asked to announce, in seconds; up to 5 % are added at random. Default 1800. */
  readonly intervalSeconds?: number;
  /** How soon a client may announce again unasked, in seconds. Default 300, at most the interval. */
  readonly minIntervalSeconds?: number;
  /** Swarms kept at once; further ones are answered but not stored. About 300 bytes each. Default 200,000. */
  readonly maxTorrents?: number;
  /** Peers kept at once over all swarms. About 80 bytes each, which are touched only as they are needed. Default 1,000,000. */
  readonly maxPeers?: number;
  /** Peers kept of one swarm. Default 5,000. */
  readonly maxPeersPerTorrent?: number;
  /** Peers kept of one IPv4 /24 or IPv6 /48, over all swarms; loopback and LAN have no quota. Default 20,000. */
  readonly maxPeersPerPrefix?: number;
  /** Peers kept of one IPv4 /24 or IPv6 /48 in one swarm. Default 64. */
  readonly maxPeersPerPrefixPerTorrent?: number;
  /** Open HTTP connections. Default 4,096. */
  readonly maxConnections?: number;
  /** Open HTTP connections from one IPv4 /24 or IPv6 /48. Default 128. */
  readonly maxConnectionsPerPrefix?: number;
  /** Requests a second from one IPv4 /24 or IPv6 /48, over HTTP and UDP together. Default 500. */
  readonly requestsPerSecondPerPrefix?: number;
}

export interface ResolvedTrackerOptions {
  readonly intervalSeconds: number;
  readonly minIntervalSeconds: number;
  readonly store: StoreLimits;
  readonly maxConnections: number;
  readonly maxConnectionsPerPrefix: number;
  readonly requestsPerSecondPerPrefix: number;
}

/** A client may miss one announce and be late with the next. */
const TIMEOUT_INTERVALS = 2.5;

/** @throws SwarmError USAGE_INVALID_OPTION naming the option */
export function resolveTrackerOptions(options: TrackerOptions): ResolvedTrackerOptions {
  const intervalSeconds = whole('intervalSeconds', options.intervalSeconds ?? 1800, 1, 86_400);
  const minIntervalSeconds = options.minIntervalSeconds ?? Math.min(300, intervalSeconds);
  return {
    intervalSeconds,
    minIntervalSeconds: whole('minIntervalSeconds', minIntervalSeconds, 1, intervalSeconds),
    store: {
      maxTorrents: whole('maxTorrents', options.maxTorrents ?? 200_000, 1, 2 ** 24),
      maxPeers: whole('maxPeers', options.maxPeers ?? 1_000_000, 1, 2 ** 24),
      maxPeersPerTorrent: whole('maxPeersPerTorrent', options.maxPeersPerTorrent ?? 5_000, 1, 2 ** 20),
      maxPeersPerPrefix: whole('maxPeersPerPrefix', options.maxPeersPerPrefix ?? 20_000, 1, 2 ** 24),
      maxPeersPerPrefixPerTorrent: whole(
        'maxPeersPerPrefixPerTorrent',
        options.maxPeersPerPrefixPerTorrent ?? 64,
        1,
        2 ** 20,
      ),
      peerTimeoutMs: intervalSeconds * TIMEOUT_INTERVALS * 1000,
    },
    maxConnections: whole('maxConnections', options.maxConnections ?? 4096, 1, 65_535),
    maxConnectionsPerPrefix: whole(
      'maxConnectionsPerPrefix',
      options.maxConnectionsPerPrefix ?? 128,
      1,
      65_535,
    ),
    requestsPerSecondPerPrefix: whole(
      'requestsPerSecondPerPrefix',
      options.requestsPerSecondPerPrefix ?? 500,
      1,
      1_000_000,
    ),
  };
}

function whole(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SwarmError(
    'USAGE_INVALID_OPTION',
    `${option} must be a whole number from ${min} to ${max}, got ${value}`,
    { option, value },
  );
}
