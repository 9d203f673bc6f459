/**
 * A stage for discovery: content, its magnet link without a tracker, and whoever has or wants it, the `swarm` command,
 * libtorrent or Transmission, with every way of finding peers switched off but one.
 */
import type { TestContext } from 'node:test';
import type { PeerAddress } from '../../engine/units.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from './cleanup.js';
import { type ClientName, type RunningClient, requireClient, skip } from './clients.js';
import { writeContent } from './content.js';
import { Exchange, type MadeTorrent } from './exchange.js';
import { LIBTORRENT_DHT, startLibtorrent } from './libtorrent.js';
import type { Network, NetworkSide } from './namespaces.js';
import { type OurDht, startOurDht } from './our-dht.js';
import { until } from './real-clients.js';
import { startSwarm } from './swarm-command.js';
import { ourTracker } from './tracker-watch.js';
import { startTransmission } from './transmission.js';

const PIECE_LENGTH = 64 * 1024;
const PIECES = 64;
/** Who stands between two others: from it alone a download would take longer than the test may. */
const SLOW = ['--down', '16K'];
/** With fewer Transmission announces nothing. */
const DHT_NODES = 10;
const PATIENCE_MS = 290_000;
const SWARM_LISTENS_MS = 30_000;
/** With discovery as a user has it, but for what the flags switch off. */
const ON = { SWARM_DISCOVERY: '' };

export type Way = 'tracker' | 'dht' | 'lsd' | 'pex';

export interface Stage extends Network {
  readonly way: Way;
  readonly scope: CleanUp;
  readonly made: Exchange;
  readonly torrent: MadeTorrent;
  readonly magnet: string;
  readonly folder: string;
  readonly dht: OurDht | undefined;
  /** Its announce URL. */
  readonly tracker: string | undefined;
}

/** Each test has addresses of its own. */
let places = 0;
const placeOf = (side: NetworkSide): NetworkSide => {
  const [first, ...others] = side.hosts;
  return { ...side, hosts: [others[places++ % others.length] ?? first] };
};

export async function stageOf(
  t: TestContext,
  network: Network | undefined,
  way: Way,
  ...needs: readonly ClientName[]
): Promise<Stage | undefined> {
  if (!requireClient(t, ...needs, 'ip netns')) return undefined;
  if (network === undefined) {
    skip(t, 'needs network namespaces, which only root can make');
    return undefined;
  }
  const scope = cleanUpOf(t);
  const name = 'content.bin';
  const made = await Exchange.create(scope, PIECE_LENGTH, {
    [name]: (path) => writeContent(path, PIECES * PIECE_LENGTH - 77, t.name),
  });
  const torrent = await made.torrentOf(name);
  const dht = way === 'dht' ? await startOurDht(scope, placeOf(network.near).hosts[0], DHT_NODES) : undefined;
  const tracker =
    way === 'tracker' ? await ourTracker.start(scope, network.near, [torrent.infoHash]) : undefined;
  const named = tracker === undefined ? '' : `&tr=${encodeURIComponent(tracker)}`;
  const magnet = `magnet:?xt=urn:btih:${torrent.infoHash}${named}`;
  return { ...network, way, scope, made, torrent, magnet, folder: await made.receiver(), dht, tracker };
}

const nameOf = ({ host, port }: PeerAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Everything off but the one way. */
function flagsOf({ way, dht }: Stage): string[] {
  const off = (['dht', 'lsd', 'pex'] as const).filter((each) => each !== way).map((each) => `--no-${each}`);
  const bootstrap = (dht?.addresses ?? []).slice(0, 1).flatMap((node) => ['--dht-bootstrap', nameOf(node)]);
  return ['--json', '--quiet', '--no-nat', ...off, ...bootstrap];
}

export interface Swarm {
  readonly client: RunningClient;
  readonly address: PeerAddress;
}

export async function swarm(
  stage: Stage,
  args: readonly string[],
  { home, side = stage.near }: { readonly home?: string; readonly side?: NetworkSide } = {},
): Promise<RunningClient> {
  const stateHome = home ?? (await temporaryFolder(stage.scope));
  return startSwarm(stage.scope, side, stateHome, [...args, ...flagsOf(stage)], ON);
}

/** Where there is IPv6 only, everywhere, as a user does. */
const listenAt = (host: string): string[] => (host.includes(':') ? [] : ['--listen', `${host}:0`]);

/** Downloads by the link. */
export const swarmGet = (stage: Stage, ...peers: readonly PeerAddress[]): Promise<RunningClient> =>
  swarm(stage, [
    ...['get', stage.magnet, '--out', stage.folder, ...listenAt(placeOf(stage.near).hosts[0])],
    ...peers.flatMap((peer) => ['--peer', nameOf(peer)]),
  ]);

/** Resolves when it serves, and the DHT knows of it where there is one. */
export async function swarmSeed(stage: Stage): Promise<Swarm> {
  const { dht, made, near, torrent, tracker } = stage;
  const host = placeOf(near).hosts[0];
  const path = `${made.source}/content.bin`;
  const announced = tracker === undefined ? [] : ['--tracker', tracker];
  const at = listenAt(host);
  const client = await swarm(stage, ['seed', path, '--torrent', torrent.file, ...announced, ...at]);
  const [, port] = await client.printed(/"type":"seeding".*"port":(\d+)/, SWARM_LISTENS_MS);
  const isAnnounced = () => dht?.nodes.some((node) => node.snapshot().storedPeers > 0) ?? true;
  await until('the DHT knows the seed', isAnnounced);
  return { client, address: { host, port: Number(port) } };
}

/**
 * Knows these peers, and the torrent; it has next to nothing of it. Not at our other one's side: to Transmission two
 * connections from one address are one peer.
 */
export async function swarmHub(stage: Stage, ...peers: readonly PeerAddress[]): Promise<PeerAddress> {
  const { made, far, torrent } = stage;
  const address = { host: placeOf(far).hosts[0], port: 20_000 + places };
  const known = peers.flatMap((peer) => ['--peer', nameOf(peer)]);
  const out = await made.receiver('hub');
  const argv = ['get', torrent.file, '--out', out, ...SLOW, '--listen', nameOf(address), ...known];
  const hub = await swarm(stage, argv, { side: far });
  await hub.printed(/"type":"peer-connected"/);
  return address;
}

export interface Other {
  readonly address: PeerAddress;
  readonly completed: () => Promise<void>;
}

export interface OtherClient {
  readonly name: string;
  readonly needs: readonly ClientName[];
  seed(stage: Stage): Promise<Other>;
  get(stage: Stage): Promise<Other>;
}

export const libtorrentPeer: OtherClient = {
  name: 'libtorrent',
  needs: ['libtorrent'],
  seed: (stage) => libtorrentWith(stage, { file: stage.torrent.file, folder: stage.made.source, seed: true }),
  get: (stage) => libtorrentWith(stage, { file: stage.magnet, folder: stage.folder }),
};

async function libtorrentWith(
  { way, dht, scope, far, tracker }: Stage,
  torrent: { readonly file: string; readonly folder: string; readonly seed?: boolean },
): Promise<Other> {
  const [node] = dht?.addresses ?? [];
  const { address, client } = await startLibtorrent(scope, placeOf(far), {
    torrents: [tracker === undefined ? torrent : { ...torrent, trackers: [tracker] }],
    settings: {
      enable_lsd: way === 'lsd',
      ...(node === undefined ? {} : { ...LIBTORRENT_DHT, dht_bootstrap_nodes: nameOf(node) }),
    },
  });
  return {
    address,
    completed: async () => void (await client.printed(/"event": "finished"/, PATIENCE_MS)),
  };
}

export const transmissionPeer: OtherClient = {
  name: 'Transmission',
  needs: ['transmission-daemon'],
  async seed(stage) {
    const { daemon } = await transmissionIn(stage);
    await daemon.add({ torrents: [stage.torrent.file], folder: stage.made.source }, true);
    await daemon.verify();
    await daemon.start();
    return { address: daemon.address, completed: async () => {} };
  },
  async get(stage) {
    const { daemon } = await transmissionIn(stage);
    await daemon.add({ torrents: [stage.magnet], folder: stage.folder }, false);
    const completed = () => until('Transmission is complete', () => daemon.isComplete(), PATIENCE_MS);
    return { address: daemon.address, completed };
  },
};

const transmissionIn = ({ way, dht, scope, far }: Stage) =>
  startTransmission(
    scope,
    // Its datagrams come from the first address whatever it is bound to.
    far,
    { 'dht-enabled': way === 'dht', 'lpd-enabled': way === 'lsd', 'pex-enabled': way === 'pex' },
    { 'dht.bootstrap': (dht?.addresses ?? []).map(({ host, port }) => `${host} ${port}\n`).join('') },
  );
