/** Pieces with deadlines in a whole swarm: who is asked for them, and when a second peer is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asMillis, asPiece } from '../../engine/units.js';
import { type FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const asked = (peer: FakeConnection): number[] => peer.requests.map(([piece]) => piece);

/** The peer answers one request each 50 ms. */
function serve(fake: FakeSwarm, peer: FakeConnection, times: number): void {
  for (let i = 0; i < times; i++) {
    fake.clock.advance(50);
    peer.answer(Math.min(1, peer.requests.length));
    fake.store.settle();
  }
}

test('a peer that stalls on what is due soon does not hold it: a quicker one is asked too, once', () => {
  const fake = new FakeSwarm({ pieces: 200, blocksPerPiece: 1, slots: 500 });
  const [staller, quick, third] = [fake.connect(), fake.connect(), fake.connect()];
  fake.swarm.setDeadline(asPiece(150), asMillis(3_000));
  staller.handler.onUnchoke();
  assert.equal(asked(staller)[0], 150);
  for (const peer of [quick, third]) peer.handler.onUnchoke();
  for (let i = 0; i < 60 && !fake.store.verified.has(asPiece(150)); i++) {
    serve(fake, quick, 1);
    serve(fake, third, 1);
  }
  assert.ok(fake.store.verified.has(asPiece(150)), 'long before the stalled request times out');
  const copies = [staller, quick, third].flatMap(({ sent }) =>
    sent.filter((word) => word === 'request 150:0'),
  );
  assert.equal(copies.length, 2);
  assert.ok(staller.sent.includes('cancel 150:0'));
});

test('a deadline that is cleared, or comes with the last piece, leaves nothing to be done', () => {
  const fake = new FakeSwarm({ pieces: 3, blocksPerPiece: 1 });
  for (const piece of [0, 1, 2]) fake.swarm.setDeadline(asPiece(piece), asMillis(10 * piece));
  fake.swarm.clearDeadline(asPiece(1));
  const peer = fake.connect();
  peer.handler.onUnchoke();
  assert.deepEqual(asked(peer), [0, 2]);
  peer.answer();
  assert.deepEqual(asked(peer), [1]);
  peer.answer();
  fake.store.settle();
  assert.ok(fake.events.includes('complete'));
  assert.equal(fake.swarm.state.picker.deadlineCount, 0);
  fake.swarm.setDeadline(asPiece(0), asMillis(1_000));
  fake.clock.advance(5_000);
  assert.equal(fake.swarm.state.picker.deadlineCount, 0, 'it is there');
  assert.deepEqual(asked(peer), []);
  fake.swarm.stop();
  fake.swarm.clearDeadline(asPiece(0));
});
