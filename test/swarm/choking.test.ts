import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { FakeSwarm } from '../support/fake-swarm.js';

const PEERS = 12;
const USUAL_SLOTS = 3;
const BLOCKS_PER_SECOND = 3;

/** A seed on an uplink of three blocks a second, whose peers all want much. */
function setUp() {
  const fake = new FakeSwarm({ pieces: 1, blocksPerPiece: 100, have: [0] });
  fake.store.cached.add(asPiece(0));
  const peers = Array.from({ length: PEERS }, () => {
    const peer = fake.connect([]);
    peer.handler.onInterested();
    return peer;
  });
  const served = () =>
    peers.filter((peer) => peer.sent.lastIndexOf('unchoke') > peer.sent.lastIndexOf('choke'));
  /** For so long each that is served takes a block every so often, as far as the uplink can. */
  const run = (seconds: number, secondsPerBlock: number) => {
    for (let second = 0; second < seconds; second++) {
      const taking = served().filter((_, i) => (i + second) % secondsPerBlock === 0);
      for (const peer of taking.slice(0, BLOCKS_PER_SECOND)) {
        peer.ask(asPiece(0), 0, BLOCK_BYTES);
        peer.flush();
      }
      fake.clock.advance(1_000);
    }
  };
  return { served, run };
}

test('a seed serves more than usual when those that it serves leave its uplink idle, and slowly the usual again', () => {
  const { served, run } = setUp();
  run(30, 1);
  assert.equal(served().length, USUAL_SLOTS);
  run(30, 3);
  const most = served().length;
  assert.ok(most >= 2 * USUAL_SLOTS && most <= 4 * USUAL_SLOTS, `${most}`);
  run(20, 1);
  assert.ok(served().length > USUAL_SLOTS, 'one fewer a round');
  run(100, 1);
  assert.equal(served().length, USUAL_SLOTS);
});

test('a leecher whose uplink is idle gives the slots of who asks for nothing to who waits, before the round ends', () => {
  const fake = new FakeSwarm({ pieces: 2, blocksPerPiece: 400, have: [0] });
  fake.store.cached.add(asPiece(0));
  const join = () => {
    const peer = fake.connect([]);
    peer.handler.onInterested();
    return peer;
  };
  const isServed = (peer: ReturnType<typeof join>) =>
    peer.sent.lastIndexOf('unchoke') > peer.sent.lastIndexOf('choke');
  const first = [join(), join()];
  fake.clock.advance(100);
  const serve = () => {
    for (const peer of first.filter(isServed)) {
      peer.ask(asPiece(0), 0, BLOCK_BYTES);
      peer.flush();
    }
    fake.clock.advance(1_000);
  };
  for (let i = 0; i < 40; i++) serve();
  assert.ok(first.every(isServed));
  // A round has just begun; from here on the two ask for nothing, and two others wait.
  const waiting = [join(), join()];
  serve();
  assert.ok(!waiting.some(isServed), 'something is on its way still');
  fake.clock.advance(5_000);
  assert.ok(waiting.some(isServed));
});
