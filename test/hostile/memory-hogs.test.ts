/** Peers that take the memory for pieces under way and give little or nothing for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asMillis, asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { type FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const PIECES = 32;
const BLOCKS = 16;

/** Lets an honest peer answer all it is asked, until it is asked no more. */
function serve(fake: FakeSwarm, honest: FakeConnection): void {
  while (honest.requests.length > 0) {
    honest.answer();
    fake.store.settle();
  }
}

/** Eight hogs that each claim a piece that nobody else has, and one honest peer with all others. */
function besieged() {
  const fake = new FakeSwarm({ pieces: PIECES, blocksPerPiece: BLOCKS, slots: 4 });
  const hogs = Array.from({ length: 8 }, (_, i) => fake.connect([24 + i]));
  for (const hog of hogs) hog.handler.onUnchoke();
  const real = Array.from({ length: 24 }, (_, i) => i);
  const honest = fake.connect(real);
  honest.handler.onUnchoke();
  const has = () => real.filter((piece) => fake.store.verified.has(asPiece(piece))).length;
  return { fake, hogs, real, honest, has };
}

test('peers that are asked for every block in memory, and send none, do not stop an honest one', () => {
  const fake = new FakeSwarm({ pieces: PIECES, blocksPerPiece: BLOCKS, slots: 4 });
  for (let i = 0; i < 12; i++) fake.connect().handler.onUnchoke();
  const honest = fake.connect();
  honest.handler.onUnchoke();
  for (let second = 0; second < 60 && !fake.events.includes('complete'); second++) {
    serve(fake, honest);
    fake.clock.advance(1_000);
  }
  assert.ok(fake.events.includes('complete'), `${fake.store.verified.size} of ${PIECES} pieces`);
});

test('the same while each sends a block now and then, so that none is ever overdue', () => {
  const fake = new FakeSwarm({ pieces: PIECES, blocksPerPiece: BLOCKS, slots: 4 });
  const hogs = Array.from({ length: 12 }, () => fake.connect());
  for (const hog of hogs) hog.handler.onUnchoke();
  const honest = fake.connect();
  honest.handler.onUnchoke();
  for (let second = 0; second < 60 && !fake.events.includes('complete'); second += 4) {
    serve(fake, honest);
    for (const hog of hogs) hog.answer(1);
    fake.store.settle();
    fake.clock.advance(4_000);
  }
  assert.ok(fake.events.includes('complete'), `${fake.store.verified.size} of ${PIECES} pieces`);
});

test('peers that claim pieces that nobody else has do not keep the memory from those that deliver', () => {
  const { fake, real, honest, has } = besieged();
  for (let second = 0; second < 300 && has() < real.length; second++) {
    serve(fake, honest);
    fake.clock.advance(1_000);
  }
  assert.equal(has(), real.length);
});

test('the same while they send a block every ten seconds', () => {
  const { fake, hogs, real, honest, has } = besieged();
  for (let second = 0; second < 300 && has() < real.length; second++) {
    serve(fake, honest);
    if (second % 10 === 9) for (const hog of hogs) hog.answer(1, 1);
    fake.store.settle();
    fake.clock.advance(1_000);
  }
  assert.equal(has(), real.length);
  assert.ok(fake.clock.now() <= asMillis(120_000), `${fake.clock.now()} ms`);
});

test('a peer that allows pieces while it chokes, and rejects each request, is not asked for ever', () => {
  const fake = new FakeSwarm({ pieces: 4 });
  const peer = fake.connect();
  peer.handler.onAllowedFast(asPiece(2));
  let asked = 0;
  while (peer.requests.length > 0 && asked < 10_000) {
    asked++;
    const [[piece, begin, length] = [asPiece(0), 0, BLOCK_BYTES]] = peer.requests.splice(0, 1);
    peer.handler.onReject(piece, begin, length);
  }
  assert.ok(asked < 100, `asked ${asked} times`);
});

test('a peer that sends more blocks than were ever asked of it is closed', () => {
  const fake = new FakeSwarm({ pieces: 4 });
  const peer = fake.connect();
  let sent = 0;
  while (peer.closed === undefined && sent < 10_000) {
    peer.handler.onBlock(asPiece(0), 0, new Uint8Array(BLOCK_BYTES));
    sent++;
  }
  assert.ok(sent < 1_000, `took ${sent} blocks`);
});

test('a piece that may come from one peer alone does not wait for one that trickles', () => {
  const fake = new FakeSwarm({ pieces: 1, blocksPerPiece: 64, slots: 4 });
  const hogs = [fake.connect(), fake.connect()];
  for (const hog of hogs) hog.handler.onUnchoke();
  while (hogs.some(({ requests }) => requests.length > 0)) for (const hog of hogs) hog.answer(undefined, 1);
  fake.store.settle();
  assert.ok(fake.events.includes('corrupt 0'));
  const honest = fake.connect();
  honest.handler.onUnchoke();
  for (let second = 0; second < 180 && !fake.events.includes('complete'); second++) {
    serve(fake, honest);
    if (second % 4 === 3) for (const hog of hogs) hog.answer(1);
    fake.store.settle();
    fake.clock.advance(1_000);
  }
  assert.ok(fake.events.includes('complete'), `${fake.clock.now()} ms`);
});
