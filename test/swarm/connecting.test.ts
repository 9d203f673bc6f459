import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPiece } from '../../engine/units.js';
import { FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const at = (last: number, port = 6881) => ({ host: `10.1.0.${last}`, port });

test('dials what it is told of, and seats who answers', () => {
  const fake = new FakeSwarm();
  fake.swarm.onPeersFound([at(1), at(2)], 'tracker');
  assert.equal(fake.dials.length, 2);
  fake.dials[0]!.done(new FakeConnection(fake.dials[0]!.address, true, false));
  assert.equal(fake.swarm.state.peers.size, 1);
  assert.ok(fake.events.some((event) => event.startsWith('connected 10.1.0.')));
});

test('keeps to its limit of peers, dialled and accepted', () => {
  const fake = new FakeSwarm({ maxPeers: 3 });
  fake.swarm.onPeersFound(
    [1, 2, 3, 4, 5].map((last) => at(last)),
    'tracker',
  );
  assert.equal(fake.dials.length, 3);
  for (const { address, done } of fake.dials) done(new FakeConnection(address, true, false));
  assert.notEqual(fake.connect().closed, undefined);
  assert.equal(fake.swarm.state.peers.size, 3);
});

test('tries an address that did not answer again, later and later', () => {
  const fake = new FakeSwarm();
  fake.swarm.onPeersFound([at(1)], 'tracker');
  const dialledAt: number[] = [];
  for (let second = 0; second < 600; second++) {
    for (const { done } of fake.dials.splice(0)) {
      dialledAt.push(fake.clock.now());
      done({ kind: 'network', text: 'refused' });
    }
    fake.clock.advance(1_000);
  }
  assert.ok(dialledAt.length >= 3, `${dialledAt}`);
  const gaps = dialledAt.slice(1).map((time, i) => time - dialledAt[i]!);
  assert.ok(gaps.at(-1)! > gaps[0]!, `${gaps}`);
});

test('does not dial a peer that is connected to us already', () => {
  const fake = new FakeSwarm();
  const peer = fake.connect();
  peer.handler.onExtendedHandshake({ listenPort: 7_000, extensions: new Set() });
  fake.swarm.onPeersFound([{ host: peer.remote.host, port: 7_000 }], 'tracker');
  assert.equal(fake.dials.length, 0);
});

test('of two connections between the same two peers one stays', () => {
  const fake = new FakeSwarm();
  const first = new FakeConnection(at(1));
  fake.swarm.onIncoming(first);
  const again = new FakeConnection(at(1));
  fake.swarm.onIncoming(again);
  assert.equal(first.closed, undefined);
  assert.notEqual(again.closed, undefined);
  // Ours, made by the smaller peer id (all zero), wins over theirs.
  fake.swarm.onPeersFound([at(1)], 'tracker');
  const ours = new FakeConnection(at(1), true, false);
  fake.dials[0]!.done(ours);
  assert.notEqual(first.closed, undefined);
  assert.equal(ours.closed, undefined);
  assert.equal(fake.swarm.state.peers.size, 1);
});

test('a peer that comes by its other address as well has two connections, and either may end', () => {
  const fake = new FakeSwarm();
  const first = new FakeConnection(at(1));
  fake.swarm.onIncoming(first);
  const again = new FakeConnection({ host: '2001:db8::1', port: 6881 }, true, false, first.peerId);
  fake.swarm.onPeersFound([again.remote], 'tracker');
  fake.dials[0]!.done(again);
  assert.deepEqual([first.closed, again.closed], [undefined, undefined]);
  assert.equal(fake.swarm.state.peers.size, 2);
  first.disconnect();
  assert.equal(again.closed, undefined);
});

test('who took the peer id of another keeps it neither out nor from dialling, whatever it gives', () => {
  const fake = new FakeSwarm({ pieces: 40, blocksPerPiece: 1 });
  const thief = fake.connect();
  thief.handler.onUnchoke();
  const seed = () => new FakeConnection(at(200), true, true, thief.peerId);
  for (let block = 0; block < 20; block++) {
    thief.answer(1);
    const owner = seed();
    fake.swarm.onIncoming(owner);
    assert.equal(owner.closed, undefined, `after ${block + 1} blocks`);
    owner.disconnect();
    fake.clock.advance(3_000);
  }
  assert.equal(thief.closed, undefined);
  const owner = seed();
  fake.swarm.onIncoming(owner);
  const dialled = new FakeConnection(at(201), true, false, thief.peerId);
  fake.swarm.onPeersFound([dialled.remote], 'tracker');
  fake.dials.at(-1)!.done(dialled);
  assert.deepEqual([owner.closed, dialled.closed], [undefined, undefined]);
});

test('who says the peer id of another ends none of its connections', () => {
  const fake = new FakeSwarm();
  const owner = new FakeConnection(at(1));
  fake.swarm.onIncoming(owner);
  for (const incoming of [true, false]) {
    const thief = new FakeConnection(at(incoming ? 2 : 3), true, incoming, owner.peerId);
    if (incoming) fake.swarm.onIncoming(thief);
    else {
      fake.swarm.onPeersFound([thief.remote], 'tracker');
      fake.dials.at(-1)!.done(thief);
    }
  }
  assert.equal(owner.closed, undefined);
});

test('a banned address is neither dialled nor let in again', () => {
  const fake = new FakeSwarm({ pieces: 2 });
  const liar = fake.connect([0]);
  liar.handler.onUnchoke();
  liar.answer(2, 0xff);
  fake.store.settle();
  fake.swarm.onPeersFound([liar.remote], 'tracker');
  assert.equal(fake.dials.length, 0);
  const again = new FakeConnection(liar.remote);
  fake.swarm.onIncoming(again);
  assert.notEqual(again.closed, undefined);
});

test('asks its sources for more while it knows few peers, but not all the time', () => {
  const fake = new FakeSwarm();
  fake.swarm.onPeersFound([], 'user');
  fake.clock.advance(120_000);
  const asked = fake.events.filter((event) => event === 'want peers').length;
  assert.ok(asked >= 3 && asked <= 6, `${asked}`);
});

test('asks for more while none of its many peers has anything for it, and not while blocks come', () => {
  const fake = new FakeSwarm({ pieces: 40, blocksPerPiece: 1 });
  fake.swarm.onPeersFound(
    Array.from({ length: 30 }, (_, i) => at(i + 1)),
    'tracker',
  );
  const [giver] = fake.dials.map(({ address, done }) => {
    const connection = new FakeConnection(address, true, false);
    done(connection);
    return connection;
  });
  const asked = () => fake.events.filter((event) => event === 'want peers').length;
  fake.clock.advance(121_000);
  const before = asked();
  assert.ok(before >= 2, `${before}`);
  giver!.handler.onUnchoke();
  for (let piece = 0; piece < 20; piece++) {
    giver!.handler.onHave(asPiece(piece));
    giver!.handler.onReadEnd();
    giver!.answer();
    fake.clock.advance(9_000);
  }
  assert.ok(asked() <= before + 1, `${asked() - before}`);
});

test('two that have everything part, and nobody is dialled after stop()', () => {
  const fake = new FakeSwarm({ pieces: 2, have: [0, 1] });
  assert.equal(fake.connect().closed, 'both have everything');
  const leecher = fake.connect([0]);
  fake.swarm.stop();
  assert.equal(leecher.closed, 'stopped');
  fake.swarm.onPeersFound([at(9)], 'tracker');
  assert.equal(fake.dials.length, 0);
});

test('a seed parts from a peer that says it only uploads (BEP 21), a leecher does not', () => {
  const handshake = { uploadOnly: true, extensions: new Set<string>() };
  const partial = new FakeSwarm({ pieces: 2, have: [0, 1] }).connect([0]);
  partial.handler.onExtendedHandshake(handshake);
  assert.equal(partial.closed, 'it wants nothing either');
  const useful = new FakeSwarm({ pieces: 2 }).connect([0]);
  useful.handler.onExtendedHandshake(handshake);
  assert.equal(useful.closed, undefined);
});

test('makes no more than a few attempts at once at a network that one DHT node or neighbour names', () => {
  for (const source of ['dht', 'lsd', 'pex'] as const) {
    const fake = new FakeSwarm();
    const victims = Array.from({ length: 100 }, (_, i) => ({ host: `99.9.9.${i}`, port: 80 }));
    fake.swarm.onPeersFound(victims, source, { host: '66.6.6.6', port: 6881 });
    assert.equal(fake.dials.length, 8, source);
  }
});
