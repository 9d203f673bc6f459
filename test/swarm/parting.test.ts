import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const ALL_BUT_FIRST = [1, 2, 3];

/** Everything but piece 0 is here; a seed is connected, and those that have what is said. */
function almostDone(others: readonly (readonly number[])[]) {
  const fake = new FakeSwarm({ have: ALL_BUT_FIRST });
  const seed = fake.connect();
  const waiting = others.map((pieces) => fake.connect(pieces));
  const finish = () => {
    seed.handler.onUnchoke();
    seed.answer();
    fake.store.settle();
    assert.ok(fake.events.includes('complete'));
  };
  return { fake, waiting, finish };
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

test('who gets the piece that all others lack is needed', () => {
  const { fake, finish } = almostDone(times(12, ALL_BUT_FIRST));
  assert.ok(!fake.swarm.isNeeded, 'it has not finished');
  finish();
  assert.ok(fake.swarm.isNeeded);
});

test('nobody is needed where more than one in ten has each piece', () => {
  const { fake, waiting, finish } = almostDone([[1, 2], [3], ...times(10, ALL_BUT_FIRST)]);
  finish();
  waiting[0]!.handler.onHave(asPiece(0));
  assert.ok(fake.swarm.isNeeded);
  waiting[1]!.handler.onHave(asPiece(0));
  assert.ok(!fake.swarm.isNeeded);
});

test('what is sent counts, whoever says that it has it', () => {
  const { fake, waiting, finish } = almostDone(times(12, ALL_BUT_FIRST));
  finish();
  fake.store.load(asPiece(0));
  for (const peer of waiting) peer.handler.onInterested();
  fake.clock.advance(20_000);
  const served = waiting.filter(({ sent }) => sent.includes('unchoke'));
  assert.ok(served.length >= 2);
  for (const peer of served.slice(0, 2)) {
    assert.ok(fake.swarm.isNeeded);
    for (const begin of [0, BLOCK_BYTES]) peer.ask(asPiece(0), begin, BLOCK_BYTES);
    while (peer.bufferedBytes > 0) peer.flush();
  }
  assert.ok(!fake.swarm.isNeeded);
});

test('nobody is needed where few wait, or half a minute later', () => {
  const few = almostDone(times(9, ALL_BUT_FIRST));
  few.finish();
  assert.ok(!few.fake.swarm.isNeeded);
  const late = almostDone(times(12, ALL_BUT_FIRST));
  late.finish();
  late.fake.clock.advance(30_000);
  assert.ok(!late.fake.swarm.isNeeded);
});

test('connections of one host, and peers that want nothing, keep nobody for long', () => {
  const { fake, waiting, finish } = almostDone([]);
  for (let port = 1; port <= 20; port++) {
    const connection = new FakeConnection({ host: '10.9.9.9', port });
    fake.swarm.onIncoming(connection);
    connection.handler.onInterested();
  }
  finish();
  assert.ok(!fake.swarm.isNeeded);
  for (let i = 0; i < 12; i++) waiting.push(fake.connect([]));
  assert.ok(fake.swarm.isNeeded);
  fake.clock.advance(5_000);
  assert.ok(!fake.swarm.isNeeded);
  for (const { handler } of waiting) handler.onInterested();
  assert.ok(fake.swarm.isNeeded);
});

test('who had everything from the beginning came to seed, and leaves when it likes', () => {
  const fake = new FakeSwarm({ have: [0, 1, 2, 3] });
  for (const pieces of times(12, ALL_BUT_FIRST)) fake.connect(pieces);
  assert.ok(!fake.swarm.isNeeded);
});
