/** Nodes of ours on real sockets on loopback: joining, finding, storing, dying, coming back. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { openDatagramSocket } from '../../../engine/discovery/dht/datagram-socket.js';
import type { DhtNode } from '../../../engine/discovery/dht/dht-node.js';
import { DhtSource } from '../../../engine/discovery/dht/dht-source.js';
import { immutableTarget, signItem } from '../../../engine/discovery/dht/items.js';
import { systemClock } from '../../../engine/system.js';
import { asInfoHash, type PeerAddress } from '../../../engine/units.js';
import { LoopbackDht, loopbackNode } from '../../support/loopback-dht.js';
import { NO_IPV6, until } from '../helpers.js';

const NODES = 200;
const LOOKUPS = 30;

describe('many nodes on loopback', () => {
  test('among 200 every lookup succeeds, also after 30 % of them were killed', {
    timeout: 60_000,
  }, async (t) => {
    const dht = await LoopbackDht.start(NODES);
    t.after(() => dht.close());
    for (let i = 0; i < LOOKUPS; i++) assert.ok((await dht.announceAndFind()).firstMs !== undefined);
    dht.kill(0.3);
    for (let i = 0; i < LOOKUPS; i++) assert.ok((await dht.announceAndFind()).firstMs !== undefined);
  });

  test('items, scrapes, and a restart on a warm table', { timeout: 60_000 }, async (t) => {
    const dht = await LoopbackDht.start(20);
    t.after(() => dht.close());
    const [first, second] = dht.nodes as [DhtNode, DhtNode];

    const value = Buffer.from('5:hello');
    let told = await first.putImmutable(value);
    const { privateKey } = generateKeyPairSync('ed25519');
    const salt = Buffer.from('a salt');
    const large = Buffer.from(`990:${'x'.repeat(990)}`);
    const signed = signItem(privateKey, large, 1n, salt);
    told += await first.putMutable(large, signed, salt);
    assert.ok(told >= 16);
    await until(() => told === dht.nodes.reduce((sum, node) => sum + node.snapshot().storedItems, 0));
    assert.deepEqual(Buffer.from((await second.getImmutable(immutableTarget(value))) ?? ''), value);
    const found = await second.getMutable(signed.publicKey, salt);
    assert.deepEqual(Buffer.from(found?.value ?? ''), large);
    assert.equal(await second.getMutable(signed.publicKey, Buffer.from('another salt')), null);
    assert.equal(await second.getImmutable(randomBytes(20)), null);

    const infoHash = randomBytes(20);
    assert.equal(await second.scrape(infoHash), null);
    const announcedTo = await new Promise<number>((resolve) =>
      first.lookUpPeers({
        infoHash,
        onPeers: () => {},
        announce: { port: 1, implied: false, seed: true },
        onDone: resolve,
      }),
    );
    await until(() => announcedTo === dht.nodes.reduce((sum, node) => sum + node.snapshot().storedPeers, 0));
    assert.deepEqual(await second.scrape(infoHash), { seeds: 1, peers: 0 });

    const saved = JSON.parse(JSON.stringify(second.save()));
    second.close();
    const { node } = await loopbackNode({ saved });
    t.after(() => node.close());
    assert.deepEqual(node.save().v4?.id, saved.v4.id);
    node.start();
    const start = performance.now();
    const peers: PeerAddress[] = [];
    node.lookUpPeers({ infoHash, onPeers: (more) => peers.push(...more) });
    await until(() => peers.length > 0);
    assert.ok(performance.now() - start < 1_000);
  });
});

test('an IPv6 swarm of nodes finds its peers, apart from IPv4', {
  skip: NO_IPV6,
  timeout: 30_000,
}, async (t) => {
  const nodes: DhtNode[] = [];
  t.after(() => {
    for (const node of nodes) node.close();
  });
  const { node: first, address } = await loopbackNode({}, [6]);
  nodes.push(first);
  for (let n = 0; n < 10; n++) {
    const { node } = await loopbackNode({ entryPoints: async () => [address] }, n % 2 === 0 ? [6] : [4, 6]);
    nodes.push(node);
    node.start();
    await until(() => node.snapshot().state === 'ready' && node.snapshot().lookups === 0);
  }
  const infoHash = randomBytes(20);
  const [, announcer, searcher] = nodes as [DhtNode, DhtNode, DhtNode];
  await new Promise<number>((resolve) =>
    announcer.lookUpPeers({
      infoHash,
      onPeers: () => {},
      announce: { port: 4_321, implied: false, seed: true },
      onDone: resolve,
    }),
  );
  const peers: PeerAddress[] = [];
  await until(() => nodes.some((node) => node.snapshot().storedPeers > 0));
  searcher.lookUpPeers({ infoHash, onPeers: (more) => peers.push(...more) });
  await until(() => peers.length > 0);
  assert.deepEqual(peers[0], { host: '::1', port: 4_321 });
});

test('a torrent finds peers through its source, and a private one never asks', {
  timeout: 30_000,
}, async (t) => {
  const dht = await LoopbackDht.start(10);
  t.after(() => dht.close());
  const [seeder, leecher, outsider] = dht.nodes as [DhtNode, DhtNode, DhtNode];
  const infoHash = asInfoHash(randomBytes(20).toString('hex'));
  const source = (node: DhtNode, port: number, isPrivate = false): DhtSource =>
    new DhtSource({
      node,
      infoHash,
      isPrivate,
      port: () => port,
      totals: () => ({ uploadedBytes: 0, downloadedBytes: 0, leftBytes: port, isPartialSeed: false }),
      clock: systemClock,
      rng: Math.random,
    });
  const found: PeerAddress[] = [];
  const handler = { onPeers: (peers: readonly PeerAddress[]) => found.push(...peers), onStatus: () => {} };
  const first = source(seeder, 5_555);
  first.start({ onPeers: () => {}, onStatus: () => {} });
  await until(() => dht.nodes.some((node) => node.snapshot().storedPeers > 0));
  const second = source(leecher, 6_666);
  second.start(handler);
  await until(() => found.length > 0);
  assert.deepEqual(found[0], { host: '127.0.0.1', port: 5_555 });

  const before = outsider.snapshot().queriesSent;
  const hidden = source(outsider, 7_777, true);
  hidden.start(handler);
  hidden.wantPeers();
  hidden.completed();
  await Promise.all([first.stop(0), second.stop(0), hidden.stop(0)]);
  assert.equal(outsider.snapshot().lookups, 0);
  assert.ok(outsider.snapshot().queriesSent - before < 3);
});

test('an address family in which nobody is known keeps no lookup from ending', {
  skip: NO_IPV6,
  timeout: 20_000,
}, async (t) => {
  const first = await loopbackNode();
  t.after(() => first.node.close());
  const { node } = await loopbackNode({ entryPoints: async () => [first.address] }, [4, 6]);
  t.after(() => node.close());
  node.start();
  const infoHash = randomBytes(20);
  const announce = { port: 5_555, implied: false, seed: false };
  for (let times = 0; times < 2; times++) {
    const announcedTo = await new Promise<number>((resolve) =>
      node.lookUpPeers({ infoHash, onPeers: () => {}, announce, onDone: resolve }),
    );
    assert.equal(announcedTo, 1);
  }
  assert.equal(await node.getImmutable(randomBytes(20)), null);
});

test('a socket takes no harm from what cannot be sent, and a taken port is named', async () => {
  const socket = await openDatagramSocket(4, 0, '127.0.0.1');
  socket.send(Buffer.from('x'), { host: '127.0.0.1', port: 0 });
  socket.send(Buffer.from('x'), { host: '255.255.255.255', port: 9 });
  socket.send(Buffer.from('x'), { host: 'not an address', port: 9 });
  await assert.rejects(openDatagramSocket(4, socket.port, '127.0.0.1'), { code: 'ADDRESS_UNAVAILABLE' });
  socket.close();
  socket.close();
  socket.send(Buffer.from('x'), { host: '127.0.0.1', port: 9 });
});

test('after it is closed nothing is sent, nothing waits, and what was promised is kept', async () => {
  const { node, address } = await loopbackNode();
  const silent = await openDatagramSocket(4, 0, '127.0.0.1');
  node.addNode({ host: '127.0.0.1', port: silent.port });
  node.start();
  const scrape = node.scrape(randomBytes(20));
  node.close();
  node.close();
  assert.equal(await scrape, null);
  assert.equal(await node.getImmutable(randomBytes(20)), null);
  assert.equal(await node.putImmutable(Buffer.from('1:x')), 0);
  let announcedTo = -1;
  node.lookUpPeers({
    infoHash: randomBytes(20),
    onPeers: () => {},
    onDone: (told) => {
      announcedTo = told;
    },
  });
  assert.equal(announcedTo, 0);
  assert.equal(node.snapshot().state, 'off');
  // Its port is free again.
  (await openDatagramSocket(4, address.port, '127.0.0.1')).close();
  silent.close();
});
