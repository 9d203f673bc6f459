/** Options that `get` and `seed` share: how to listen, whom to talk to, how fast; and what the engine makes of them. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type EngineOptions, type PeerAddress, resolveFrom, SwarmError } from '../engine/index.js';
import { flag, list, UsageError, value } from './command.js';
import { withInterrupts } from './interrupts.js';
import { type ListenAddress, parseListen, parseRate, parseUrl, parseWhole } from './units-text.js';

export const NETWORK_OPTIONS = {
  listen: value('[IP:]PORT', 'take peers there (default: any free port)', parseListen),
  bind: value('INTERFACE|IP', 'send everything from there, and nothing while it is down', parseBind),
  dns: list('IP', 'with --bind: ask this name server', parseServer),
  proxy: value('URL', 'connect through socks5://[USER:PASSWORD@]HOST:PORT only', parseSocks),
  peer: list('HOST:PORT', 'try this peer', parseHostPort),
  tracker: list('URL', 'announce here too', (url) => parseUrl(url, ['http', 'https', 'udp'])),
  down: value('RATE', 'receive no faster: 500K, 2M bytes a second', parseRate),
  up: value('RATE', 'send no faster', parseRate),
  'max-peers': value('N', 'connected peers at once (default: 80 a torrent)', (given) =>
    parseWhole(given, 1, 10_000),
  ),
  'dht-bootstrap': list('HOST:PORT', 'join the DHT through this node', parseHostPort),
  'no-dht': flag('do not look for peers in the DHT'),
  'no-lsd': flag('do not look for peers in the local network'),
  'no-pex': flag('do not let peers tell of each other'),
  'no-nat': flag('do not ask the router to forward our port'),
  encryption: value('off|prefer|require', 'obfuscate connections (default: prefer)', parseEncryption),
  tui: flag('show the dashboard'),
  'no-tui': flag('do not'),
} as const;

type EncryptionMode = NonNullable<EngineOptions['encryption']>;

const ENCRYPTION_MODES: readonly EncryptionMode[] = ['off', 'prefer', 'require'];

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface NetworkChoices {
  readonly listen: ListenAddress | undefined;
  readonly bind: string | undefined;
  readonly dns: readonly string[];
  readonly proxy: string | undefined;
  readonly down: number | undefined;
  readonly up: number | undefined;
  readonly 'max-peers': number | undefined;
  readonly encryption: EncryptionMode | undefined;
  readonly 'no-nat': boolean;
  readonly 'no-dht': boolean;
  readonly 'no-lsd': boolean;
  readonly 'no-pex': boolean;
  readonly 'dht-bootstrap': readonly HostPort[];
}

/** @throws UsageError for options that exclude each other */
export function engineOptions(chosen: NetworkChoices): EngineOptions {
  if (chosen.proxy !== undefined && chosen.listen !== undefined)
    throw new UsageError('--listen: nobody can connect to us through --proxy', 'Leave out one of them.');
  if (chosen.proxy !== undefined && chosen['dht-bootstrap'].length > 0)
    throw new UsageError('--dht-bootstrap: there is no DHT through --proxy', 'Leave out one of them.');
  return {
    ...bindOptions(chosen),
    ...(chosen['no-nat'] ? { portMapping: false } : {}),
    ...(chosen['dht-bootstrap'].length === 0 ? {} : { dhtBootstrap: chosen['dht-bootstrap'] }),
    ...(chosen['no-dht'] ? { dht: false } : {}),
    ...(chosen['no-lsd'] ? { lsd: false } : {}),
    ...(chosen['no-pex'] ? { pex: false } : {}),
    ...(chosen.listen === undefined ? {} : { listenPort: chosen.listen.port }),
    ...(chosen.listen?.host === undefined ? {} : { listenHost: chosen.listen.host }),
    ...(chosen.down === undefined ? {} : { downloadBytesPerSecond: chosen.down }),
    ...(chosen.up === undefined ? {} : { uploadBytesPerSecond: chosen.up }),
    ...(chosen.encryption === undefined ? {} : { encryption: chosen.encryption }),
    ...(chosen['max-peers'] === undefined
      ? {}
      : { maxPeers: chosen['max-peers'], maxPeersPerTorrent: chosen['max-peers'] }),
  };
}

/** What may be sent from where; also of what comes before there is an engine. @throws UsageError */
export function bindOptions({
  bind,
  dns,
  proxy,
}: Pick<NetworkChoices, 'bind' | 'dns' | 'proxy'>): EngineOptions {
  if (bind === undefined && dns.length > 0)
    throw new UsageError(
      '--dns: name servers are chosen with --bind only',
      'Without it the system asks its own.',
    );
  return {
    ...(proxy === undefined ? {} : { proxy }),
    ...(bind === undefined ? {} : { bind }),
    ...(dns.length === 0 ? {} : { dnsServers: dns }),
  };
}

/** Names among `--peer` become all of their addresses. @throws UsageError naming the one that has none */
export async function resolvePeers(peers: readonly HostPort[], from: EngineOptions): Promise<PeerAddress[]> {
  const resolved = await Promise.all(
    peers.map(async ({ host, port }) => {
      if (isIP(host) !== 0) return [{ host, port }];
      try {
        const addresses = await addressesOf(host, from);
        return addresses.map((address) => ({ host: address, port }));
      } catch (thrown) {
        if (thrown instanceof SwarmError) throw new UsageError(`--peer: ${thrown.message}`, thrown.hint);
        const errno = (thrown as NodeJS.ErrnoException).code ?? 'unknown';
        throw new UsageError(`--peer: there is no address of "${host}" (${errno})`);
      }
    }),
  );
  return resolved.flat();
}

async function addressesOf(host: string, from: EngineOptions): Promise<readonly string[]> {
  if (from.bind !== undefined || from.proxy !== undefined)
    return withInterrupts((signal) => resolveFrom(host, signal, from));
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** @throws Error unless `text` is a name or address and a port */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined) throw new Error(`expected HOST:PORT or [IPV6]:PORT, got "${text}"`);
  if (port < 1 || port > 65_535) throw new Error(`expected a port from 1 to 65535, got "${text}"`);
  return { host, port };
}

function parseBind(text: string): string {
  if (/^[^\s/]{1,64}$/.test(text)) return text;
  throw new Error(`expected the name of an interface or an address, got "${text}"`);
}

function parseSocks(text: string): string {
  if (/^socks5h?:\/\//.test(text)) return text;
  throw new Error('expected socks5://[USER:PASSWORD@]HOST:PORT');
}

function parseServer(text: string): string {
  const match = /^\[(.*)\]:(\d{1,5})$/.exec(text) ?? /^([^:]+):(\d{1,5})$/.exec(text);
  const [, host = text, port = '53'] = match ?? [];
  if (isIP(host) !== 0 && Number(port) > 0 && Number(port) <= 65_535) return text;
  throw new Error(`expected an address, IP or IP:PORT, got "${text}"`);
}

function parseEncryption(text: string): EncryptionMode {
  const mode = ENCRYPTION_MODES.find((each) => each === text);
  if (mode === undefined) throw new Error(`expected ${ENCRYPTION_MODES.join(', ')}, got "${text}"`);
  return mode;
}
