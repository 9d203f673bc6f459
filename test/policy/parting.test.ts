import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Parting, type RemainingPeer } from '../../engine/policy/parting.js';
import { asMillis } from '../../engine/units.js';

const PIECE_BYTES = 1_000;
const parting = () => new Parting(asMillis(5_000), 300, PIECE_BYTES);
const lacking = (host: string, peerInterested = true): RemainingPeer => ({
  has: { isFull: false },
  peerInterested,
  connection: { remote: { host, port: 6881 } },
});
const crowd = (count: number, host: (i: number) => string, isInterested = true) =>
  Array.from({ length: count }, (_, i) => lacking(host(i), isInterested));
const everywhere = (i: number) => `81.${i >>> 8}.${i & 255}.7`;
const strandedBy = (peers: number, copies: number) => ({
  peers: crowd(peers, everywhere),
  fewestCopies: () => copies,
});
const STRANDED = strandedBy(20, 0);

test('who would strand others is needed until it has given two pieces', () => {
  assert.ok(parting().isNeeded(asMillis(5_000), 300, STRANDED));
  assert.ok(parting().isNeeded(asMillis(5_000), 300 + 2 * PIECE_BYTES - 1, STRANDED));
  assert.ok(!parting().isNeeded(asMillis(5_000), 300 + 2 * PIECE_BYTES, STRANDED));
});

test('nobody is needed longer than half a minute, whoever waits', () => {
  assert.ok(parting().isNeeded(asMillis(34_999), 300, STRANDED));
  assert.ok(!parting().isNeeded(asMillis(35_000), 300, STRANDED));
});

test('a piece of which there is one for ten that wait is scarce', () => {
  assert.ok(parting().isNeeded(asMillis(5_000), 300, strandedBy(20, 2)));
  assert.ok(!parting().isNeeded(asMillis(5_000), 300, strandedBy(20, 3)));
});

test('among a few, nobody is needed, and copies are not even counted', () => {
  const fewestCopies = () => assert.fail('counted');
  fc.assert(
    fc.property(fc.nat(9), (peers) => {
      assert.ok(!parting().isNeeded(asMillis(5_000), 300, { peers: crowd(peers, everywhere), fewestCopies }));
    }),
  );
});

test('of one party no more than three wait: a network of the Internet, a host at home', () => {
  const parties: readonly ((i: number) => string)[] = [
    () => '81.2.3.4',
    (i) => `81.2.3.${i}`,
    () => '192.168.1.7',
    (i) => `2003:1:2:3::${i.toString(16)}`,
    (i) => `fd00:1:2:3::${i.toString(16)}`,
  ];
  for (const party of parties) {
    const isNeeded = (others: number) => {
      const peers = [...crowd(50, party), ...crowd(others, everywhere)];
      return parting().isNeeded(asMillis(5_000), 300, { peers, fewestCopies: () => 0 });
    };
    assert.ok(!isNeeded(6), party(1));
    assert.ok(isNeeded(7), party(1));
  }
  for (const apart of [(i: number) => `192.168.1.${i}`, () => '127.0.0.1', () => '::1']) {
    const peers = crowd(10, apart);
    assert.ok(parting().isNeeded(asMillis(5_000), 300, { peers, fewestCopies: () => 1 }), apart(1));
  }
});

test('who has heard of the last piece and wants nothing does not wait', () => {
  const one = parting();
  const silent = { peers: crowd(20, everywhere, false), fewestCopies: () => 0 };
  assert.ok(one.isNeeded(asMillis(9_999), 300, silent), 'word of it is on its way');
  assert.ok(!one.isNeeded(asMillis(10_000), 300, silent));
  assert.ok(one.isNeeded(asMillis(10_000), 300, STRANDED));
});

test('who has been let go is not called back by time or by giving', () => {
  fc.assert(
    fc.property(fc.nat(60_000), fc.nat(4_000), fc.nat(60_000), fc.nat(4_000), (ms, bytes, moreMs, more) => {
      const one = parting();
      if (one.isNeeded(asMillis(5_000 + ms), 300 + bytes, STRANDED)) return;
      assert.ok(!one.isNeeded(asMillis(5_000 + ms + moreMs), 300 + bytes + more, STRANDED));
    }),
  );
});
