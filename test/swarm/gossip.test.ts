import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pexCodec } from '../../engine/discovery/pex-codec.js';
import { PEX_FLAG, type PexPeer } from '../../engine/policy/pex-diff.js';
import type { PexMessage } from '../../engine/ports.js';
import { addressKey, asPiece, type PeerAddress } from '../../engine/units.js';
import { FakeConnection, FakeSwarm, type FakeSwarmOptions } from '../support/fake-swarm.js';

const PEX = new Set(['ut_pex']);
const swarmOf = (options: FakeSwarmOptions = {}): FakeSwarm => new FakeSwarm({ pex: pexCodec, ...options });

/** A peer that connected to us, and listens at its port 7000. */
function meet(fake: FakeSwarm, host: string, pieces: readonly number[] = []): FakeConnection {
  const connection = new FakeConnection({ host, port: 50_000 });
  fake.swarm.onIncoming(connection);
  connection.handler.onBitfield(fake.bits(pieces));
  connection.handler.onExtendedHandshake({ listenPort: 7_000, extensions: PEX });
  return connection;
}

/** A peer that we connected to. */
function reach(fake: FakeSwarm, host: string): FakeConnection {
  fake.swarm.onPeersFound([{ host, port: 7_000 }], 'tracker');
  const dial = fake.dials.pop();
  assert.ok(dial);
  const connection = new FakeConnection(dial.address, true, false);
  dial.done(connection);
  connection.handler.onBitfield(fake.bits([]));
  return connection;
}

const told = (connection: FakeConnection): PexMessage[] =>
  connection.extendedMessages.splice(0).map(([name, payload]) => {
    const message = pexCodec.decode(payload);
    assert.ok(name === 'ut_pex' && typeof message !== 'string');
    return message;
  });

const tell = (connection: FakeConnection, added: readonly PexPeer[]): void =>
  connection.handler.onExtended('ut_pex', pexCodec.encode({ added, dropped: [] }));

const peers = (count: number, host: (i: number) => string): PexPeer[] =>
  Array.from({ length: count }, (_, i) => ({ host: host(i), port: 6_881, flags: 0 }));

test('tells peers of each other, a few seconds later, and takes back who left a minute later', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  const b = meet(fake, '8.0.0.2', [1]);
  fake.clock.advance(2_000);
  assert.deepEqual(told(a), []);
  fake.clock.advance(3_000);
  assert.deepEqual(told(a), [{ added: [{ host: '8.0.0.2', port: 7_000, flags: 0 }], dropped: [] }]);
  b.disconnect();
  fake.clock.advance(50_000);
  assert.deepEqual(told(a), []);
  fake.clock.advance(12_000);
  assert.deepEqual(told(a), [{ added: [], dropped: [{ host: '8.0.0.2', port: 7_000 }] }]);
});

test('says who can be reached, who seeds, who prefers encryption and who punches holes', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  const b = reach(fake, '8.0.0.2');
  const extensions = new Set(['ut_holepunch']);
  b.handler.onExtendedHandshake({ uploadOnly: true, prefersEncryption: true, extensions });
  fake.clock.advance(5_000);
  const { prefersEncryption, uploadOnly, holepunch, reachable } = PEX_FLAG;
  const flags = prefersEncryption | uploadOnly | holepunch | reachable;
  assert.deepEqual(told(a)[0]?.added, [{ host: '8.0.0.2', port: 7_000, flags }]);
  assert.deepEqual(b.extendedMessages, [], 'it does not take ut_pex');
});

test('tells nobody of who never said where it listens, nor of himself, nor of what failed', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  const silent = new FakeConnection({ host: '8.0.0.2', port: 50_000 });
  fake.swarm.onIncoming(silent);
  fake.swarm.onPeersFound([{ host: '8.0.0.3', port: 7_000 }], 'tracker');
  fake.dials.pop()?.done({ kind: 'network', text: 'refused' });
  fake.clock.advance(10_000);
  assert.deepEqual(told(a), []);
});

test('tells hosts of our LAN to each other, and to nobody outside', () => {
  const fake = swarmOf();
  const [outside, lan, near, here] = ['8.0.0.1', '192.168.1.2', '10.0.0.9', '127.0.0.1'].map((host) =>
    meet(fake, host),
  );
  assert.ok(outside && lan && near && here);
  fake.clock.advance(5_000);
  const hostsTold = (connection: FakeConnection): string[] =>
    told(connection).flatMap(({ added }) => added.map(({ host }) => host));
  assert.deepEqual(hostsTold(outside), []);
  assert.deepEqual(hostsTold(lan).sort(), ['10.0.0.9', '8.0.0.1']);
  assert.deepEqual(hostsTold(here).sort(), ['10.0.0.9', '192.168.1.2', '8.0.0.1']);
});

test('tells a leecher of seeds that we left because both have everything', () => {
  const fake = swarmOf({ pieces: 2, have: [0, 1] });
  const seed = reach(fake, '8.0.0.1');
  seed.handler.onHave(asPiece(0));
  seed.handler.onHave(asPiece(1));
  assert.equal(seed.closed, 'both have everything');
  const broken = reach(fake, '8.0.0.9');
  broken.disconnect();
  const leecher = meet(fake, '8.0.0.2');
  fake.clock.advance(5_000);
  assert.deepEqual(told(leecher)[0]?.added.map(addressKey), ['8.0.0.1:7000']);
});

test('dials whom a peer tells of, and says where it had them from', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  tell(
    a,
    peers(3, (i) => `9.${i}.0.1`),
  );
  assert.deepEqual(fake.dials.map(({ address }) => address.host).sort(), ['9.0.0.1', '9.1.0.1', '9.2.0.1']);
  assert.ok(fake.events.includes('exchanged 3 by 8.0.0.1'));
});

test('is not sent into its own network by a peer outside', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  tell(
    a,
    peers(3, (i) => ['127.0.0.1', '192.168.1.1', '169.254.169.254'][i] ?? ''),
  );
  assert.deepEqual(fake.dials, []);
});

test('a seed does not dial seeds', () => {
  const fake = swarmOf({ pieces: 2, have: [0, 1] });
  const a = meet(fake, '8.0.0.1');
  tell(a, [
    { host: '9.0.0.1', port: 1, flags: PEX_FLAG.uploadOnly },
    { host: '9.1.0.1', port: 1, flags: 0 },
  ]);
  assert.deepEqual(
    fake.dials.map(({ address }) => address.host),
    ['9.1.0.1'],
  );
});

test('a peer that floods is ignored, then dropped', () => {
  const fake = swarmOf();
  const a = meet(fake, '8.0.0.1');
  for (let i = 0; i < 12; i++)
    tell(
      a,
      peers(1, () => `9.${i}.0.1`),
    );
  assert.equal(fake.dials.length, 2);
  assert.equal(a.closed, undefined);
  tell(a, []);
  assert.equal(a.closed, 'floods peer exchange');
  const b = meet(fake, '8.0.0.2');
  for (let i = 0; i < 11; i++) {
    assert.equal(b.closed, undefined);
    b.handler.onExtended('ut_pex', Buffer.from('d-3:'));
  }
  assert.equal(b.closed, 'floods peer exchange');
});

test('without a codec nothing is told and nothing is heard', () => {
  const fake = new FakeSwarm();
  const [a, b] = [meet(fake, '8.0.0.1'), meet(fake, '8.0.0.2')];
  tell(
    a,
    peers(3, (i) => `9.${i}.0.1`),
  );
  fake.clock.advance(120_000);
  assert.deepEqual([a.extendedMessages, b.extendedMessages, fake.dials], [[], [], []]);
});

test('one gossip who names 10,000 addresses fills no more than its share, and honest ones are dialled as ever', () => {
  const fake = swarmOf({ maxPeers: 200 });
  const liar = meet(fake, '8.0.0.1');
  const honest = meet(fake, '8.1.0.1');
  const refuse = (): PeerAddress[] => {
    const dialled = fake.dials.splice(0);
    for (const { done } of dialled) done({ kind: 'network', text: 'refused' });
    return dialled.map(({ address }) => address);
  };
  for (let minute = 0; minute < 100; minute++) {
    tell(
      liar,
      peers(100, (i) => `9.${minute}.${i}.1`),
    );
    refuse();
    fake.clock.advance(60_000);
    refuse();
  }
  assert.ok(fake.swarm.candidateCount <= 101, `${fake.swarm.candidateCount}`);
  tell(
    honest,
    peers(3, (i) => `11.${i}.0.1`),
  );
  fake.clock.advance(1_000);
  const dialled = refuse().map(({ host }) => host);
  for (let i = 0; i < 3; i++) assert.ok(dialled.includes(`11.${i}.0.1`), `${dialled}`);
});

test('fifty victims of one network, named again and again, are left in peace', () => {
  const fake = swarmOf();
  const liar = meet(fake, '8.0.0.1');
  const tries = new Map<string, number>();
  let most = 0;
  for (let second = 0; second < 3_600; second++) {
    if (second % 60 === 0)
      tell(
        liar,
        peers(50, (i) => `9.9.9.${i}`),
      );
    most = Math.max(most, fake.dials.length);
    for (const { address, done } of fake.dials.splice(0)) {
      tries.set(address.host, (tries.get(address.host) ?? 0) + 1);
      done({ kind: 'network', text: 'refused' });
    }
    fake.clock.advance(1_000);
  }
  assert.ok(most <= 8, `${most} attempts at once`);
  assert.ok(
    [...tries.values()].every((count) => count <= 6),
    `${[...tries.values()]}`,
  );
});

test('a partial seed says so to whom it meets, and to all when it becomes one', () => {
  const fake = swarmOf({ pieces: 2, wanted: [0] });
  const giver = fake.connect([0]);
  assert.ok(!giver.sent.includes('upload only true'));
  giver.handler.onUnchoke();
  giver.answer();
  fake.store.settle();
  assert.ok(giver.sent.includes('upload only true'));
  const later = fake.connect([]);
  assert.deepEqual(later.sent.slice(0, 2), ['bitfield 1', 'upload only true']);
});

test('who has everything need not say that it wants nothing', () => {
  const fake = swarmOf({ pieces: 2, have: [0, 1] });
  assert.ok(!fake.connect([]).sent.includes('upload only true'));
});

test('never dials again where it found itself', () => {
  const fake = new FakeSwarm();
  const us = { host: '8.0.0.1', port: 7_000 };
  fake.swarm.onPeersFound([us], 'user');
  fake.dials.pop()?.done({ kind: 'self', text: 'connected to ourselves' });
  for (const source of ['tracker', 'pex', 'lsd', 'user'] as const) fake.swarm.onPeersFound([us], source);
  fake.clock.advance(3_600_000);
  assert.deepEqual(fake.dials, []);
});
