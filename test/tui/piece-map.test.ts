import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PIECE_STATE } from '../../engine/snapshot.js';
import { availabilityCells, distributedCopies, mapCells, pieceCells } from '../../tui/piece-map.js';

const LETTERS: Record<string, number> = {
  '.': PIECE_STATE.missing,
  r: PIECE_STATE.requested,
  v: PIECE_STATE.verifying,
  H: PIECE_STATE.have,
  '-': PIECE_STATE.unwanted,
};

/** `states` and `availability` as drawings: one character a piece. */
function cells(states: string, availability: string, count: number): string[] {
  return pieceCells(
    Uint8Array.from(states, (letter) => LETTERS[letter] ?? 0),
    Uint8Array.from(availability, Number),
    count,
  ).map((cell) => (cell.kind === 'have' ? `have ${cell.share}` : cell.kind));
}

test('gives every piece its cell when there is room', () => {
  assert.deepEqual(cells('.rvH-', '11111', 5), ['missing', 'requested', 'verifying', 'have 1', 'unwanted']);
});

test('shows in a cell of many pieces what moves, then how much is there', () => {
  assert.deepEqual(cells('HHHHHvHr.H.H', '111111111111', 3), ['have 1', 'verifying', 'have 0.5']);
  assert.deepEqual(cells('H.r.', '1111', 1), ['requested']);
});

test('counts only wanted pieces', () => assert.deepEqual(cells('H-H-', '1111', 1), ['have 1']));

test('marks missing pieces that nobody has', () => {
  assert.deepEqual(cells('....', '1101', 2), ['missing', 'nowhere']);
  assert.deepEqual(cells('HH', '00', 2), ['have 1', 'have 1']);
});

test('takes all cells for many pieces and a few cells a piece for few', () => {
  assert.equal(mapCells(10_000, 300), 300);
  assert.equal(mapCells(100, 300), 300);
  assert.equal(mapCells(150, 350), 300);
  assert.equal(mapCells(4, 300), 12);
  assert.equal(mapCells(0, 300), 0);
});

test('shows the rarest piece of each availability cell', () => {
  assert.deepEqual(availabilityCells(Uint8Array.of(3, 1, 9, 0), 2), [1, 0]);
});

test('counts whole and broken copies', () => {
  assert.equal(distributedCopies(Uint8Array.of(2, 2, 3, 4)), 2.5);
  assert.equal(distributedCopies(Uint8Array.of(0, 1)), 0.5);
  assert.equal(distributedCopies(new Uint8Array()), 0);
});

test('covers any number of pieces with any number of cells', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ max: 5, maxLength: 500 }),
      fc.integer({ min: 1, max: 400 }),
      (states, count) => {
        const made = pieceCells(states, new Uint8Array(states.length), count);
        assert.equal(made.length, states.length === 0 ? 0 : count);
        for (const cell of made) if (cell.kind === 'have') assert.ok(cell.share > 0 && cell.share <= 1);
      },
    ),
  );
});
