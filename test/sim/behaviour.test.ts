/** Policies to compare with: each differs from the engine's in what it is named for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { BlockScheduler } from '../../engine/policy/block-scheduler.js';
import type { ChokerPeer } from '../../engine/policy/choker.js';
import { PiecePicker } from '../../engine/policy/piece-picker.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import { asMillis, BLOCK_BYTES } from '../../engine/units.js';
import { FastestFirstSeed } from '../../sim/other-chokers.js';
import { NoEndgame } from '../../sim/other-pickers.js';
import { makeRng } from '../../sim/prng.js';

test('without endgame, the last blocks are asked of one peer each', () => {
  const geometry = new TorrentGeometry(2 * BLOCK_BYTES, 4 * BLOCK_BYTES);
  const all = Bitfield.full(geometry.pieceCount);
  const askedOfSecond = (Picker: typeof PiecePicker): number => {
    const picker = new Picker(geometry, makeRng(1, 0));
    picker.setWanted(all);
    const scheduler = new BlockScheduler(geometry, picker, {
      beginPiece: () => true,
      paceMs: (peer) => (peer === 0 ? 1_000 : 10),
      now: () => asMillis(0),
    });
    picker.onPeerPieces(all);
    picker.onPeerPieces(all);
    const out = new Int32Array(32);
    assert.equal(scheduler.nextBlocks(0, all, 16, out), 4);
    return scheduler.nextBlocks(1, all, 16, out);
  };
  assert.ok(askedOfSecond(PiecePicker) > 0);
  assert.equal(askedOfSecond(NoEndgame), 0);
});

test('a seed that goes by speed keeps its slots for those who take the most', () => {
  const choker = new FastestFirstSeed(makeRng(1, 0));
  const peersAt = (second: number): ChokerPeer[] =>
    Array.from({ length: 12 }, (_, id) => ({
      id,
      interested: true,
      snubbed: false,
      downloadRate: 0,
      uploadedBytes: second * 1000 * (id + 1),
      downloadedBytes: 0,
      pieces: 0,
      idle: false,
      prefix: `${id}`,
    }));
  for (let second = 0; second <= 100; second += 10) {
    const { unchoked } = choker.rechoke(asMillis(second * 1000), peersAt(second), {
      seeding: true,
      uploadSlots: 4,
    });
    if (second === 0) continue;
    for (const quickest of [8, 9, 10, 11]) assert.ok(unchoked.has(quickest), `${quickest} at ${second} s`);
  }
});
