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
  /**
   * Interface, or address of one, that everything is sent from and nothing goes around; nothing is sent while it is
   * down. Default: any.
   */
  readonly bind?: string;
  /** Name servers to ask where `bind` is set, as addresses; `:port` may follow. Default: the system's. */
  readonly dnsServers?: readonly string[];
  /**
   * `socks5://[user:password@]host:port`: connections to peers and HTTP trackers go through it, and nothing goes
   * around it: no listening, UDP tracker, DHT, local discovery or port mapping. Default: none.
   */
  readonly proxy?: string;
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
  readonly bind: string | undefined;
  readonly dnsServers: readonly string[] | undefined;
  readonly proxy: ProxyOptions | undefined;
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

export interface ProxyOptions extends HostPort {
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
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
export const PUBLIC_DHT: readonly HostPort[] = [
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'dht.libtorrent.org', port: 25401 },
  { host: 'router.utorrent.com', port: 6881 },
];

/** @throws SwarmError USAGE_INVALID_OPTION naming the option */
export function resolveEngineOptions(options: EngineOptions, machine: Machine): ResolvedEngineOptions {
  const proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
  if (proxy !== undefined) assertNotAround(options);
  if (options.dnsServers !== undefined && options.bind === undefined)
    throw new SwarmError('USAGE_INVALID_OPTION', 'dnsServers are asked only where bind is set', {
      option: 'dnsServers',
    });
  return {
    listenHost: options.listenHost,
    bind: options.bind,
    dnsServers: options.dnsServers,
    proxy,
    listenPort:
      options.listenPort === null || proxy !== undefined
        ? null
        : whole('listenPort', options.listenPort ?? 0, 0, 65_535),
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
    dht: proxy === undefined && (options.dht ?? (machine.discovery || options.dhtBootstrap !== undefined)),
    dhtBootstrap: options.dhtBootstrap ?? (isLoopback(options.listenHost ?? '') ? [] : PUBLIC_DHT),
    lsd: proxy === undefined && (options.lsd ?? machine.discovery),
    pex: options.pex ?? true,
    portMapping: proxy === undefined && (options.portMapping ?? machine.discovery),
  };
}

const SOCKS_PORT = 1080;
const ENCODE = 'In the user name and password write / as %2F, ? as %3F, # as %23 and % as %25.';
/** Of a user name, and of a password (RFC 1929). */
const MAX_CREDENTIAL_BYTES = 255;

/** @throws SwarmError USAGE_INVALID_OPTION; never with the password in it */
export function parseProxy(text: string): ProxyOptions {
  const hint = text.includes('@') ? { hint: ENCODE } : {};
  const bad = (why: string): SwarmError =>
    new SwarmError(
      'USAGE_INVALID_OPTION',
      `proxy must be socks5://[user:password@]host:port: ${why}`,
      { option: 'proxy' },
      hint,
    );
  if (!URL.canParse(text)) throw bad('it is no URL');
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  if (protocol !== 'socks5:' && protocol !== 'socks5h:') throw bad('only SOCKS5 is spoken');
  if (hostname === '') throw bad('it has no host');
  if (port === '0') throw bad('it has no port');
  if ((pathname !== '' && pathname !== '/') || search !== '' || hash !== '')
    throw bad('something follows the port');
  const host = hostname.replace(/^\[|\]$/g, '');
  const [name, secret] = [username, password].map((part) => decoded(part));
  if (name === undefined || secret === undefined)
    throw bad('its user name or password is not percent-encoded UTF-8');
  if ([name, secret].some((part) => new TextEncoder().encode(part).length > MAX_CREDENTIAL_BYTES))
    throw bad('its user name or password is too long');
  return {
    host,
    port: port === '' ? SOCKS_PORT : Number(port),
    credentials: name === '' && secret === '' ? undefined : { username: name, password: secret },
  };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** What the user wants all the same would go around the proxy. */
function assertNotAround({ listenPort, dht, lsd, portMapping, dhtBootstrap }: EngineOptions): void {
  const around = Object.entries({ dht, lsd, portMapping }).find(([, wanted]) => wanted === true)?.[0];
  const option =
    around ??
    (typeof listenPort === 'number' ? 'listenPort' : dhtBootstrap === undefined ? undefined : 'dhtBootstrap');
  if (option === undefined) return;
  throw new SwarmError('USAGE_INVALID_OPTION', `${option} would go around the proxy`, { option });
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
