import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwarmError } from '../../engine/errors.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import { type FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

test('fetches every piece from a seed, once, and is complete', () => {
  const fake = new FakeSwarm({ pieces: 5, blocksPerPiece: 3 });
  const seed = fake.connect();
  seed.handler.onUnchoke();
  while (seed.requests.length > 0) {
    seed.answer();
    fake.store.settle();
  }
  assert.equal(fake.store.verified.size, 5);
  assert.equal(new Set(seed.sent.filter((word) => word.startsWith('request'))).size, 15);
  assert.equal(seed.sent.filter((word) => word.startsWith('request')).length, 15);
  assert.ok(fake.events.includes('complete'));
  assert.equal(fake.swarm.totals.wastedBytes, 0);
});

test('asks nothing before it is unchoked, and what was asked is free again after a choke', () => {
  const fake = new FakeSwarm({ pieces: 1 });
  const first = fake.connect('all', false);
  assert.deepEqual(first.sent, ['interested']);
  first.handler.onUnchoke();
  assert.equal(first.requests.length, 2);
  first.handler.onChoke();
  const second = fake.connect();
  second.handler.onUnchoke();
  assert.deepEqual(second.requests.map(([, begin]) => begin).sort(), [0, BLOCK_BYTES].sort());
});

test('asks for allowed-fast pieces while choked, and for no other', () => {
  const fake = new FakeSwarm({ pieces: 4 });
  const peer = fake.connect();
  peer.handler.onAllowedFast(asPiece(2));
  assert.deepEqual(new Set(peer.requests.map(([piece]) => piece)), new Set([2]));
});

test('is interested only in a peer that has what it lacks', () => {
  const fake = new FakeSwarm({ pieces: 3, have: [0, 1] });
  const peer = fake.connect([0, 1]);
  assert.ok(!peer.sent.includes('interested'));
  peer.handler.onHave(asPiece(2));
  assert.ok(peer.sent.includes('interested'));
  peer.handler.onUnchoke();
  peer.answer();
  fake.store.settle();
  assert.equal(peer.sent.at(-1), 'not interested');
});

test('counts what nobody asked for as wasted, and stores none of it', () => {
  const fake = new FakeSwarm();
  const peer = fake.connect();
  peer.handler.onBlock(asPiece(0), 0, new Uint8Array(BLOCK_BYTES));
  peer.handler.onBlock(asPiece(0), 7, new Uint8Array(BLOCK_BYTES));
  peer.handler.onBlock(asPiece(0), 0, new Uint8Array(3));
  assert.equal(fake.swarm.totals.wastedBytes, 2 * BLOCK_BYTES + 3);
  assert.equal(fake.swarm.totals.downloadedBytes, 0);
  assert.equal(fake.store.begun.size, 0);
});

test('gives the requests of a silent peer to another', () => {
  const fake = new FakeSwarm({ pieces: 1 });
  const silent = fake.connect();
  silent.handler.onUnchoke();
  assert.equal(silent.requests.length, 2);
  fake.clock.advance(60_000);
  const other = fake.connect();
  other.handler.onUnchoke();
  assert.equal(other.requests.length, 2);
  other.answer();
  fake.store.settle();
  assert.ok(fake.events.includes('complete'));
  assert.equal(fake.swarm.totals.wastedBytes, 0);
});

test('cancels elsewhere what endgame asked twice', () => {
  const fake = new FakeSwarm({ pieces: 1, blocksPerPiece: 1 });
  const slow = fake.connect();
  const quick = fake.connect();
  slow.handler.onUnchoke();
  quick.handler.onUnchoke();
  assert.equal(slow.requests.length, 1);
  assert.equal(quick.requests.length, 0, 'nobody is late yet');
  fake.clock.advance(4_200);
  assert.equal(quick.requests.length, 1);
  quick.answer();
  assert.ok(slow.sent.includes('cancel 0:0'));
  slow.answer();
  fake.store.settle();
  assert.equal(fake.swarm.totals.downloadedBytes, BLOCK_BYTES);
  assert.equal(fake.swarm.totals.wastedBytes, BLOCK_BYTES);
});

test('begins no more pieces than the store has room for, and goes on when there is room', () => {
  const fake = new FakeSwarm({ pieces: 6, blocksPerPiece: 1, slots: 2 });
  const seed = fake.connect();
  seed.handler.onUnchoke();
  assert.equal(seed.requests.length, 2);
  seed.answer();
  assert.equal(seed.requests.length, 0);
  fake.store.settle();
  assert.equal(seed.requests.length, 2);
});

test('gives memory that comes free to whoever has waited for it longest', () => {
  const fake = new FakeSwarm({ pieces: 30, blocksPerPiece: 2, slots: 1 });
  const peers = [fake.connect(), fake.connect(), fake.connect()];
  for (const peer of peers) peer.handler.onUnchoke();
  const given = peers.map(() => 0);
  for (let round = 0; round < 12; round++) {
    const at = peers.findIndex((peer) => peer.requests.length > 0);
    given[at]!++;
    peers[at]!.answer();
    fake.store.settle();
  }
  for (const pieces of given) assert.ok(pieces >= 3, `${given}`);
});

test('drops a peer that has everything and rejects every request', () => {
  const fake = new FakeSwarm({ pieces: 4, blocksPerPiece: 4 });
  const liar = fake.connect();
  liar.handler.onUnchoke();
  for (let round = 0; round < 200 && liar.closed === undefined; round++) {
    for (const [piece, begin, length] of liar.requests.splice(0)) liar.handler.onReject(piece, begin, length);
    fake.clock.advance(1_000);
  }
  assert.equal(liar.closed, 'rejects every request');
});

test('bans the one who sent a corrupt piece alone', () => {
  const fake = new FakeSwarm({ pieces: 2 });
  const liar = fake.connect([0]);
  liar.handler.onUnchoke();
  liar.answer(2, 0xff);
  fake.store.settle();
  assert.ok(fake.events.includes(`banned ${liar.remote.host}`));
  assert.notEqual(liar.closed, undefined);
  assert.equal(fake.swarm.totals.corruptPieces, 1);
});

test('bans of two contributors the one whose block was wrong, and never the honest one', () => {
  const fake = new FakeSwarm({ pieces: 1, blocksPerPiece: 2 });
  const honest = fake.connect('all', false);
  honest.handler.onUnchoke();
  honest.answer(1);
  honest.handler.onChoke();
  const liar = fake.connect('all', false);
  liar.handler.onUnchoke();
  liar.answer(1, 0xff);
  fake.store.settle();
  assert.ok(!fake.events.some((event) => event.startsWith('banned')));
  liar.handler.onChoke();
  honest.handler.onUnchoke();
  fake.clock.advance(2_000);
  honest.answer();
  fake.store.settle();
  assert.ok(fake.events.includes('complete'));
  assert.deepEqual(
    fake.events.filter((event) => event.startsWith('banned')),
    [`banned ${liar.remote.host}`],
  );
});

test('tells every peer of a piece, the ones that have it too', () => {
  const fake = new FakeSwarm({ pieces: 1 });
  const seed = fake.connect();
  const leecher = fake.connect([]);
  seed.handler.onUnchoke();
  seed.answer();
  fake.store.settle();
  assert.ok(leecher.sent.includes('have 0'));
  assert.ok(seed.sent.includes('have 0'));
});

test('says how many bytes are left, the last piece counted as short as it is', () => {
  const left = (have: number[]): number =>
    new FakeSwarm({ pieces: 3, blocksPerPiece: 2, lastPieceBytes: 100, have }).swarm.leftBytes;
  const piece = 2 * BLOCK_BYTES;
  assert.deepEqual(
    [left([]), left([1]), left([2]), left([0, 1]), left([0, 2]), left([0, 1, 2])],
    [2 * piece + 100, piece + 100, 2 * piece, 100, piece, 0],
  );
  const fake = new FakeSwarm({ pieces: 3 });
  const seed = fake.connect();
  seed.handler.onUnchoke();
  while (seed.requests.length > 0) seed.answer();
  fake.store.settle();
  assert.equal(fake.swarm.leftBytes, 0);
});

test('asks no faster than the limit allows', () => {
  const rate = 4 * BLOCK_BYTES;
  const fake = new FakeSwarm({ pieces: 100, blocksPerPiece: 4, downloadRate: rate, slots: 100 });
  const seed = fake.connect();
  seed.handler.onUnchoke();
  for (let ms = 0; ms < 10_000; ms += 100) {
    seed.answer();
    fake.clock.advance(100);
  }
  const bytes = fake.swarm.totals.downloadedBytes;
  assert.ok(bytes <= 10 * rate + rate / 4 + BLOCK_BYTES, `${bytes}`);
  assert.ok(bytes >= 9 * rate, `${bytes}`);
});

test('what a peer rejects, forgets or leaves owing is not taken off the limit', () => {
  const refuse = {
    rejects: (peer: FakeConnection, asked: FakeConnection['requests']) => {
      for (const request of asked) peer.handler.onReject(...request);
    },
    chokes: (peer: FakeConnection) => peer.handler.onChoke(),
    leaves: (peer: FakeConnection) => peer.disconnect(),
  };
  for (const [how, act] of Object.entries(refuse)) {
    // The burst is two blocks, as many as a peer is asked for at first.
    const fake = new FakeSwarm({ pieces: 100, blocksPerPiece: 4, downloadRate: 8 * BLOCK_BYTES });
    const first = fake.connect('all', how === 'rejects');
    const second = fake.connect();
    first.handler.onUnchoke();
    const asked = first.requests.splice(0);
    assert.equal(asked.length, 2, how);
    act(first, asked);
    second.handler.onUnchoke();
    fake.clock.advance(0);
    assert.equal(first.requests.length + second.requests.length, 2, how);
  }
});

test('after a storage fault it asks and serves no more, and says so once', () => {
  const fake = new FakeSwarm({ pieces: 4, have: [0] });
  const peer = fake.connect([1, 2, 3]);
  peer.handler.onUnchoke();
  const before = peer.requests.length;
  const fault = new SwarmError('STORAGE_NO_SPACE', 'the disk is full');
  fake.swarm.onStoreFailed(fault);
  fake.swarm.onStoreFailed(fault);
  peer.answer();
  assert.equal(peer.requests.length, 0);
  assert.ok(before > 0);
  peer.ask(asPiece(0), 0, BLOCK_BYTES);
  assert.equal(peer.sent.at(-1), 'reject 0:0');
  assert.deepEqual(
    fake.events.filter((event) => event.startsWith('failed')),
    ['failed STORAGE_NO_SPACE'],
  );
});

test('what arrives after a peer left finds its requests with others', () => {
  const fake = new FakeSwarm({ pieces: 2 });
  const gone = fake.connect();
  gone.handler.onUnchoke();
  const stays = fake.connect();
  stays.handler.onUnchoke();
  gone.disconnect();
  for (let round = 0; round < 10; round++) {
    stays.answer();
    fake.store.settle();
    fake.clock.advance(100);
  }
  assert.ok(fake.events.includes('complete'));
});

test('does not tell a peer of every change of its interest', () => {
  const fake = new FakeSwarm({ pieces: 40, blocksPerPiece: 1 });
  const seed = fake.connect();
  const leecher = fake.connect([]);
  seed.handler.onUnchoke();
  for (let piece = 0; piece < 39; piece++) {
    leecher.handler.onHave(asPiece(piece));
    seed.answer();
    fake.store.settle();
    fake.clock.advance(10);
  }
  const changes = leecher.sent.filter((word) => word.endsWith('interested'));
  assert.ok(changes.length <= 2, changes.join(', '));
});

test('shares a download limit among peers that could all give', () => {
  const fake = new FakeSwarm({ pieces: 400, blocksPerPiece: 4, downloadRate: 8 * BLOCK_BYTES, slots: 400 });
  const seeds = [fake.connect(), fake.connect(), fake.connect()];
  for (const seed of seeds) seed.handler.onUnchoke();
  for (let ms = 0; ms < 30_000; ms += 100) {
    for (const seed of seeds) seed.answer();
    fake.clock.advance(100);
  }
  const given = [...fake.swarm.state.peers.values()].map((peer) => peer.downloadedBytes);
  const fair = given.reduce((sum, bytes) => sum + bytes, 0) / given.length;
  for (const bytes of given) assert.ok(Math.abs(bytes - fair) < 0.3 * fair, `${given}`);
  assert.ok(fake.swarm.totals.downloadedBytes > 28 * 8 * BLOCK_BYTES);
});
