/** libtorrent as a peer: one session in Python (libtorrent_peer.py). */
import { once } from 'node:events';
import { join } from 'node:path';
import type { PeerAddress } from '../../engine/units.js';
import { PYTHON, type RunningClient, type Scope, startClient } from './clients.js';
import type { NetworkSide } from './namespaces.js';
import type { RealClient } from './real-clients.js';
import { projectRoot } from './root.js';

export interface LibtorrentOptions {
  readonly torrents: readonly {
    /** Path of the torrent file, or a magnet link. */
    readonly file: string;
    readonly folder: string;
    /** Everything is there: serve it without a check. */
    readonly seed?: boolean;
    readonly downloadBytesPerSecond?: number;
    /** In place of the file's own. */
    readonly trackers?: readonly string[];
    readonly peers?: readonly (readonly [string, number])[];
  }[];
  readonly uploadBytesPerSecond?: number;
  readonly downloadBytesPerSecond?: number;
  /** False: the session ends when every torrent is complete. Default true. */
  readonly stay?: boolean;
  /** Prints how many pieces it has, once a second. */
  readonly tellPieces?: boolean;
  /** Settings of the session, over the driver's own. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export function libtorrentCommand(side: NetworkSide, options: LibtorrentOptions): string[] {
  const driver = join(projectRoot, 'test/support/libtorrent_peer.py');
  const [host] = side.hosts;
  const json = JSON.stringify({
    listen: host.includes(':') ? `[${host}]:0` : `${host}:0`,
    outgoing: host,
    ...options,
  });
  return [...side.prefix, PYTHON, driver, json];
}

/** Settings of a session that uses the DHT where everybody is on loopback or in one network. */
export const LIBTORRENT_DHT = {
  enable_dht: true,
  dht_bootstrap_nodes: '',
  dht_restrict_routing_ips: false,
  dht_restrict_search_ips: false,
  dht_prefer_verified_node_ids: false,
  dht_enforce_node_id: false,
  dht_ignore_dark_internet: false,
} as const;

export interface LibtorrentSession {
  readonly client: RunningClient;
  readonly address: PeerAddress;
  dial(peer: PeerAddress): void;
}

export async function startLibtorrent(
  scope: Scope,
  side: NetworkSide,
  options: LibtorrentOptions,
): Promise<LibtorrentSession> {
  const [host] = side.hosts;
  const [command = PYTHON, ...args] = libtorrentCommand(side, options);
  const client = startClient(scope, command, args, { stdin: true });
  const [, port] = await client.printed(/"event": "listening", "port": (\d+)/);
  return {
    client,
    address: { host, port: Number(port) },
    dial: (peer) => void client.process.stdin?.write(`${JSON.stringify({ peer: [peer.host, peer.port] })}\n`),
  };
}

export const libtorrent = libtorrentWith('libtorrent', {});

/** @param settings of the session, over the driver's own */
export function libtorrentWith(name: string, settings: Readonly<Record<string, unknown>>): RealClient {
  return {
    name,
    needs: ['libtorrent'],
    needsNamespaces: false,
    speaksUdp: true,
    omitsEmptyFiles: false,
    async seed(scope, side, { torrents, folder }) {
      await startLibtorrent(scope, side, {
        torrents: torrents.map((file) => ({ file, folder, seed: true })),
        settings,
      });
    },
    async get(scope, side, { torrents, folder }) {
      const options = { torrents: torrents.map((file) => ({ file, folder })), stay: false, settings };
      const { client } = await startLibtorrent(scope, side, options);
      const [code] = (await once(client.process, 'exit')) as [number | null];
      if (code !== 0) throw new Error(`libtorrent ended with ${code}:\n${client.output()}`);
    },
  };
}
