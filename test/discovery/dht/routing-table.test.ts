import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  compareDistance,
  type NodeContact,
  randomIdBeside,
  sharedBits,
} from '../../../engine/discovery/dht/node-id.js';
import { K, QUESTIONABLE_MS, RoutingTable } from '../../../engine/discovery/dht/routing-table.js';
import { makeSecureId } from '../../../engine/discovery/dht/secure-id.js';
import { asMillis } from '../../../engine/units.js';

const OWN = new Uint8Array(20);
const NOW = asMillis(1_000);
const LATER = asMillis(NOW + QUESTIONABLE_MS + 1);

/** The `n`th node of a network each, sharing exactly `bits` with us. */
const nodeAt = (bits: number, n: number, host = `8.${bits}.${n}.1`): NodeContact => ({
  id: randomIdBeside(OWN, bits, randomBytes),
  host,
  port: 6881,
});

const full = (bits: number): { table: RoutingTable; nodes: NodeContact[] } => {
  const table = new RoutingTable(OWN, false);
  const nodes = Array.from({ length: K }, (_, n) => nodeAt(bits, n));
  for (const node of nodes) table.onReply(node, 10, NOW);
  return { table, nodes };
};

describe('who gets into the routing table', () => {
  test('eight in a bucket, and the ninth waits', () => {
    const { table } = full(3);
    assert.equal(table.size, K);
    assert.equal(table.wants(nodeAt(3, 50)), false);
    table.onReply(nodeAt(3, 50), 10, NOW);
    assert.equal(table.size, K);
    table.onReply(nodeAt(4, 51), 10, NOW);
    assert.equal(table.size, K + 1);
  });

  test('the buckets far from us hold more', () => {
    const table = new RoutingTable(OWN);
    for (let n = 0; n < 250; n++) {
      table.onReply(nodeAt(0, n), 10, NOW);
      table.onReply(nodeAt(3, n), 10, NOW);
      table.onReply(nodeAt(4, n), 10, NOW);
    }
    assert.equal(table.size, 128 + 16 + 8);
  });

  test('one entry a host and one a /24 in a bucket, however many ids and ports there are', () => {
    const table = new RoutingTable(OWN);
    for (let port = 1; port < 500; port++)
      table.onReply({ ...nodeAt(port % 20, 1, '8.8.8.8'), port }, 10, NOW);
    assert.equal(table.size, 1);
    for (let last = 0; last < 250; last++) table.onReply(nodeAt(2, 0, `9.9.9.${last}`), 10, NOW);
    assert.equal(table.size, 2);
  });

  test('on loopback, where everybody has the same host, the port counts', () => {
    const table = new RoutingTable(OWN);
    for (let port = 1; port <= 8; port++) table.onReply({ ...nodeAt(5, 1, '127.0.0.1'), port }, 10, NOW);
    assert.equal(table.size, 8);
  });

  test('our own id and impossible addresses do not', () => {
    const table = new RoutingTable(OWN);
    table.onReply({ id: OWN, host: '8.8.8.8', port: 1 }, 10, NOW);
    for (const host of ['0.0.0.0', '224.0.0.1', '::', 'name']) table.onReply(nodeAt(1, 1, host), 10, NOW);
    assert.equal(table.size, 0);
  });

  test('who answers under another id each time is thrown out', () => {
    const table = new RoutingTable(OWN);
    table.onReply(nodeAt(1, 1), 10, NOW);
    assert.equal(table.size, 1);
    table.onReply(nodeAt(2, 1, '8.1.1.1'), 10, NOW);
    assert.equal(table.size, 0);
  });

  test('a node whose id is of its address takes the place of one whose is not', () => {
    const id = makeSecureId(Uint8Array.from([8, 0, 200, 1]), randomBytes);
    const own = Uint8Array.from(id, (byte, at) => (at === 0 ? byte ^ 0x80 : byte));
    const beside = new RoutingTable(own, false);
    for (let n = 0; n < K; n++)
      beside.onReply({ id: randomIdBeside(own, 0, randomBytes), host: `8.0.${n}.1`, port: 1 }, 10, NOW);
    assert.equal(beside.wants({ id, host: '8.0.200.1', port: 1 }), true);
    beside.onReply({ id, host: '8.0.200.1', port: 1 }, 10, NOW);
    assert.equal(beside.size, K);
    assert.ok(beside.get({ host: '8.0.200.1', port: 1 })?.secure);
  });
});

describe('who leaves it', () => {
  test('a full bucket asks its longest silent node for the newcomer, who takes its place when it fails', () => {
    const { table, nodes } = full(3);
    for (const node of nodes.slice(1)) table.onReply(node, 10, LATER);
    const newcomer = nodeAt(3, 99);
    const doubted = table.onReply(newcomer, 10, LATER);
    assert.equal(doubted?.host, nodes[0]?.host);
    table.onFailure(nodes[0] as NodeContact);
    assert.ok(table.get(nodes[0] as NodeContact), 'one lost packet is no reason');
    table.onFailure(nodes[0] as NodeContact);
    assert.equal(table.get(nodes[0] as NodeContact), undefined);
    assert.ok(table.get(newcomer));
  });

  test('without anybody to replace it a failing node stays for a while, but is not named', () => {
    const { table, nodes } = full(3);
    const [node] = nodes as [NodeContact];
    table.onFailure(node);
    table.onFailure(node);
    assert.ok(table.get(node));
    assert.ok(!table.closestGood(node.id).some(({ host }) => host === node.host));
    for (let more = 0; more < 4; more++) table.onFailure(node);
    assert.equal(table.get(node), undefined);
  });

  test('questionable are those silent for 15 minutes, the longest first', () => {
    const { table, nodes } = full(3);
    assert.deepEqual(table.questionable(NOW, 10), []);
    table.onReply(nodes[3] as NodeContact, 10, asMillis(LATER - 5));
    assert.equal(table.questionable(LATER, 100).length, K - 1);
  });
});

describe('what it answers', () => {
  test('the closest are exactly the closest of all, whatever the ids', () => {
    const ids = fc.array(fc.uint8Array({ minLength: 20, maxLength: 20 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        ids,
        fc.integer({ min: 1, max: 20 }),
        (own, all, count) => {
          const table = new RoutingTable(own);
          for (const [n, id] of all.entries()) table.onReply({ id, host: `8.8.${n}.1`, port: 1 }, 10, NOW);
          const target = all[0] as Uint8Array;
          const expected = [...table.entries()]
            .sort((a, b) => compareDistance(target, a.id, b.id))
            .slice(0, count);
          assert.deepEqual(
            table.closest(target, count).map(({ host }) => host),
            expected.map(({ host }) => host),
          );
        },
      ),
    );
  });

  test('restored nodes are asked, and named to nobody before they answer', () => {
    const table = new RoutingTable(OWN);
    const node = nodeAt(2, 1);
    table.restore(node);
    assert.equal(table.closest(OWN, 8).length, 1);
    assert.equal(table.closestGood(OWN).length, 0);
    table.onReply(node, 10, NOW);
    assert.equal(table.closestGood(OWN).length, 1);
  });

  test('each bucket in which nothing changed is looked up once in 15 minutes', () => {
    const { table } = full(2);
    assert.deepEqual(
      [table.takeStaleBucket(NOW), table.takeStaleBucket(NOW), table.takeStaleBucket(NOW)],
      [0, 1, undefined],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map(() => table.takeStaleBucket(LATER)),
      [0, 1, 2, undefined],
    );
  });

  test('a new id of ours sorts everybody anew', () => {
    const { table } = full(0);
    const own = Uint8Array.from(table.closest(OWN, 1)[0]?.id ?? []);
    own[19] = (own[19] ?? 0) ^ 1;
    table.changeId(own);
    assert.equal(table.size, K);
    assert.equal(sharedBits(own, table.closest(own, 1)[0]?.id ?? OWN), 159);
  });

  test('the size of the network is about right', () => {
    for (const size of [100, 1_000]) {
      const guesses = Array.from({ length: 15 }, () => {
        const table = new RoutingTable(randomBytes(20));
        for (let n = 0; n < size; n++)
          table.onReply({ id: randomBytes(20), host: `8.${n >> 8}.${n & 255}.1`, port: 1 }, 10, NOW);
        return table.estimateNetworkSize() ?? 0;
      }).sort((a, b) => a - b);
      const median = guesses[7] ?? 0;
      assert.ok(median > size / 2 && median < size * 2, `${median} of ${size}`);
    }
  });
});

test('no sequence of replies and failures lets a bucket overflow or an address be there twice', () => {
  const step = fc.record({
    id: fc.integer({ min: 0, max: 60 }),
    host: fc.integer({ min: 0, max: 40 }),
    port: fc.integer({ min: 1, max: 3 }),
    fails: fc.boolean(),
    later: fc.integer({ min: 0, max: QUESTIONABLE_MS }),
  });
  const ids = Array.from({ length: 61 }, (_, n) => randomIdBeside(OWN, n % 6, randomBytes));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new RoutingTable(OWN, false);
      let now = 0;
      for (const { id, host, port, fails, later } of steps) {
        now += later;
        const contact = { id: ids[id] ?? OWN, host: host < 5 ? '127.0.0.1' : `8.8.${host}.1`, port };
        if (fails) table.onFailure(contact);
        else table.onReply(contact, 10, asMillis(now));
      }
      const perBucket = new Map<number, number>();
      const hosts = new Set<string>();
      for (const entry of table.entries()) {
        const bits = sharedBits(OWN, entry.id);
        perBucket.set(bits, (perBucket.get(bits) ?? 0) + 1);
        const key = entry.network.local ? `${entry.host}:${entry.port}` : entry.host;
        assert.ok(!hosts.has(key));
        hosts.add(key);
      }
      for (const count of perBucket.values()) assert.ok(count <= K);
    }),
  );
});
