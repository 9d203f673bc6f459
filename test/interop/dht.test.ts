/** Our DHT node among those of others, both ways: libtorrent, Transmission and the package bittorrent-dht. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import DHT from 'bittorrent-dht';
import type { DhtNode } from '../../engine/discovery/dht/dht-node.js';
import { immutableTarget } from '../../engine/discovery/dht/items.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { PYTHON, requireClient, skip, startClient } from '../support/clients.js';
import { writeContent } from '../support/content.js';
import { Exchange } from '../support/exchange.js';
import { enterNamespaces } from '../support/namespaces.js';
import { startOurDht } from '../support/our-dht.js';
import { until } from '../support/real-clients.js';
import { projectRoot } from '../support/root.js';
import { startTransmission } from '../support/transmission.js';

const TIMEOUT = { timeout: 120_000 };
const ASK_AGAIN_MS = 500;

const namespaces = await enterNamespaces();

const announce = (node: DhtNode, infoHash: Uint8Array, port: number): Promise<number> =>
  new Promise((resolve) =>
    node.lookUpPeers({
      infoHash,
      onPeers: () => {},
      announce: { port, implied: false, seed: false },
      onDone: resolve,
    }),
  );

/** Looks up again and again, since others announce when they like. */
async function finds(node: DhtNode, infoHash: Uint8Array, port: number, before = () => {}): Promise<void> {
  let found = false;
  let isIdle = true;
  let nextAt = 0;
  await until(`a peer on port ${port}`, () => {
    if (isIdle && performance.now() >= nextAt) {
      isIdle = false;
      nextAt = performance.now() + ASK_AGAIN_MS;
      before();
      node.lookUpPeers({
        infoHash,
        onPeers: (peers) => {
          found ||= peers.some((peer) => peer.port === port);
        },
        onDone: () => {
          isIdle = true;
        },
      });
    }
    return found;
  });
}

test(
  'libtorrent: each finds whom the other announced, and reads what the other stored',
  TIMEOUT,
  async (t) => {
    if (!requireClient(t, 'libtorrent')) return;
    const scope = cleanUpOf(t);
    const { nodes, addresses } = await startOurDht(scope, '127.0.0.1', 4);
    const [ours] = nodes as readonly [DhtNode];
    const folder = await temporaryFolder(scope);
    const driver = join(projectRoot, 'test/support/libtorrent_dht.py');
    const start = async () => {
      const options = JSON.stringify({ listen: '127.0.0.1:0', folder });
      const client = startClient(scope, PYTHON, [driver, options], { stdin: true });
      const [, port] = await client.printed(/"event": "listening", "port": (\d+)/);
      const tell = (command: object) => void client.process.stdin?.write(`${JSON.stringify(command)}\n`);
      for (const { host, port: ourPort } of addresses) tell({ node: [host, ourPort] });
      return { client, tell, port: Number(port) };
    };
    const [theirs, others] = [await start(), await start()];
    for (const { port } of [theirs, others]) ours.addNode({ host: '127.0.0.1', port });
    await until('libtorrent in our table', () => ours.snapshot().nodes4 >= 5);

    const hash = randomBytes(20);
    assert.ok((await announce(ours, hash, 4_001)) > 0);
    await until('libtorrent finds our peer', async () => {
      theirs.tell({ peers: hash.toString('hex') });
      await new Promise((resolve) => setTimeout(resolve, 200));
      return new RegExp(`"hash": "${hash.toString('hex')}", "peers": \\[\\["127.0.0.1", 4001\\]`).test(
        theirs.client.output(),
      );
    });

    const other = randomBytes(20);
    // It announces to whomever it knows at that moment, perhaps to nobody.
    await finds(ours, other, others.port, () => others.tell({ announce: other.toString('hex') }));

    const value = Buffer.from('7:from us');
    await ours.putImmutable(value);
    theirs.tell({ getImmutable: Buffer.from(immutableTarget(value)).toString('hex') });
    await theirs.client.printed(/"event": "item".*from us/);

    theirs.tell({ putImmutable: 'from libtorrent' });
    const theirTarget = immutableTarget(Buffer.from('15:from libtorrent'));
    await theirs.client.printed(/"event": "stored"/);
    const got = await ours.getImmutable(theirTarget);
    assert.equal(Buffer.from(got ?? '').toString(), '15:from libtorrent');
  },
);

test('bittorrent-dht: each finds whom the other announced', TIMEOUT, async (t) => {
  const scope = cleanUpOf(t);
  const { nodes, addresses } = await startOurDht(scope, '127.0.0.1', 4);
  const [ours] = nodes as readonly [DhtNode];
  const theirs = new DHT({
    bootstrap: addresses.map(({ host, port }) => `${host}:${port}`),
    host: '127.0.0.1',
  });
  scope.after(() => new Promise<void>((resolve) => theirs.destroy(resolve)));
  await new Promise<void>((resolve) => theirs.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => theirs.once('ready', resolve));

  const hash = randomBytes(20);
  await announce(ours, hash, 4_003);
  const peers: number[] = [];
  theirs.on('peer', ({ port }) => peers.push(port));
  theirs.lookup(hash, () => {});
  await until('bittorrent-dht finds our peer', () => peers.includes(4_003));

  const other = randomBytes(20);
  await new Promise((resolve) => theirs.announce(other, 4_004, resolve));
  await finds(ours, other, 4_004);
});

test('Transmission: finds our peer without a tracker, and we find it', TIMEOUT, async (t) => {
  if (!requireClient(t, 'transmission-daemon', 'ip netns')) return;
  if (namespaces === undefined) {
    skip(t, 'needs network namespaces, which only root can make');
    return;
  }
  const scope = cleanUpOf(t);
  const { near, far } = namespaces;
  const { nodes, addresses } = await startOurDht(scope, near.hosts[0], 10);
  const [ours] = nodes as readonly [DhtNode];
  const made = await Exchange.create(scope, 64 * 1024, {
    content: (path) => writeContent(path, 200_000, 'dht'),
  });
  const torrent = await made.torrentOf('content');
  const infoHash = Buffer.from(torrent.infoHash, 'hex');

  // Whoever connects to our announced port learnt it from the DHT.
  const server = createServer().listen(0, near.hosts[0]);
  scope.after(() => server.close());
  await once(server, 'listening');
  const listening = server.address();
  assert.ok(listening !== null && typeof listening === 'object');
  const connected = once(server, 'connection');
  await announce(ours, infoHash, listening.port);

  const lines = addresses.map(({ host, port }) => `${host} ${port}`).join('\n');
  const { daemon, peerPort } = await startTransmission(
    scope,
    far,
    { 'dht-enabled': true },
    { 'dht.bootstrap': `${lines}\n` },
  );
  await daemon.add({ torrents: [torrent.file], folder: await made.receiver() }, false);
  const [socket] = await connected;
  socket.destroy();
  await finds(ours, infoHash, peerPort);
});
