/** A node under attack: every datagram that killed or abused the DHT nodes of others, against ours. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, test } from 'node:test';
import { encodeAddress, encodeNodes } from '../../../engine/discovery/dht/compact-nodes.js';
import type { DatagramSocket } from '../../../engine/discovery/dht/datagram-socket.js';
import { DhtNode } from '../../../engine/discovery/dht/dht-node.js';
import {
  type Message,
  type Query,
  readMessage,
  writeQuery,
  writeReply,
} from '../../../engine/discovery/dht/krpc.js';
import type { NodeId } from '../../../engine/discovery/dht/node-id.js';
import type { PeerAddress } from '../../../engine/units.js';
import { seededRng } from '../../policy/drawings.js';
import { VirtualInternet } from '../../support/virtual-internet.js';

const VICTIM = { host: '8.8.8.8', port: 6881 };
const HASH = randomBytes(20);

/** Somebody at an address of their own, who writes down what arrives and answers pings only when told to. */
class Stranger {
  readonly id = randomBytes(20);
  readonly heard: Uint8Array[] = [];
  readonly #socket: DatagramSocket;
  #transaction = 0;

  constructor(
    readonly internet: VirtualInternet,
    readonly address: PeerAddress,
    options: { readonly answers?: boolean; readonly reply?: (query: Query) => object } = {},
  ) {
    this.#socket = internet.socketAt(address);
    this.#socket.onDatagram = (datagram, from) => {
      this.heard.push(datagram);
      const message = readMessage(datagram, 4);
      if (message?.kind !== 'query' || options.answers !== true) return;
      const body = (options.reply?.(message.query) ?? {}) as { [key: string]: Uint8Array };
      this.send(writeReply(message.transaction, this.id, body, encodeAddress(from.host, from.port, 4)), from);
    };
  }

  send(datagram: Uint8Array, to: PeerAddress = VICTIM): void {
    this.#socket.send(datagram, to);
  }

  ask(query: Query, id: NodeId = this.id): Uint8Array {
    const datagram = writeQuery(Buffer.from(String(this.#transaction++).padStart(4)), id, query, false);
    this.send(datagram);
    return datagram;
  }

  /** Replies and errors, not the victim's own queries. */
  answers(): Message[] {
    return this.heard
      .map((datagram) => readMessage(datagram, 4))
      .filter((message) => message !== undefined && message.kind !== 'query') as Message[];
  }
}

let internet: VirtualInternet;
let node: DhtNode;
const stranger = (n = 1, options = {}): Stranger =>
  new Stranger(internet, { host: `9.${n >> 8}.${n & 255}.1`, port: 5_000 }, options);
const settle = (ms = 2_000): void => void internet.run(() => false, ms);

beforeEach(() => {
  const rng = seededRng(1);
  internet = new VirtualInternet(rng, 20);
  node = new DhtNode({
    sockets: [internet.socketAt(VICTIM)],
    clock: internet.clock,
    rng,
    randomBytes,
  });
});

/** So many honest nodes in the victim's table. */
function befriend(count: number): Stranger[] {
  const friends = Array.from({ length: count }, (_, n) => stranger(500 + n, { answers: true }));
  for (const friend of friends) {
    node.addNode(friend.address);
    settle(200);
  }
  return friends;
}

function assertAlive(): void {
  const probe = new Stranger(internet, { host: '7.7.7.7', port: 1 });
  probe.ask({ method: 'ping' });
  settle();
  assert.equal(probe.answers().filter(({ kind }) => kind === 'reply').length, 1);
}

describe('datagrams that are no messages', () => {
  test('what killed others is dropped', () => {
    const bad = stranger();
    const id = 'abcdefghij0123456789';
    for (const text of [
      'd-3:',
      'l-3:',
      'd',
      'd1:',
      'de',
      `d${'l'.repeat(1_500)}`,
      `d1:ad2:id20:${id}6:targeti1ee1:q9:find_node1:t2:aa1:y1:qe`,
      `d1:ad2:id20:${id}9:info_hashi1ee1:q9:get_peers1:t2:aa1:y1:qe`,
      `d1:ad2:id20:${id}e1:qd1:a1:be1:t2:aa1:y1:qe`,
      `d1:ad2:id20:${id}e1:q4:ping1:t2:aa1:yd1:a1:bee`,
      `d9:__proto__d1:ai1ee1:t2:aa1:y1:qe`,
    ])
      bad.send(Buffer.from(text, 'latin1'));
    settle();
    for (const answer of bad.answers()) assert.equal(answer.kind, 'error');
    assertAlive();
  });

  test('twenty thousand mutated queries and replies', () => {
    const base = writeQuery(
      Buffer.from('abcd'),
      HASH,
      { method: 'get_peers', target: HASH, want: [4, 6] },
      false,
    );
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(base);
      for (let change = 0; change < 3; change++)
        bytes[1 + Math.floor(Math.random() * (bytes.length - 1))] = Math.floor(Math.random() * 256);
      new Stranger(internet, { host: `9.${(round >> 8) & 255}.${round & 255}.9`, port: 9 }).send(bytes);
      if (round % 1_000 === 0) settle(1_100);
    }
    settle();
    assertAlive();
  });

  test('what does not start like a dictionary goes to whoever shares the port', () => {
    const others: string[] = [];
    const shared = { host: '8.8.4.4', port: 1 };
    const second = new DhtNode({
      sockets: [internet.socketAt(shared)],
      clock: internet.clock,
      rng: Math.random,
      randomBytes,
      onOtherDatagram: (datagram) => others.push(Buffer.from(datagram).toString()),
    });
    internet.socketAt({ host: '9.9.9.9', port: 1 }).send(Buffer.from('\x41uTP'), shared);
    settle();
    assert.deepEqual(others, ['\x41uTP']);
    second.close();
  });
});

describe('reflection', () => {
  const queries: Query[] = [
    { method: 'ping' },
    { method: 'find_node', target: HASH },
    { method: 'find_node', target: HASH, want: [4, 6] },
    { method: 'get_peers', target: HASH },
    { method: 'get_peers', target: HASH, scrape: true },
    { method: 'get', target: HASH },
    { method: 'sample_infohashes', target: HASH },
  ];

  /** Peers of HASH and many info-hashes, and a large item under its own hash. */
  function fill(): NodeId {
    for (let n = 0; n < 60; n++) {
      const peer = stranger(n, { answers: true });
      peer.ask({ method: 'get_peers', target: HASH });
      settle(100);
      const [reply] = peer.answers();
      const token = reply?.kind === 'reply' ? reply.reply.token : undefined;
      assert.ok(token);
      peer.ask({
        method: 'announce_peer',
        target: HASH,
        token,
        port: 7_000,
        impliedPort: false,
        seed: n % 2 === 0,
      });
      settle(100);
    }
    const value = Buffer.from(`900:${'x'.repeat(900)}`);
    return value;
  }

  test('nobody gets more than three times what was asked, before the address has answered us', () => {
    befriend(40);
    fill();
    for (const query of queries) {
      const forged = stranger(900 + queries.indexOf(query));
      const asked = forged.ask(query).length;
      settle(20_000);
      const got = forged.heard.reduce((sum, datagram) => sum + datagram.length, 0);
      // Our pings come on top, one or two, each smaller than the query.
      assert.ok(got <= 3 * asked + 3 * 100, `${query.method}: ${got} bytes for ${asked}`);
      for (const datagram of forged.heard) assert.ok(datagram.length <= 3 * asked, `${query.method}`);
    }
  });

  test('who has answered us gets all of it, in one packet', () => {
    befriend(40);
    fill();
    const proven = stranger(950, { answers: true });
    node.addNode(proven.address);
    settle();
    proven.heard.length = 0;
    proven.ask({ method: 'get_peers', target: HASH, scrape: true });
    settle();
    const [reply] = proven.answers();
    assert.ok(reply?.kind === 'reply');
    assert.ok(reply.reply.seedFilter !== undefined && reply.reply.peerFilter !== undefined);
    assert.ok(reply.reply.values.length >= 30 && reply.reply.nodes.length === 8);
    for (const datagram of proven.heard) assert.ok(datagram.length <= 1_400);
  });

  test('a flood of queries from one network is answered at its rate', () => {
    const flood = stranger(1);
    for (let n = 0; n < 5_000; n++) flood.ask({ method: 'find_node', target: randomBytes(20) });
    settle();
    assert.ok(flood.answers().length <= 100, `${flood.answers().length} answers`);
    assertAlive();
  });
});

describe('the routing table', () => {
  test('three hundred replies that nobody asked for change nothing', () => {
    const bad = stranger();
    for (let n = 0; n < 300; n++) bad.send(writeReply(randomBytes(4), randomBytes(20), {}, randomBytes(6)));
    settle();
    assert.equal(node.snapshot().nodes4, 0);
    assert.equal(node.snapshot().datagramsDropped, 300);
  });

  test('a reply from another port or host than the one asked is not believed', () => {
    const asked = stranger(1);
    const thief = new Stranger(internet, { ...asked.address, port: 5_001 });
    node.addNode(asked.address);
    settle(200);
    const query = readMessage(asked.heard[0] as Uint8Array, 4);
    assert.ok(query !== undefined);
    thief.send(writeReply(query.transaction, thief.id, {}, randomBytes(6)));
    settle(200);
    assert.equal(node.snapshot().nodes4, 0);
  });

  test('who only asks is pinged, and is in the table when it answers', () => {
    const mute = stranger(1);
    mute.ask({ method: 'find_node', target: HASH });
    const honest = stranger(2, { answers: true });
    honest.ask({ method: 'find_node', target: HASH });
    settle();
    assert.equal(node.snapshot().nodes4, 1);
  });

  test('a read-only node (BEP 43) is served and not kept', () => {
    const shy = stranger(1, { answers: true });
    shy.send(writeQuery(Buffer.from('aaaa'), shy.id, { method: 'ping' }, true));
    settle();
    assert.equal(shy.answers().length, 1);
    assert.equal(node.snapshot().nodes4, 0);
  });

  test('ten thousand ids from one /24 get one place a bucket', () => {
    const port = { host: '9.1.1.1', port: 1 };
    for (let n = 0; n < 10_000; n++) {
      const address = { host: `9.1.1.${n % 250}`, port: 1 + n };
      const sybil = new Stranger(internet, address, { answers: true });
      sybil.ask({ method: 'ping' });
      if (n % 50 === 0) settle(1_000);
    }
    settle();
    assert.ok(node.snapshot().nodes4 <= 20, `${node.snapshot().nodes4} of ${port.host}`);
  });
});

describe('storing', () => {
  test("without a token, with somebody else's, or for another info-hash nothing is stored", () => {
    const honest = stranger(1);
    honest.ask({ method: 'get_peers', target: HASH });
    settle();
    const [reply] = honest.answers();
    const token = reply?.kind === 'reply' ? reply.reply.token : undefined;
    assert.ok(token);
    const announce = { method: 'announce_peer', port: 7_000, impliedPort: false, seed: false } as const;
    stranger(2).ask({ ...announce, target: HASH, token });
    honest.ask({ ...announce, target: randomBytes(20), token });
    honest.ask({ ...announce, target: HASH, token: randomBytes(8) });
    stranger(3).ask({ method: 'put', token, value: Buffer.from('1:x') });
    settle();
    assert.equal(node.snapshot().storedPeers + node.snapshot().storedItems, 0);
    honest.ask({ ...announce, target: HASH, token });
    settle();
    assert.equal(node.snapshot().storedPeers, 1);
  });

  test('nothing at all by a node that is read-only itself', () => {
    node.setReadOnly(true);
    const asker = stranger(1);
    asker.ask({ method: 'ping' });
    settle();
    assert.equal(asker.heard.length, 0);
  });

  test('a neighbour, however, by a node that the Internet cannot reach', () => {
    node.setReadOnly(true);
    const neighbour = new Stranger(internet, { host: '192.168.1.7', port: 6881 });
    neighbour.ask({ method: 'ping' });
    settle();
    assert.equal(neighbour.answers().length, 1);
  });
});

describe('lookups', () => {
  test('begin as soon as any node is known, though the entry points are silent', () => {
    const lonely = new DhtNode({
      sockets: [internet.socketAt({ host: '8.8.4.4', port: 6881 })],
      clock: internet.clock,
      rng: Math.random,
      randomBytes,
      entryPoints: async () => [{ host: '9.9.9.9', port: 1 }],
    });
    lonely.start();
    const friend = stranger(1, { answers: true, reply: () => ({ token: HASH }) });
    let done = false;
    lonely.lookUpPeers({ infoHash: HASH, onPeers: () => {}, onDone: () => (done = true) });
    settle(100);
    lonely.addNode(friend.address);
    settle(20_000);
    assert.equal(done, true);
    lonely.close();
  });

  test('a node of the Internet does not send us to our own network by the other family', () => {
    const [four, six] = [
      internet.socketAt({ host: '8.8.4.4', port: 1 }),
      internet.socketAt({ host: '2a00::4', port: 1 }),
    ];
    const both = new DhtNode({ sockets: [four, six], clock: internet.clock, rng: Math.random, randomBytes });
    const victims = ['::1', 'fd00::1'].map((host) => new Stranger(internet, { host, port: 80 }));
    const nodes6 = encodeNodes(
      ['::1', 'fd00::1'].map((host) => ({ id: randomBytes(20), host, port: 80 })),
      6,
    );
    const liar = stranger(1, { answers: true, reply: () => ({ nodes6, token: HASH }) });
    both.addNode(liar.address);
    both.lookUpPeers({ infoHash: HASH, onPeers: () => {} });
    settle(20_000);
    assert.ok(liar.heard.length > 0);
    assert.equal(
      victims.reduce((sum, { heard }) => sum + heard.length, 0),
      0,
    );
    both.close();
  });

  test('nodes that are named at private, forged or impossible addresses are not asked', () => {
    const lies = ['0.0.0.0', '127.0.0.1', '192.168.1.1', '10.0.0.1', '224.0.0.1', '169.254.169.254'].map(
      (host) => ({
        id: randomBytes(20),
        host,
        port: 80,
      }),
    );
    const victims = lies.map(({ host }) => new Stranger(internet, { host, port: 80 }));
    const liar = stranger(1, { answers: true, reply: () => ({ nodes: encodeNodes(lies, 4), token: HASH }) });
    node.addNode(liar.address);
    settle();
    let done = false;
    node.lookUpPeers({ infoHash: HASH, onPeers: () => {}, onDone: () => (done = true) });
    settle(10_000);
    assert.equal(done, true);
    assert.equal(
      victims.reduce((sum, { heard }) => sum + heard.length, 0),
      0,
    );
  });

  test('peers at addresses of our LAN, told from outside, are not handed on', () => {
    const values = ['192.168.1.1', '127.0.0.1', '0.0.0.0', '11.1.1.1'].map((host) =>
      encodeAddress(host, 1, 4),
    );
    const liar = stranger(1, { answers: true, reply: () => ({ values, token: HASH }) });
    node.addNode(liar.address);
    settle();
    const found: PeerAddress[] = [];
    node.lookUpPeers({
      infoHash: HASH,
      onPeers: (peers, { host, port }) => {
        found.push(...peers);
        assert.deepEqual({ host, port }, liar.address, 'who told it');
      },
    });
    settle(10_000);
    assert.deepEqual(found, [{ host: '11.1.1.1', port: 1 }]);
  });

  test('a node that names ever closer ones which do not exist costs a bounded number of queries', () => {
    let made = 0;
    const reply = () => {
      const nodes = Array.from({ length: 8 }, () => {
        const id = Uint8Array.from(HASH);
        id[19] = made & 255;
        id[18] = made++ >> 8;
        return { id, host: `12.${made >> 8}.${made & 255}.1`, port: 1 };
      });
      return { nodes: encodeNodes(nodes, 4), token: HASH };
    };
    for (let n = 0; n < 5; n++) node.addNode(stranger(n, { answers: true, reply }).address);
    settle();
    const before = node.snapshot().queriesSent;
    let done = false;
    node.lookUpPeers({ infoHash: HASH, onPeers: () => {}, onDone: () => (done = true) });
    settle(30_000);
    assert.equal(done, true);
    assert.ok(node.snapshot().queriesSent - before <= 400);
  });
});
