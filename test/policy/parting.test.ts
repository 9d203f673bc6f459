import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Parting } from '../../engine/policy/parting.js';
import { asMillis } from '../../engine/units.js';

const PIECE_BYTES = 1_000;
const parting = () => new Parting(asMillis(5_000), 300, PIECE_BYTES);
const strandedBy = (peers: number, copies: number) => ({ peers, fewestCopies: () => copies });
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
      assert.ok(!parting().isNeeded(asMillis(5_000), 300, { peers, fewestCopies }));
    }),
  );
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
