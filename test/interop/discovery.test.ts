/**
 * A magnet link alone, without any tracker: the `swarm` command, libtorrent and Transmission find each other over the
 * DHT alone, over local discovery alone, and over peer exchange alone; and the command tells where its peers came from.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PeerAddress, PeerSourceName } from '../../engine/units.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { type ClientName, type RunningClient, requireClient, skip } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange, type MadeTorrent } from '../support/exchange.js';
import { LIBTORRENT_DHT, startLibtorrent } from '../support/libtorrent.js';
import { enterNamespaces, type Network, type NetworkSide } from '../support/namespaces.js';
import { type OurDht, startOurDht } from '../support/our-dht.js';
import { until } from '../support/real-clients.js';
import { startSwarm, succeeded } from '../support/swarm-command.js';
import { assertFoundBy, eventsOf } from '../support/swarm-events.js';
import { startTransmission } from '../support/transmission.js';

const PIECE_LENGTH = 64 * 1024;
const PIECES = 64;
/** Who stands between two others: from it alone a download would take longer than the test may. */
const SLOW = ['--down', '16K'];
const DHT_NODES = 10;
/** Transmission waits most of the time. */
const SIDE_BY_SIDE = 12;
const TIMEOUT_MS = 110_000;
const SWARM_LISTENS_MS = 30_000;
/** Of another run of the command, on a busy machine. */
const WARM_MS = 10_000;

const network = await enterNamespaces();
/** With discovery as a user has it, but for what the flags switch off. */
const ON = { SWARM_DISCOVERY: '' };

type Way = 'dht' | 'lsd' | 'pex';

interface Stage extends Network {
  readonly way: Way;
  readonly scope: CleanUp;
  readonly made: Exchange;
  readonly torrent: MadeTorrent;
  readonly magnet: string;
  readonly folder: string;
  readonly dht: OurDht | undefined;
}

/** Each test has addresses of its own. */
let places = 0;
const placeOf = (side: NetworkSide): NetworkSide => {
  const [first, ...others] = side.hosts;
  return { ...side, hosts: [others[places++ % others.length] ?? first] };
};

async function stageOf(t: TestContext, way: Way, ...needs: ClientName[]): Promise<Stage | undefined> {
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
  const magnet = `magnet:?xt=urn:btih:${torrent.infoHash}`;
  return { ...network, way, scope, made, torrent, magnet, folder: await made.receiver(), dht };
}

const nameOf = ({ host, port }: PeerAddress): string => `${host}:${port}`;

/** Everything off but the one way. */
function flagsOf({ way, dht }: Stage): string[] {
  const off = (['dht', 'lsd', 'pex'] as const).filter((each) => each !== way).map((each) => `--no-${each}`);
  const bootstrap = (dht?.addresses ?? []).slice(0, 1).flatMap((node) => ['--dht-bootstrap', nameOf(node)]);
  return ['--json', '--quiet', '--no-nat', ...off, ...bootstrap];
}

interface Swarm {
  readonly client: RunningClient;
  readonly address: PeerAddress;
}

async function swarm(
  stage: Stage,
  args: readonly string[],
  { home, side = stage.near }: { readonly home?: string; readonly side?: NetworkSide } = {},
): Promise<RunningClient> {
  const stateHome = home ?? (await temporaryFolder(stage.scope));
  return startSwarm(stage.scope, side, stateHome, [...args, ...flagsOf(stage)], ON);
}

async function swarmSeed(stage: Stage): Promise<Swarm> {
  const { made, near, torrent } = stage;
  const host = placeOf(near).hosts[0];
  const path = `${made.source}/content.bin`;
  const client = await swarm(stage, ['seed', path, '--torrent', torrent.file, '--listen', `${host}:0`]);
  const [, port] = await client.printed(/"type":"seeding".*"port":(\d+)/, SWARM_LISTENS_MS);
  return { client, address: { host, port: Number(port) } };
}

/**
 * Knows these peers, and the torrent; it has next to nothing of it. Not at our other one's side: to Transmission two
 * connections from one address are one peer.
 */
async function swarmHub(stage: Stage, ...peers: readonly PeerAddress[]): Promise<PeerAddress> {
  const { made, far, torrent } = stage;
  const address = { host: placeOf(far).hosts[0], port: 20_000 + places };
  const known = peers.flatMap((peer) => ['--peer', nameOf(peer)]);
  const out = await made.receiver('hub');
  const argv = ['get', torrent.file, '--out', out, ...SLOW, '--listen', nameOf(address), ...known];
  const hub = await swarm(stage, argv, { side: far });
  await hub.printed(/"type":"peer-connected"/);
  return address;
}

interface Other {
  readonly address: PeerAddress;
  readonly completed: () => Promise<void>;
}

interface OtherClient {
  readonly name: string;
  readonly needs: readonly ClientName[];
  seed(stage: Stage): Promise<Other>;
  get(stage: Stage): Promise<Other>;
}

const libtorrentPeer: OtherClient = {
  name: 'libtorrent',
  needs: ['libtorrent'],
  seed: (stage) => libtorrentWith(stage, { file: stage.torrent.file, folder: stage.made.source, seed: true }),
  get: (stage) => libtorrentWith(stage, { file: stage.magnet, folder: stage.folder }),
};

async function libtorrentWith(
  { way, dht, scope, far }: Stage,
  torrent: { readonly file: string; readonly folder: string; readonly seed?: boolean },
): Promise<Other> {
  const [node] = dht?.addresses ?? [];
  const { address, client } = await startLibtorrent(scope, placeOf(far), {
    torrents: [torrent],
    settings: {
      enable_lsd: way === 'lsd',
      ...(node === undefined ? {} : { ...LIBTORRENT_DHT, dht_bootstrap_nodes: nameOf(node) }),
    },
  });
  return {
    address,
    completed: async () => void (await client.printed(/"event": "finished"/, TIMEOUT_MS)),
  };
}

const transmissionPeer: OtherClient = {
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
    const completed = () => until('Transmission is complete', () => daemon.isComplete(), TIMEOUT_MS);
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

const WAYS: Readonly<Record<Way, string>> = {
  dht: 'the DHT',
  lsd: 'local discovery',
  pex: 'peer exchange',
};

describe('a magnet link without a tracker', { concurrency: SIDE_BY_SIDE }, () => {
  for (const [way, what] of Object.entries(WAYS) as [Way, string][]) {
    for (const other of [libtorrentPeer, transmissionPeer]) {
      test(`swarm get finds ${other.name}, which seeds, over ${what} alone`, {
        timeout: TIMEOUT_MS,
      }, async (t) => {
        const stage = await stageOf(t, way, ...other.needs);
        if (stage === undefined) return;
        const { folder, made, magnet, near } = stage;
        const get = async (...peers: PeerAddress[]) =>
          swarm(stage, [
            ...['get', magnet, '--out', folder, '--listen', `${placeOf(near).hosts[0]}:0`],
            ...peers.flatMap((peer) => ['--peer', nameOf(peer)]),
          ]);
        let finder: RunningClient;
        if (way === 'lsd') {
          // Who comes later is heard by who listens.
          finder = await get();
          await finder.printed(/"type":"searching"/);
          await other.seed(stage);
        } else {
          const seed = await other.seed(stage);
          finder = await (way === 'pex' ? get(await swarmHub(stage, seed.address)) : get());
        }
        await succeeded(finder);
        await assertSameContent(folder, made.source);
        assertFoundBy(finder, way, ...((way === 'pex' ? ['user'] : []) as PeerSourceName[]));
      });

      test(`${other.name} finds swarm seed over ${what} alone`, { timeout: TIMEOUT_MS }, async (t) => {
        const stage = await stageOf(t, way, ...other.needs);
        if (stage === undefined) return;
        const { folder, made } = stage;
        let finder: Other;
        let seed: Swarm;
        if (way === 'dht') {
          seed = await swarmSeed(stage);
          finder = await other.get(stage);
        } else {
          finder = await other.get(stage);
          seed = await swarmSeed(stage);
          if (way === 'pex') await swarmHub(stage, seed.address, finder.address);
        }
        await finder.completed();
        await assertSameContent(folder, made.source);
        const sources = eventsOf(seed.client).flatMap((event) =>
          event.type === 'peer-connected' || event.type === 'peers-found' ? [event.source] : [],
        );
        assert.ok(sources.length > 0, seed.client.output());
        for (const source of sources) assert.ok(source === way || source === 'incoming', String(source));
      });
    }
  }
});

test('swarm get, started again, finds peers in the DHT without bootstrap hosts', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const stage = await stageOf(t, 'dht');
  if (stage === undefined) return;
  const { folder, made, magnet, near, scope } = stage;
  await swarmSeed(stage);
  const home = await temporaryFolder(scope);
  const listen = ['--listen', `${placeOf(near).hosts[0]}:0`];
  await succeeded(await swarm(stage, ['get', magnet, '--out', folder, ...listen], { home }));
  const again = await made.receiver('again');
  const startedAt = performance.now();
  const warm = await swarm({ ...stage, dht: undefined }, ['get', magnet, '--out', again, ...listen], {
    home,
  });
  await warm.printed(/"type":"added"/);
  await warm.printed(/"type":"peers-found".*"source":"dht"/);
  const foundMs = performance.now() - startedAt;
  t.diagnostic(`peers after ${foundMs.toFixed(0)} ms, the start of the process included`);
  assert.ok(foundMs < WARM_MS, `${foundMs} ms`);
  await succeeded(warm);
  await assertSameContent(again, made.source);
  assertFoundBy(warm, 'dht');
});
