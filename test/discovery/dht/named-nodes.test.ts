/** Who is asked whether it is a DHT node: those that a torrent names, neighbours, and strangers beside them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DatagramSocket } from '../../../engine/discovery/dht/datagram-socket.js';
import { DhtNode } from '../../../engine/discovery/dht/dht-node.js';
import { writeQuery } from '../../../engine/discovery/dht/krpc.js';
import { NamedNodes } from '../../../engine/discovery/dht/named-nodes.js';
import { NeighbourLimit } from '../../../engine/discovery/dht/neighbour-limit.js';
import { addressKey, asMillis, type PeerAddress } from '../../../engine/units.js';
import { seededRng } from '../../policy/drawings.js';
import { VirtualClock } from '../../support/virtual-clock.js';
import { VirtualInternet } from '../../support/virtual-internet.js';

const US = { host: '8.8.8.8', port: 6881 };
const LIVE = { host: '11.0.0.1', port: 6881 };
const dead = (n: number): PeerAddress => ({ host: `9.${n >> 8}.${n & 255}.1`, port: 6881 });

/** A node without a way in, and one that could be it. */
class Lab {
  readonly internet = new VirtualInternet(seededRng(1), 20);
  readonly node = this.#nodeOn(this.internet.socketAt(US));
  /** By `addressKey`: datagrams to silent addresses. */
  readonly heard = new Map<string, number>();

  #nodeOn(socket: DatagramSocket): DhtNode {
    return new DhtNode({ sockets: [socket], clock: this.internet.clock, rng: seededRng(2), randomBytes });
  }

  /** @param lost datagrams that do not arrive at first */
  async start(lost = 0): Promise<this> {
    const inner = this.internet.socketAt(LIVE);
    const socket: DatagramSocket = { ...inner, onDatagram: () => {} };
    let left = lost;
    inner.onDatagram = (datagram, from) => {
      if (left-- <= 0) socket.onDatagram(datagram, from);
    };
    for (const node of [this.#nodeOn(socket), this.node]) node.start();
    // There are no entry points.
    await new Promise(setImmediate);
    return this;
  }

  silent(address: PeerAddress): DatagramSocket {
    const socket = this.internet.socketAt(address);
    const key = addressKey(address);
    socket.onDatagram = () => this.heard.set(key, (this.heard.get(key) ?? 0) + 1);
    return socket;
  }

  /** Seconds until we are in; undefined: not within `seconds`. */
  secondsToJoin(seconds: number): number | undefined {
    const since = this.internet.clock.now();
    const isIn = this.internet.run(() => this.node.snapshot().nodes4 > 0, seconds * 1_000);
    return isIn ? (this.internet.clock.now() - since) / 1_000 : undefined;
  }
}

describe('nodes that a torrent names', () => {
  test('are a way in, though the live one is the last of many', async () => {
    const lab = await new Lab().start();
    for (let n = 0; n < 40; n++) lab.silent(dead(n));
    for (let n = 0; n < 40; n++) lab.node.addNode(dead(n), 'torrent');
    lab.node.addNode(LIVE, 'torrent');
    assert.ok((lab.secondsToJoin(30) ?? 99) < 16);
    lab.internet.run(() => false, 1_000);
    assert.equal(lab.heard.size, 40);
  });

  test('are asked again when a datagram is lost, twice', async () => {
    for (const [lost, within] of [
      [1, 16],
      [2, 51],
    ] as const) {
      const lab = await new Lab().start(lost);
      lab.node.addNode(LIVE, 'torrent');
      assert.ok((lab.secondsToJoin(120) ?? 999) < within, `${lost}`);
    }
    const lab = await new Lab().start(3);
    lab.node.addNode(LIVE, 'torrent');
    assert.equal(lab.secondsToJoin(600), undefined);
  });

  test('are asked once when another is the way in', async () => {
    const lab = await new Lab().start();
    for (let n = 0; n < 30; n++) lab.silent(dead(n));
    lab.node.addNode(LIVE, 'torrent');
    for (let n = 0; n < 30; n++) lab.node.addNode(dead(n), 'torrent');
    lab.internet.run(() => false, 120_000);
    assert.deepEqual([...lab.heard.values()], Array(30).fill(1));
  });

  test('do not wait for strangers that make us ask others', async () => {
    const lab = await new Lab().start();
    const ping = (): Uint8Array => writeQuery(randomBytes(4), randomBytes(20), { method: 'ping' }, false);
    for (let n = 0; n < 50; n++) lab.silent(dead(n)).send(ping(), US);
    lab.internet.run(() => lab.heard.size >= 16, 1_000);
    lab.node.addNode(LIVE, 'torrent');
    assert.ok((lab.secondsToJoin(5) ?? 99) < 1);
  });

  test('are forgotten with the node', async () => {
    const lab = await new Lab().start();
    lab.silent(dead(1));
    lab.node.addNode(dead(1), 'torrent');
    lab.node.close();
    lab.node.addNode(dead(2), 'torrent');
    lab.internet.run(() => false, 120_000);
    assert.equal(lab.heard.get(addressKey(dead(1))), 1);
  });
});

describe('NamedNodes', () => {
  test('asks nobody more than three times, and no more than 16 at once, of 100', () => {
    const event = fc.oneof(
      fc.record({ add: fc.nat(250) }),
      fc.record({ answer: fc.nat(15), isThere: fc.boolean() }),
      fc.record({ waitMs: fc.nat(40_000) }),
      fc.record({ isAlone: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300, size: 'max' }), fc.boolean(), (events, failsAtOnce) => {
        const clock = new VirtualClock();
        const asked = new Map<string, number>();
        const added = new Map<string, number>();
        const underWay: ((isThere: boolean) => void)[] = [];
        let isAlone = true;
        const named = new NamedNodes({
          clock,
          isAlone: () => isAlone,
          ask: (address, done) => {
            const key = addressKey(address);
            asked.set(key, (asked.get(key) ?? 0) + 1);
            if (failsAtOnce && address.host.endsWith('3.1')) return done(false);
            underWay.push(done);
            assert.ok(underWay.length <= 16);
          },
        });
        for (const each of events)
          if ('add' in each) {
            const key = addressKey(dead(each.add));
            added.set(key, (added.get(key) ?? 0) + 1);
            named.add(dead(each.add));
          } else if ('answer' in each) underWay.splice(each.answer, 1)[0]?.(each.isThere);
          else if ('waitMs' in each) clock.advance(each.waitMs);
          else isAlone = each.isAlone;
        // Whoever is left is asked, and given up.
        for (let i = 0; i < 100; i++) {
          for (const done of underWay.splice(0)) done(false);
          clock.advance(60_000);
        }
        assert.equal(underWay.length, 0);
        for (const [key, times] of asked) assert.ok(times <= 3 * (added.get(key) ?? 0), key);
        named.add(dead(1_000));
        assert.equal(asked.get(addressKey(dead(1_000))), 1);
      }),
      { numRuns: 50 },
    );
  });

  test('takes a hundred, and then another for one that did not answer', () => {
    const asked: string[] = [];
    const fails: ((isThere: boolean) => void)[] = [];
    const named = new NamedNodes({
      clock: new VirtualClock(),
      isAlone: () => true,
      ask: (address, done) => {
        asked.push(address.host);
        fails.push(done);
      },
    });
    for (let n = 0; n < 120; n++) named.add(dead(n));
    fails[0]?.(false);
    named.add(dead(300));
    for (let at = 1; at < fails.length; at++) fails[at]?.(false);
    assert.deepEqual(
      asked,
      [...Array(100).keys(), 300].map((n) => dead(n).host),
    );
  });
});

describe('neighbours', () => {
  test('are a way in', async () => {
    const lab = await new Lab().start();
    lab.node.addNode(LIVE, 'neighbour');
    assert.ok((lab.secondsToJoin(5) ?? 99) < 1);
  });

  test('are asked once a minute each, and eight of them, though forged datagrams name hundreds', async () => {
    const lab = await new Lab().start();
    for (let n = 0; n < 300; n++) lab.silent(dead(n));
    for (let again = 0; again < 3; again++)
      for (let n = 0; n < 300; n++) lab.node.addNode(dead(n), 'neighbour');
    lab.internet.run(() => false, 30_000);
    assert.deepEqual([...lab.heard.values()], Array(8).fill(1));
    lab.node.addNode(LIVE, 'neighbour');
    assert.equal(lab.secondsToJoin(30), undefined);
    lab.node.addNode(LIVE, 'neighbour');
    assert.ok((lab.secondsToJoin(5) ?? 99) < 1, 'in the next minute');
  });

  test('are not asked where many nodes are known', () => {
    const limit = new NeighbourLimit();
    assert.equal(limit.admits('10.0.0.1', 32, asMillis(0)), false);
    assert.equal(limit.admits('10.0.0.1', 31, asMillis(0)), true);
  });
});
