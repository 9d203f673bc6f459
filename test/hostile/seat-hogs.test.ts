/** Peers that take the seats of a swarm and do nothing with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection, FakeSwarm } from '../support/fake-swarm.js';

const MAX_PEERS = 40;

function arrive(fake: FakeSwarm, host: string, port = 6881): FakeConnection {
  const connection = new FakeConnection({ host, port });
  fake.swarm.onIncoming(connection);
  return connection;
}

test('one network gets a quarter of the seats at most', () => {
  const fake = new FakeSwarm({ maxPeers: MAX_PEERS });
  const crowd = Array.from({ length: 200 }, (_, i) => arrive(fake, `198.51.100.${i % 100}`, 2_000 + i));
  assert.equal(crowd.filter(({ closed }) => closed === undefined).length, MAX_PEERS / 4);
  assert.equal(arrive(fake, '203.0.113.1').closed, undefined);
});

test('a crowd from everywhere that does nothing makes room for who comes, after a minute', () => {
  const fake = new FakeSwarm({ maxPeers: MAX_PEERS });
  const crowd = Array.from({ length: MAX_PEERS }, (_, i) => arrive(fake, `198.51.${i}.1`));
  fake.clock.advance(30_000);
  assert.notEqual(arrive(fake, '203.0.113.1').closed, undefined, 'they may yet be of use');
  fake.clock.advance(30_000);
  const newcomer = arrive(fake, '203.0.113.2');
  assert.equal(newcomer.closed, undefined);
  assert.equal(crowd.filter(({ closed }) => closed !== undefined).length, 1);
  assert.equal(fake.swarm.state.peers.size, MAX_PEERS);
});

test('a download whose seats are taken by the useless still dials whom it is told of', () => {
  const fake = new FakeSwarm({ maxPeers: MAX_PEERS });
  for (let i = 0; i < MAX_PEERS; i++) arrive(fake, `198.51.${i}.1`);
  fake.swarm.onPeersFound([{ host: '203.0.113.1', port: 6881 }], 'tracker');
  fake.clock.advance(120_000);
  assert.equal(fake.dials.length, 1);
});

test('nobody leaves who gives or takes', () => {
  const fake = new FakeSwarm({ maxPeers: 2, pieces: 64, blocksPerPiece: 16 });
  const givers = [fake.connect(), fake.connect()];
  for (const giver of givers) giver.handler.onUnchoke();
  for (let second = 0; second < 90; second++) {
    for (const giver of givers) giver.answer(1);
    fake.clock.advance(1_000);
  }
  assert.notEqual(arrive(fake, '203.0.113.1').closed, undefined);
  assert.deepEqual(
    givers.map(({ closed }) => closed),
    [undefined, undefined],
  );
});
