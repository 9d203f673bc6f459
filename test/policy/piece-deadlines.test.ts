import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { PieceDeadlines } from '../../engine/policy/piece-deadlines.js';
import { asMillis, asPiece } from '../../engine/units.js';
import { field } from './drawings.js';

const at = asMillis;
const piece = asPiece;
/** Pieces that a peer is compared with. */
const FRONT = 128;

/** Of `has`, in the order in which they are begun. */
function drained(deadlines: PieceDeadlines, has: Bitfield, now = at(0), arrivesAt = at(0)): number[] {
  const order: number[] = [];
  for (let next = deadlines.earliest(has, now, arrivesAt); next >= 0; ) {
    order.push(next);
    deadlines.close(piece(next));
    next = deadlines.earliest(has, now, arrivesAt);
  }
  return order;
}

describe('PieceDeadlines', () => {
  it('gives the earliest that the peer has, equals in the order in which they were set', () => {
    const deadlines = new PieceDeadlines(5);
    for (const [index, due] of [30, 10, 20, 10].entries()) deadlines.set(piece(index), at(due), true);
    assert.equal(deadlines.earliest(field('10110'), at(0), at(0)), 3);
    assert.deepEqual(drained(deadlines, Bitfield.full(5)), [1, 3, 2, 0]);
    assert.equal(deadlines.openCount, 0);
    assert.equal(deadlines.count, 4, 'they are due all the same');
  });

  it('leaves what the peer cannot make to others, until it is overdue', () => {
    const deadlines = new PieceDeadlines(2);
    deadlines.set(piece(0), at(100), true);
    deadlines.set(piece(1), at(900), true);
    const all = Bitfield.full(2);
    assert.equal(deadlines.earliest(all, at(0), at(100)), 0);
    assert.equal(deadlines.earliest(all, at(0), at(101)), 1);
    assert.equal(deadlines.earliest(all, at(0), at(901)), -1);
    assert.equal(deadlines.earliest(all, at(100), at(901)), 0);
  });

  it('follows changed and cleared deadlines; a time that is never clears', () => {
    const deadlines = new PieceDeadlines(3);
    for (const index of [0, 1, 2]) deadlines.set(piece(index), at(10 * index), true);
    deadlines.set(piece(0), at(50), true);
    deadlines.set(piece(1), at(Number.NaN), true);
    assert.equal(deadlines.count, 2);
    assert.deepEqual(drained(deadlines, Bitfield.full(3)), [2, 0]);
    deadlines.set(piece(2), at(Number.POSITIVE_INFINITY), false);
    deadlines.set(piece(2), at(Number.NEGATIVE_INFINITY), false);
    assert.equal(deadlines.count, 1);
    assert.equal(deadlines.dueAt(piece(2)), Number.POSITIVE_INFINITY);
  });

  it('looks at a bounded number of a hundred thousand, and loses none', () => {
    const count = 100_000;
    const deadlines = new PieceDeadlines(count);
    // In a scattered order: the step and the number have no common divisor.
    for (let i = 0; i < count; i++) {
      const index = (i * 7_919) % count;
      deadlines.set(piece(index), at(count - index), true);
    }
    assert.equal(deadlines.openCount, count);
    const late = new Bitfield(count);
    late.set(piece(0));
    late.set(piece(count - FRONT - 1));
    assert.equal(deadlines.earliest(late, at(0), at(0)), -1, 'it has none of the earliest');
    deadlines.close(piece(count - 1));
    assert.equal(deadlines.earliest(late, at(0), at(0)), count - FRONT - 1);
    const order = drained(deadlines, Bitfield.full(count));
    assert.deepEqual(
      order,
      Array.from({ length: count - 1 }, (_, i) => count - 2 - i),
    );
  });

  it('agrees with sorting, through any history', () => {
    const size = 400;
    const step = fc.record({
      do: fc.constantFrom(
        'set' as const,
        'set' as const,
        'clear' as const,
        'open' as const,
        'close' as const,
      ),
      first: fc.nat(size - 1),
      // Many at once, so that the front runs over and empties.
      count: fc.integer({ min: 1, max: 200 }),
      due: fc.nat(50),
      stride: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.nat(), (steps, salt) => {
        const deadlines = new PieceDeadlines(size);
        const due = new Map<number, number>();
        const open = new Set<number>();
        for (const s of steps) {
          for (let i = 0; i < s.count; i++) {
            const index = (s.first + i) % size;
            const dueAt = s.due + i * s.stride;
            if (s.do === 'set') {
              deadlines.set(piece(index), at(dueAt), open.has(index));
              due.set(index, dueAt);
            } else if (s.do === 'clear') {
              deadlines.set(piece(index), at(Number.POSITIVE_INFINITY), open.has(index));
              due.delete(index);
            } else if (s.do === 'open' && !open.has(index)) {
              open.add(index);
              deadlines.open(piece(index));
            } else if (s.do === 'close' && open.delete(index)) {
              deadlines.close(piece(index));
            }
          }
          const inOrder = [...open].filter((i) => due.has(i)).sort((a, b) => due.get(a)! - due.get(b)!);
          assert.equal(deadlines.openCount, inOrder.length);
          assert.equal(deadlines.count, due.size);
          const has = new Bitfield(size);
          for (let i = salt % 7; i < size; i += 1 + (salt % 5)) has.set(piece(i));
          const found = deadlines.earliest(has, at(0), at(0));
          const earliest = inOrder.find((i) => has.get(piece(i)));
          if (found >= 0) assert.equal(due.get(found), due.get(earliest!));
          // Equals may lie on both sides of the front's end.
          else if (earliest !== undefined) assert.ok(due.get(earliest)! >= due.get(inOrder[FRONT - 1]!)!);
        }
        const rest = [...open].filter((i) => due.has(i)).map((i) => due.get(i)!);
        const order = drained(deadlines, Bitfield.full(size)).map((i) => due.get(i));
        assert.deepEqual(
          order,
          rest.sort((a, b) => a - b),
        );
      }),
      { numRuns: 200 },
    );
  });
});
