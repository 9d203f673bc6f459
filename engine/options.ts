/**
 * Options: what a caller may set, with unit, default and consequence. A wrong value fails here, at
 * construction, with the option's name; nothing downstream checks again.
 */
import { SwarmError } from './errors.js';
import { isLoopback } from './policy/address-prefix.js';

/**
 * MSE/PE of peer connections: `off` speaks and takes plaintext alone; `prefer` dials encrypted first and again in
 * plaintext who does not speak it, takes both, and lets what follows the handshake be plaintext where both may;
 * `require` takes nothing but RC4, from the first byte to the last.
 */
export type EncryptionMode = (typeof ENCRYPTION_MODES)[number];
const ENCRYPTION_MODES = ['off', 'prefer', 'require'] as const;

export interface EngineOptions {
  /** Address to listen on for peers. Default `0.0.0.0` and `::` where available. */
  readonly listenHost?: string;
  /** TCP port to listen on; 0 lets the system choose; null does not listen. Default 0. */
  readonly listenPort?: number | null;
  /** Whether connections are obfuscated; protects nothing. `require` misses peers that cannot. Default `prefer`. */
  readonly encryption?: EncryptionMode;
  /** Connected peers over all torrents. Default 200. */
  readonly maxPeers?: number;
  /** Connected peers of one torrent. Default 80. */
  readonly maxPeersPerTorrent?: number;
  /** Connection attempts under way at once. Default 96. */
  readonly maxHalfOpen?: number;
  /** Over all torrents; 0 is without limit. Default 0. */
  readonly downloadBytesPerSecond?: number;
  /** Over all torrents; 0 is without limit. Default 0. */
  readonly uploadBytesPerSecond?: number;
  /** Memory for pieces under way; bounds how many pieces are in flight. Default 32 MiB. */
  readonly arenaBytes?: number;
  /** Memory for pieces being uploaded. Default 16 MiB. */
  readonly readCacheBytes?: number;
  /** Threads that hash and write. Default: one a core but the one that runs the network, at most 4. */
  readonly workers?: number;
  /** Look for peers in the DHT (BEP 5). Never for private torrents. Default true. */
  readonly dht?: boolean;
  /**
   * Nodes to join the DHT through when none is known. Default: the public ones; none when `listenHost` is a loopback
   * address.
   */
  readonly dhtBootstrap?: readonly HostPort[];
  /** Look for peers in the local network (BEP 14). Never for private torrents. Default true. */
  readonly lsd?: boolean;
  /** Tell peers of each other (BEP 11). Never for private torrents. Default true. */
  readonly pex?: boolean;
  /** Ask the router to forward our ports: UPnP, NAT-PMP, PCP. Default true. */
  readonly portMapping?: boolean;
  /** Where resume data is kept. Default `$XDG_STATE_HOME/swarm` or `~/.local/state/swarm`. */
  readonly stateDir?: string;
}

export interface ResolvedEngineOptions {
  readonly listenHost: string | undefined;
  readonly listenPort: number | null;
  readonly encryption: EncryptionMode;
  readonly maxPeers: number;
  readonly maxPeersPerTorrent: number;
  readonly maxHalfOpen: number;
  readonly downloadBytesPerSecond: number;
  readonly uploadBytesPerSecond: number;
  readonly arenaBytes: number;
  readonly readCacheBytes: number;
  readonly workers: number;
  readonly stateDir: string;
  readonly dht: boolean;
  readonly dhtBootstrap: readonly HostPort[];
  readonly lsd: boolean;
  readonly pex: boolean;
  readonly portMapping: boolean;
}

/** `host` may be a name. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Facts about the machine that defaults depend on; passed in so that this file stays pure. */
export interface Machine {
  readonly cores: number;
  readonly stateDir: string;
  /** Whether this user's engines ask strangers, the local network and the router by default. */
  readonly discovery: boolean;
}

const MIB = 1024 * 1024;
/** Run by BitTorrent Inc., Transmission and libtorrent. */
const PUBLIC_DHT: readonly HostPort[] = [
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'dht.libtorrent.org', port: 25401 },
  { host: 'router.utorrent.com', port: 6881 },
];

/** @throws SwarmError USAGE_INVALID_OPTION naming the option */
export function resolveEngineOptions(options: EngineOptions, machine: Machine): ResolvedEngineOptions {
  return {
    listenHost: options.listenHost,
    listenPort: options.listenPort === null ? null : whole('listenPort', options.listenPort ?? 0, 0, 65_535),
    encryption: oneOf('encryption', options.encryption ?? 'prefer', ENCRYPTION_MODES),
    maxPeers: whole('maxPeers', options.maxPeers ?? 200, 1, 10_000),
    maxPeersPerTorrent: whole('maxPeersPerTorrent', options.maxPeersPerTorrent ?? 80, 1, 10_000),
    maxHalfOpen: whole('maxHalfOpen', options.maxHalfOpen ?? 96, 1, 1_000),
    downloadBytesPerSecond: whole('downloadBytesPerSecond', options.downloadBytesPerSecond ?? 0, 0, 2 ** 40),
    uploadBytesPerSecond: whole('uploadBytesPerSecond', options.uploadBytesPerSecond ?? 0, 0, 2 ** 40),
    arenaBytes: whole('arenaBytes', options.arenaBytes ?? 32 * MIB, MIB, 2 ** 31),
    readCacheBytes: whole('readCacheBytes', options.readCacheBytes ?? 16 * MIB, MIB, 2 ** 31),
    workers: whole('workers', options.workers ?? Math.min(Math.max(machine.cores - 1, 1), 4), 1, 64),
    stateDir: options.stateDir ?? machine.stateDir,
    dht: options.dht ?? (machine.discovery || options.dhtBootstrap !== undefined),
    dhtBootstrap: options.dhtBootstrap ?? (isLoopback(options.listenHost ?? '') ? [] : PUBLIC_DHT),
    lsd: options.lsd ?? machine.discovery,
    pex: options.pex ?? true,
    portMapping: options.portMapping ?? machine.discovery,
  };
}

function oneOf<Value extends string>(name: string, value: string, values: readonly Value[]): Value {
  const found = values.find((each) => each === value);
  if (found !== undefined) return found;
  throw new SwarmError('USAGE_INVALID_OPTION', `${name} must be one of ${values.join(', ')}, got ${value}`, {
    option: name,
    value,
  });
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new SwarmError(
    'USAGE_INVALID_OPTION',
    `${name} must be a whole number from ${min} to ${max}, got ${value}`,
    {
      option: name,
      value,
    },
  );
}
