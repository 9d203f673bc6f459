import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_QUEUED_REQUESTS } from '../../engine/swarm/upload-queue.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { FakeSwarm } from '../support/fake-swarm.js';

const FRAME = 13 + BLOCK_BYTES;

/** A leecher that we have unchoked. */
function unchoked(fake: FakeSwarm) {
  const peer = fake.connect([]);
  peer.handler.onInterested();
  fake.clock.advance(1_000);
  assert.ok(peer.sent.includes('unchoke'));
  return peer;
}

type FakePeer = ReturnType<typeof unchoked>;

/** A leecher that has just taken so many blocks of piece 0. */
function quick(fake: FakeSwarm, blocks: number): FakePeer {
  fake.store.cached.add(asPiece(0));
  const peer = unchoked(fake);
  for (let block = 0; block < blocks; block++) peer.ask(asPiece(0), 0, BLOCK_BYTES);
  flushAll(peer);
  return peer;
}

function flushAll(peer: FakePeer): void {
  while (peer.bufferedBytes > 0) peer.flush();
}

test('answers contiguous requests in one send once the piece is in memory', () => {
  const fake = new FakeSwarm({ pieces: 2, blocksPerPiece: 4, have: [0, 1] });
  const peer = quick(fake, 32);
  for (let block = 0; block < 4; block++) peer.ask(asPiece(1), block * BLOCK_BYTES, BLOCK_BYTES);
  assert.deepEqual(fake.store.asked, [1]);
  fake.store.load(asPiece(1));
  assert.equal(peer.sent.at(-1), `frames ${4 * FRAME}`);
});

test('lets no more wait for the kernel than the peer takes in a quarter of a second, a block at least', () => {
  const fake = new FakeSwarm({ pieces: 1, blocksPerPiece: 256, have: [0] });
  const askForAll = (peer: FakePeer): number => {
    for (let block = 0; block < 256; block++) {
      peer.handler.onRequest(asPiece(0), block * BLOCK_BYTES, BLOCK_BYTES);
    }
    peer.handler.onReadEnd();
    return peer.bufferedBytes / FRAME;
  };
  fake.store.cached.add(asPiece(0));
  assert.equal(askForAll(unchoked(fake)), 1);
  const inQuarter = 64 / 4;
  const waiting = askForAll(quick(fake, 64));
  assert.ok(waiting >= inQuarter && waiting <= 2 * inQuarter, `${waiting}`);
});

test('counts as uploaded what the kernel took, not what was queued or lost with the connection', () => {
  const fake = new FakeSwarm({ pieces: 2, have: [0, 1] });
  for (const piece of [0, 1]) fake.store.cached.add(asPiece(piece));
  const peer = unchoked(fake);
  const seated = [...fake.swarm.state.peers.values()][0]!;
  peer.ask(asPiece(0), 0, BLOCK_BYTES);
  peer.ask(asPiece(1), 0, BLOCK_BYTES);
  assert.equal(fake.swarm.totals.uploadedBytes, 0);
  peer.flush(1);
  assert.equal(fake.swarm.totals.uploadedBytes, BLOCK_BYTES);
  assert.equal(seated.uploadedBytes, BLOCK_BYTES);
  peer.disconnect();
  peer.flush();
  assert.equal(fake.swarm.totals.uploadedBytes, BLOCK_BYTES);
  assert.equal(fake.store.held, 0, 'frames are given back all the same');
});

test('rejects requests while choking, for pieces it lacks, and for more than a block', () => {
  const fake = new FakeSwarm({ pieces: 2, have: [0] });
  const peer = fake.connect([]);
  peer.ask(asPiece(0), 0, BLOCK_BYTES);
  assert.equal(peer.sent.at(-1), 'reject 0:0');
  peer.handler.onInterested();
  fake.clock.advance(1_000);
  peer.ask(asPiece(1), 0, BLOCK_BYTES);
  assert.equal(peer.sent.at(-1), 'reject 1:0');
  peer.ask(asPiece(0), 0, 2 * BLOCK_BYTES);
  assert.equal(peer.sent.at(-1), 'reject 0:0');
});

test('a cancelled request is not sent', () => {
  const fake = new FakeSwarm({ pieces: 1, have: [0] });
  const peer = unchoked(fake);
  peer.ask(asPiece(0), 0, BLOCK_BYTES);
  peer.ask(asPiece(0), BLOCK_BYTES, BLOCK_BYTES);
  peer.handler.onCancel(asPiece(0), BLOCK_BYTES, BLOCK_BYTES);
  fake.store.load(asPiece(0));
  assert.equal(peer.sent.at(-1), `frames ${FRAME}`);
  assert.ok(peer.sent.includes('reject 0:1'));
});

test('queues a bounded number of requests and rejects the rest', () => {
  const fake = new FakeSwarm({ pieces: 1, have: [0] });
  const peer = unchoked(fake);
  for (let i = 0; i < 10_000; i++) peer.ask(asPiece(0), 0, BLOCK_BYTES);
  assert.equal(peer.sent.filter((word) => word === 'reject 0:0').length, 10_000 - MAX_QUEUED_REQUESTS);
});

test('hands a peer that does not read no more than a little ahead', () => {
  const fake = new FakeSwarm({ pieces: 64, blocksPerPiece: 4, have: [...Array(64).keys()] });
  for (let piece = 0; piece < 64; piece++) fake.store.cached.add(asPiece(piece));
  const peer = unchoked(fake);
  for (let piece = 0; piece < 64; piece++) {
    for (let block = 0; block < 4; block++) {
      peer.ask(asPiece(piece), block * BLOCK_BYTES, BLOCK_BYTES);
    }
  }
  assert.ok(peer.bufferedBytes <= 1024 * 1024);
  flushAll(peer);
  assert.equal(fake.swarm.totals.uploadedBytes, 64 * 4 * BLOCK_BYTES);
});

test('sends no faster than the limit allows', () => {
  const rate = 4 * BLOCK_BYTES;
  const fake = new FakeSwarm({ pieces: 64, have: [...Array(64).keys()], uploadRate: rate });
  for (let piece = 0; piece < 64; piece++) fake.store.cached.add(asPiece(piece));
  const peer = unchoked(fake);
  for (let piece = 0; piece < 64; piece++) peer.ask(asPiece(piece), 0, BLOCK_BYTES);
  for (let ms = 0; ms < 10_000; ms += 50) {
    fake.clock.advance(50);
    flushAll(peer);
  }
  const bytes = fake.swarm.totals.uploadedBytes;
  assert.ok(bytes <= 11 * rate + BLOCK_BYTES && bytes >= 9 * rate, `${bytes}`);
});

test('forgets the queue of a peer that it chokes or that leaves', () => {
  const fake = new FakeSwarm({ pieces: 1, have: [0] });
  const peer = unchoked(fake);
  peer.ask(asPiece(0), 0, BLOCK_BYTES);
  peer.disconnect();
  fake.store.load(asPiece(0));
  assert.ok(!peer.sent.some((word) => word.startsWith('frames')));
});

test('shares an upload limit among peers that all ask', () => {
  const rate = 8 * BLOCK_BYTES;
  const pieces = [...Array(64).keys()];
  const fake = new FakeSwarm({ pieces: 64, blocksPerPiece: 4, have: pieces, uploadRate: rate });
  for (const piece of pieces) fake.store.cached.add(asPiece(piece));
  const peers = [unchoked(fake), unchoked(fake), unchoked(fake)];
  for (const peer of peers) {
    for (const piece of pieces) {
      for (let block = 0; block < 4; block++) peer.ask(asPiece(piece), block * BLOCK_BYTES, BLOCK_BYTES);
    }
  }
  for (let ms = 0; ms < 30_000; ms += 50) {
    fake.clock.advance(50);
    for (const peer of peers) flushAll(peer);
  }
  const given = [...fake.swarm.state.peers.values()].map((peer) => peer.uploadedBytes);
  const fair = given.reduce((sum, bytes) => sum + bytes, 0) / given.length;
  for (const bytes of given) assert.ok(Math.abs(bytes - fair) < 0.3 * fair, `${given}`);
});

test('requests that arrive together go out as one run', () => {
  const fake = new FakeSwarm({ pieces: 2, blocksPerPiece: 4, have: [0, 1] });
  fake.store.cached.add(asPiece(1));
  const peer = quick(fake, 32);
  const before = peer.sent.length;
  for (let block = 0; block < 4; block++)
    peer.handler.onRequest(asPiece(1), block * BLOCK_BYTES, BLOCK_BYTES);
  assert.equal(peer.sent.length, before);
  peer.handler.onReadEnd();
  assert.deepEqual(peer.sent.slice(before), [`frames ${4 * FRAME}`]);
});
