/** Strategic chokers: whom they serve, and how much. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChokerPeer } from '../../engine/policy/choker.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import type { SwarmState } from '../../engine/swarm/swarm-state.js';
import { asMillis } from '../../engine/units.js';
import { makeRng } from '../../sim/prng.js';
import { AnswersOnly, StrategicChoker } from '../../sim/strategic-chokers.js';

const LEECHING = { seeding: false, uploadSlots: 4 };

/** Of the swarm's state, what strategic chokers look at: who lets us ask. */
const stateWhere = (giving: (id: number) => boolean): (() => SwarmState) => {
  const peers = { get: (id: number) => ({ peerChoking: !giving(id) }) };
  const geometry = new TorrentGeometry(262_144, 26_214_400);
  return () => ({ peers, geometry }) as unknown as SwarmState;
};

const peerOf = (id: number, fields: Partial<ChokerPeer> = {}): ChokerPeer => ({
  id,
  interested: true,
  snubbed: false,
  downloadRate: 0,
  uploadedBytes: 0,
  downloadedBytes: 0,
  pieces: 0,
  idle: false,
  prefix: `${id}`,
  ...fields,
});

test('who answers only serves nobody who chokes it', () => {
  const choker = new AnswersOnly(
    makeRng(1, 0),
    stateWhere((id) => id === 2),
  );
  const peers = [0, 1, 2, 3].map((id) => peerOf(id));
  assert.deepEqual([...choker.rechoke(asMillis(0), peers, LEECHING).unchoked], [2]);
});

test('a tyrant serves as many as its uplink pays for, and chokes who has had its price', () => {
  // 80 kbit/s are 10,240 bytes a second: two peers at 6,000.
  const choker = new StrategicChoker(
    makeRng(1, 0),
    stateWhere(() => false),
    80,
    6_000,
  );
  const peers = [0, 1, 2, 3].map((id) => peerOf(id));
  const first = [...choker.rechoke(asMillis(0), peers, LEECHING).unchoked];
  assert.equal(first.length, 2);
  const paid = peers.map((peer) => (peer.id === first[0] ? { ...peer, uploadedBytes: 60_000 } : peer));
  assert.deepEqual([...choker.rechoke(asMillis(1_000), paid, LEECHING).unchoked], [first[1]]);
});

test('a tyrant gives less to who gives for long, and turns from who never does', () => {
  const choker = new StrategicChoker(
    makeRng(1, 0),
    stateWhere((id) => id === 0),
    80,
    6_000,
  );
  let uploaded = 0;
  for (let round = 0; round < 8; round++) {
    const peers = [0, 1, 2].map((id) =>
      peerOf(id, { downloadRate: id === 0 ? 20_000 : 0, uploadedBytes: uploaded }),
    );
    assert.ok(round === 0 || choker.rechoke(asMillis(round * 10_000), peers, LEECHING).unchoked.has(0));
    if (round === 0) choker.rechoke(asMillis(0), peers, LEECHING);
    uploaded += 100_000;
  }
  // Six rounds of giving, four of them beyond the second: 6,000 × 0.9⁴ × 10 s is less than this.
  const spent = [peerOf(0, { downloadRate: 20_000, uploadedBytes: uploaded - 100_000 + 45_000 })];
  assert.equal(choker.rechoke(asMillis(71_000), spent, LEECHING).unchoked.size, 0);
});
