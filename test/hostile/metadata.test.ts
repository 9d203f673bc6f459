/** Metadata under attack: peers that lie about it, hold it back, flood with it, or take the seats of those who have it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { describe, type TestContext, test } from 'node:test';
import { type Engine, type Metainfo, parseTorrent, type TorrentEvent } from '../../engine/index.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import { METADATA_PIECE_BYTES } from '../../engine/policy/metadata-assembly.js';
import { PeerCandidates } from '../../engine/policy/peer-candidates.js';
import type { CloseReason, PeerConnection } from '../../engine/ports.js';
import { MetadataSwarm } from '../../engine/swarm/metadata-swarm.js';
import type { PeerAddress } from '../../engine/units.js';
import { MESSAGE } from '../../engine/wire/messages.js';
import { FakeConnection } from '../support/fake-swarm.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { frame } from '../wire/harness.js';
import { Ambush, Attacker, handshake } from './attacker.js';
import { Battlefield, peerOf, portOf } from './battlefield.js';

const KIB = 1024;
/** Under which our engine takes metadata, and under which an attacker does. */
const [OUR_ID, THEIR_ID] = [1, 3];
const PIECE = METADATA_PIECE_BYTES;

const text = (bencoded: string): Buffer => Buffer.from(bencoded, 'latin1');
const extended = (id: number, payload: Uint8Array): Buffer =>
  frame(MESSAGE.extended, [], Buffer.concat([Buffer.from([id]), payload]));
const offer = (size: number | string, id = THEIR_ID): Buffer =>
  extended(
    0,
    text(`d1:md11:ut_metadatai${id}ee13:metadata_size${typeof size === 'number' ? `i${size}e` : size}e`),
  );
const data = (piece: number, total: number, bytes: Uint8Array): Buffer =>
  extended(OUR_ID, Buffer.concat([text(`d8:msg_typei1e5:piecei${piece}e10:total_sizei${total}ee`), bytes]));
const ask = (piece: number): Buffer => extended(OUR_ID, text(`d8:msg_typei0e5:piecei${piece}ee`));
const reject = (piece: number): Buffer => extended(OUR_ID, text(`d8:msg_typei2e5:piecei${piece}ee`));

/** Calls `answer` with each piece of metadata that the victim asks for. */
function whenAsked(attacker: Attacker, answer: (piece: number) => void): void {
  attacker.onFrame = (id, body) => {
    const [, piece] = /msg_typei0e5:piecei(\d+)e/.exec(body.toString('latin1')) ?? [];
    if (id === MESSAGE.extended && body[0] === THEIR_ID && piece !== undefined) answer(Number(piece));
  };
}

/** Of a torrent whose metadata has two pieces. */
const makeField = (t: TestContext): Promise<Battlefield> =>
  Battlefield.make(t, { bytes: 16 * KIB * KIB, pieceLength: 16 * KIB });

interface Fought {
  readonly field: Battlefield;
  readonly engine: Engine;
  readonly metainfo: Metainfo;
  readonly events: TorrentEvent[];
  readonly attackers: readonly Attacker[];
}

/** One that has the link only meets `count` attackers first, then an honest seed: the metadata must come. */
async function fight(
  t: TestContext,
  attack: (attacker: Attacker, size: number) => void,
  count = 1,
): Promise<Fought> {
  const field = await makeField(t);
  const { infoHash, rawInfo } = field.metainfo;
  assert.equal(Math.ceil(rawInfo.length / PIECE), 2);
  const seed = await field.seed();
  const engine = await field.engine();
  const ambushes = Array.from({ length: count }, () => {
    const ambush = new Ambush((attacker) => {
      attacker.send(handshake(infoHash));
      attack(attacker, rawInfo.length);
    });
    field.scope.after(() => ambush.close());
    return ambush;
  });
  const fetch = engine.fetchMetadata(`magnet:?xt=urn:btih:${infoHash}`, {
    peers: await Promise.all(ambushes.map((ambush) => ambush.listen())),
  });
  const events: TorrentEvent[] = [];
  let met = 0;
  await new Promise<void>((resolve) => {
    fetch.onEvent((event) => {
      events.push(event);
      if (event.type === 'peer-connected' && ++met === count) resolve();
    });
  });
  seed.torrents[0]?.addPeers([peerOf(engine)]);
  const metainfo = await fetch.metainfo;
  assert.ok(Buffer.from(rawInfo).equals(metainfo.rawInfo));
  return { field, engine, metainfo, events, attackers: ambushes.flatMap(({ attackers }) => attackers) };
}

const banned = (events: readonly TorrentEvent[]): number =>
  events.filter(({ type }) => type === 'peer-banned').length;
const closedFor = (events: readonly TorrentEvent[]): string =>
  events.flatMap((event) => (event.type === 'peer-disconnected' ? event.reason.text : [])).join();

describe('a link becomes its torrent beside', { concurrency: 6, timeout: 60_000 }, () => {
  const SIZES = [0, -1, 1, 2 ** 31, 16 * KIB * KIB + 1, 16 * KIB * KIB, '3:abc', 'i99999999999999999999e'];
  for (const size of SIZES)
    test(`a peer whose metadata_size is ${size}`, (t) =>
      fight(t, (attacker) => attacker.send(offer(size))).then(() => {}));

  test('a peer whose metadata_size is another with each handshake, a few hundred times', (t) =>
    fight(t, (attacker) => {
      attacker.send(...Array.from({ length: 400 }, (_, i) => offer(20_000 + i)));
    }).then(() => {}));

  for (const count of [1, 5])
    test(`${count} that send wrong metadata of the right size, who are banned`, async (t) => {
      const { events, field, engine, metainfo } = await fight(
        t,
        (attacker, size) => {
          attacker.send(offer(size));
          whenAsked(attacker, (piece) => {
            attacker.send(data(piece, size, Buffer.alloc(Math.min(PIECE, size - piece * PIECE))));
          });
        },
        count,
      );
      assert.ok(banned(events) >= 1);
      const out = field.out(engine);
      await mkdir(out, { recursive: true });
      await engine.add(metainfo, { out }).completed;
      await field.assertDownloaded(engine);
    });

  test('some that never answer', (t) =>
    fight(t, (attacker, size) => attacker.send(offer(size)), 5).then(() => {}));

  test('some that reject everything', (t) =>
    fight(
      t,
      (attacker, size) => {
        attacker.send(offer(size));
        whenAsked(attacker, (piece) => attacker.send(reject(piece)));
      },
      5,
    ).then(() => {}));

  test('one that sends what nobody asked for', (t) =>
    fight(t, (attacker, size) => {
      attacker.send(data(0, size, Buffer.alloc(PIECE)), offer(size), data(0, size, Buffer.alloc(PIECE)));
    }).then(() => {}));

  for (const [title, answer] of [
    ['a piece beyond the end', (size: number) => data(2, size, Buffer.alloc(PIECE))],
    ['another total size', (size: number) => data(0, size + 1, Buffer.alloc(PIECE))],
    ['a short piece', (size: number) => data(0, size, Buffer.alloc(100))],
    ['a long piece', (size: number) => data(0, size, Buffer.alloc(PIECE + 1))],
    ['a piece of no bytes', (size: number) => data(0, size, Buffer.alloc(0))],
  ] as const)
    test(`one that answers with ${title}, which is banned`, async (t) => {
      const { events } = await fight(t, (attacker, size) => {
        attacker.send(offer(size));
        whenAsked(attacker, () => attacker.send(answer(size)));
      });
      assert.equal(banned(events), 1);
    });

  const haves = Buffer.concat(Array.from({ length: 5_000 }, (_, i) => frame(MESSAGE.have, [i])));
  const bitfields = Buffer.concat(
    Array.from({ length: 8 }, () => frame(MESSAGE.bitfield, [], Buffer.alloc(100_000))),
  );
  for (const [title, flood, fault] of [
    ['haves before the metadata is known', haves, /too much about pieces/],
    ['bitfields before the metadata is known', bitfields, /too much about pieces/],
    [
      'a bitfield of a torrent too large',
      frame(MESSAGE.bitfield, [], Buffer.alloc(2 ** 18 + 1)),
      /a message of/,
    ],
    ['a metadata message of a megabyte', data(0, 2 ** 20, Buffer.alloc(2 ** 20)), /a message of/],
    ['a length of 4 GiB', Buffer.from('ffffffff14', 'hex'), /a message of/],
    ['metadata that is not bencode', extended(OUR_ID, text('d8:msg_typei1e5:piece')), /not usable/],
    ['metadata nested deep', extended(OUR_ID, text('l'.repeat(10_000))), /not usable/],
    ['metadata of a negative piece', extended(OUR_ID, text('d8:msg_typei1e5:piecei-1ee')), /not usable/],
    [
      'a hundred thousand rejects',
      Buffer.concat(Array.from({ length: 100_000 }, () => reject(0))),
      /a flood/,
    ],
  ] as const)
    test(`${title}, which ends the connection`, async (t) => {
      const { attackers, events } = await fight(t, (attacker, size) => attacker.send(offer(size), flood));
      await attackers[0]?.gone;
      assert.match(closedFor(events), fault);
    });

  test('one that takes metadata messages under id 0, and one that says so later', (t) =>
    fight(
      t,
      (attacker, size) => {
        attacker.send(offer(size, 0));
        attacker.send(offer(size), offer(size, 0));
      },
      2,
    ).then(() => {}));

  test('an unknown kind of message, and one before the extended handshake', (t) =>
    fight(t, (attacker, size) => {
      attacker.send(ask(0), reject(0), extended(OUR_ID, text('d8:msg_typei9e5:piecei0ee')), offer(size));
    }).then(() => {}));
});

describe('who serves metadata', { timeout: 60_000 }, () => {
  test('sends it a few times over one connection, however often it is asked for', async (t) => {
    const field = await makeField(t);
    const seed = await field.seed();
    const size = field.metainfo.rawInfo.length;
    const attacker = await Attacker.to(portOf(seed), field.metainfo.infoHash);
    field.scope.after(() => attacker.end());
    let sentBytes = 0;
    let rejects = 0;
    const settled = new Promise<void>((resolve) => {
      attacker.onFrame = (id, body) => {
        if (id !== MESSAGE.extended || body[0] !== THEIR_ID) return;
        sentBytes += body.length;
        if (body.includes('msg_typei2e')) rejects++;
        if (rejects === 900) resolve();
      };
    });
    attacker.send(offer(size), ...Array.from({ length: 1_000 }, (_, i) => ask(i % 2)));
    await Promise.race([settled, attacker.gone]);
    assert.equal(attacker.isGone, false);
    assert.ok(sentBytes >= size && sentBytes < 4 * size + 1_000 * 100, `${sentBytes} bytes`);
    // Pieces that there are not are refused.
    const refused = attacker.received(MESSAGE.extended, attacker.count(MESSAGE.extended) + 1);
    attacker.send(ask(2), ask(2 ** 20));
    await refused;
    assert.equal(attacker.isGone, false);
  });

  test('keeps little for one that asks and does not read', async (t) => {
    const field = await Battlefield.make(t, { bytes: 64 * KIB * KIB, pieceLength: 16 * KIB });
    const seed = await field.seed();
    const size = field.metainfo.rawInfo.length;
    const attacker = await Attacker.to(portOf(seed), field.metainfo.infoHash);
    field.scope.after(() => attacker.end());
    await attacker.shaken;
    attacker.socket.pause();
    attacker.send(offer(size));
    let over = false;
    const flood = attacker.flood(
      Buffer.concat(Array.from({ length: 500 }, (_, i) => ask(i % 5))),
      () => over,
    );
    const honest = await field.engine();
    const fetch = honest.fetchMetadata(`magnet:?xt=urn:btih:${field.metainfo.infoHash}`, {
      peers: [peerOf(seed)],
    });
    await fetch.metainfo;
    over = true;
    attacker.end();
    await flood;
  });

  test('has it and nothing else yet: it refuses who asks, and tells of it once', async (t) => {
    const field = await makeField(t);
    const { infoHash, rawInfo } = field.metainfo;
    const engine = await field.engine();
    const honest = new Ambush((attacker) => {
      attacker.send(handshake(infoHash), offer(rawInfo.length));
      whenAsked(attacker, (piece) => {
        const bytes = rawInfo.subarray(piece * PIECE, (piece + 1) * PIECE);
        // It asks us as well, also after we have it all.
        attacker.send(data(piece, rawInfo.length, bytes), ask(0), ask(1), data(piece, rawInfo.length, bytes));
      });
    });
    field.scope.after(() => honest.close());
    const fetch = engine.fetchMetadata(`magnet:?xt=urn:btih:${infoHash}`, { peers: [await honest.listen()] });
    let told = 0;
    fetch.onEvent(({ type }) => {
      if (type === 'metadata') told++;
    });
    await fetch.metainfo;
    const [attacker] = honest.attackers;
    // Answers to what is asked after the end: the engine goes on living with this peer.
    const count = attacker?.count(MESSAGE.extended) ?? 0;
    attacker?.send(ask(0), ask(1));
    await attacker?.received(MESSAGE.extended, count + 2);
    assert.equal(told, 1);
  });
});

/** A search on fake connections and a clock of its own. */
class Search {
  readonly clock = new VirtualClock();
  readonly dials: { address: PeerAddress; done: (result: PeerConnection | CloseReason) => void }[] = [];
  readonly swarm: MetadataSwarm;
  told = 0;

  constructor(metadata: Uint8Array) {
    this.swarm = new MetadataSwarm({
      dialer: {
        dial: (address, _identity, done) => {
          this.dials.push({ address, done });
          return () => {};
        },
      },
      identity: {
        infoHash: '00'.repeat(20),
        peerId: new Uint8Array(20),
        geometry: undefined,
        extendedHandshake: { client: 'test', listenPort: 0, requestQueue: 500, extensions: ['ut_metadata'] },
      },
      candidates: new PeerCandidates(() => 0.5),
      clock: this.clock,
      isGood: (bytes) => Buffer.from(bytes).equals(metadata),
      onDhtNode: () => {},
      onPeerConnected: () => {},
      onPeerClosed: () => {},
      onPeerBanned: () => {},
      onMetadata: () => {
        this.told++;
      },
      wantPeers: () => {},
    });
  }

  arrive(host: string, port = 6881): FakeConnection {
    const connection = new FakeConnection({ host, port });
    this.swarm.onIncoming(connection);
    return connection;
  }
}

const says = (connection: FakeConnection, metadataSize: number): void =>
  connection.handler.onExtendedHandshake({ extensions: new Set(['ut_metadata']), metadataSize });

describe('the seats of a search', () => {
  const metadata = Buffer.alloc(100, 'metadata');

  for (const [title, manner] of [
    ['say nothing', () => {}],
    ['offer metadata and give none', (peer: FakeConnection) => says(peer, 100)],
    ['offer more metadata than there can be', (peer: FakeConnection) => says(peer, 2 ** 30)],
  ] as const)
    test(`an honest peer gets one although thirty have them who ${title} and come again and again`, () => {
      const search = new Search(metadata);
      const crowd = () => {
        for (let i = 0; i < 40; i++) manner(search.arrive(`198.51.${i}.1`));
      };
      // Dialled ones fill the rest.
      search.swarm.onPeersFound(
        Array.from({ length: 30 }, (_, i) => ({ host: `203.0.${i}.1`, port: 1 })),
        'tracker',
      );
      crowd();
      for (const { address, done } of search.dials.splice(0)) {
        const peer = new FakeConnection(address, true, false);
        done(peer);
        manner(peer);
      }
      assert.equal(search.swarm.connections.length, 30);
      search.swarm.onPeersFound([{ host: '192.0.2.1', port: 6881 }], 'dht');
      for (let second = 0; second < 60 && search.told === 0; second++) {
        search.clock.advance(1_000);
        crowd();
        for (const { address, done } of search.dials.splice(0)) {
          const peer = new FakeConnection(address, true, false);
          done(peer);
          if (address.host !== '192.0.2.1') manner(peer);
          else if (peer.closed === undefined) {
            says(peer, metadata.length);
            peer.handler.onMetadata({ kind: 'data', piece: 0, totalBytes: 100, bytes: metadata });
          }
        }
      }
      assert.equal(search.told, 1);
      assert.ok(search.swarm.connections.length <= 30);
    });

  test('are sought with few attempts at once at a network that one DHT node or neighbour names', () => {
    for (const source of ['dht', 'lsd'] as const) {
      const search = new Search(metadata);
      const victims = Array.from({ length: 100 }, (_, i) => ({ host: `99.9.9.${i}`, port: 80 }));
      search.swarm.onPeersFound(victims, source, { host: '66.6.6.6', port: 6881 });
      assert.equal(search.dials.length, 8, source);
    }
  });

  test('are kept when the metadata is there, which is told once whatever comes after it', () => {
    const search = new Search(metadata);
    const peer = search.arrive('192.0.2.1');
    says(peer, metadata.length);
    const answer = { kind: 'data', piece: 0, totalBytes: 100, bytes: metadata } as const;
    for (const message of [
      answer,
      answer,
      { kind: 'request', piece: 0 },
      { kind: 'reject', piece: 0 },
    ] as const)
      peer.handler.onMetadata(message);
    search.clock.advance(60_000);
    assert.equal(search.told, 1);
    assert.equal(peer.closed, undefined);
    assert.deepEqual(
      search.swarm.release().map(({ connection }) => connection),
      [peer],
    );
  });

  test('are given up by thirty silent peers that we dialled, when there is somebody else to dial', () => {
    const search = new Search(metadata);
    const crowd = Array.from({ length: 30 }, (_, i) => ({ host: `203.0.${i}.1`, port: 1 }));
    search.swarm.onPeersFound(crowd, 'tracker');
    for (const { address, done } of search.dials.splice(0)) done(new FakeConnection(address, true, false));
    const honest = { host: '192.0.2.1', port: 6881 };
    search.swarm.onPeersFound([honest], 'dht');
    search.clock.advance(5_000);
    assert.equal(search.dials.length, 0, 'they may yet be of use');
    search.clock.advance(7_000);
    assert.deepEqual(search.dials[0]?.address, honest);
    const peer = new FakeConnection(honest, true, false);
    search.dials[0]?.done(peer);
    assert.equal(peer.closed, undefined);
    assert.equal(search.swarm.connections.length, 30);
  });

  test('are given up in turn by thirty peers that give a little now and then', () => {
    const search = new Search(metadata);
    const crowd = Array.from({ length: 30 }, (_, i) => ({ host: `203.0.${i}.1`, port: 1 }));
    search.swarm.onPeersFound(crowd, 'tracker');
    const size = 1_000 * PIECE;
    const tricklers = search.dials.splice(0).map(({ address, done }) => {
      const peer = new FakeConnection(address, true, false);
      done(peer);
      says(peer, size);
      return { peer, isAnswered: new Set<string>() };
    });
    const honest = { host: '192.0.2.1', port: 6881 };
    search.swarm.onPeersFound([honest], 'dht');
    for (let second = 0; second < 120 && search.dials.length === 0; second += 8) {
      search.clock.advance(8_000);
      for (const { peer, isAnswered } of tricklers) {
        const asked = peer.sent.find((word) => word.startsWith('metadata request') && !isAnswered.has(word));
        if (asked === undefined || peer.closed !== undefined) continue;
        isAnswered.add(asked);
        const piece = Number(asked.split(' ')[2]);
        peer.handler.onMetadata({ kind: 'data', piece, totalBytes: size, bytes: Buffer.alloc(PIECE, piece) });
      }
    }
    const dial = search.dials.find(({ address }) => address.host === honest.host);
    const peer = new FakeConnection(honest, true, false);
    dial?.done(peer);
    assert.equal(peer.closed, undefined);
    assert.ok(search.swarm.connections.some(({ connection }) => connection === peer));
  });

  test('are not all one network’s', () => {
    const search = new Search(metadata);
    const crowd = Array.from({ length: 100 }, (_, i) => search.arrive(`198.51.100.${i}`, 2_000 + i));
    assert.equal(crowd.filter(({ closed }) => closed === undefined).length, 8);
    assert.equal(search.arrive('203.0.113.1').closed, undefined);
  });
});

test('a link to a private torrent meets everybody anew, by its trackers only', async (t) => {
  const field = await makeField(t);
  const { bytes } = await createTorrent(`${field.base}/source/film.mkv`, {
    pieceLength: 16 * KIB,
    private: true,
  });
  const { infoHash, rawInfo } = parseTorrent(bytes);
  // Some clients tell everybody.
  const ambush = new Ambush((attacker) => {
    attacker.send(handshake(infoHash), offer(rawInfo.length));
    whenAsked(attacker, (piece) => {
      attacker.send(data(piece, rawInfo.length, rawInfo.subarray(piece * PIECE, (piece + 1) * PIECE)));
    });
  });
  field.scope.after(() => ambush.close());
  const engine = await field.engine();
  const fetch = engine.fetchMetadata(`magnet:?xt=urn:btih:${infoHash}`, { peers: [await ambush.listen()] });
  const got = await fetch.metainfo;
  assert.equal(got.private, true);
  const torrent = engine.add(got, { out: field.base });
  await ambush.attackers[0]?.gone;
  assert.deepEqual(
    torrent.snapshot().peers.map(({ source }) => source),
    [],
  );
});

test('bytes of the right hash that are more than a dictionary are refused', async (t) => {
  const field = await makeField(t);
  const evil = Buffer.concat([field.metainfo.rawInfo, text('5:nodesle')]);
  const infoHash = createHash('sha1').update(evil).digest('hex');
  const ambush = new Ambush((attacker) => {
    attacker.send(handshake(infoHash), offer(evil.length));
    whenAsked(attacker, (piece) => {
      attacker.send(data(piece, evil.length, evil.subarray(piece * PIECE, (piece + 1) * PIECE)));
    });
  });
  field.scope.after(() => ambush.close());
  const engine = await field.engine();
  const fetch = engine.fetchMetadata(`magnet:?xt=urn:btih:${infoHash}`, { peers: [await ambush.listen()] });
  await assert.rejects(fetch.metainfo, { code: 'TORRENT_INVALID' });
  assert.deepEqual(engine.snapshot().torrents, []);
});
