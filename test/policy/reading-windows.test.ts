import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReadingWindows, windowLength } from '../../engine/policy/reading-windows.js';
import { asMillis, asPiece } from '../../engine/units.js';

/** Deadlines as they stand, by piece. */
function setup(length: number) {
  const due = new Map<number, number>();
  const windows = new ReadingWindows<string>(
    {
      setDeadline: (piece, at) => due.set(piece, at),
      clearDeadline: (piece) => due.delete(piece),
    },
    length,
  );
  const move = (reader: string, from: number, end: number, now: number, paceMs = 10): void =>
    windows.move(reader, asPiece(from), end, asMillis(now), paceMs);
  return { due, windows, move, drawn: () => [...due].sort(([a], [b]) => a - b) };
}

describe('ReadingWindows', () => {
  it('wants the pieces ahead of a reader one after the other, and none beyond its end', () => {
    const { move, drawn } = setup(3);
    move('a', 4, 100, 1_000);
    assert.deepEqual(drawn(), [
      [4, 1_000],
      [5, 1_010],
      [6, 1_020],
    ]);
    move('a', 98, 100, 2_000);
    assert.deepEqual(drawn(), [
      [98, 2_000],
      [99, 2_010],
    ]);
    move('a', 99, 99, 3_000);
    assert.deepEqual(drawn(), []);
  });

  it('goes by the reader who wants a piece first, and by the other when that one has gone on', () => {
    const { move, drawn, windows } = setup(3);
    move('slow', 10, 100, 0, 100);
    move('quick', 11, 100, 0, 10);
    assert.deepEqual(drawn(), [
      [10, 0],
      [11, 0],
      [12, 10],
      [13, 20],
    ]);
    move('quick', 40, 100, 50, 10);
    assert.deepEqual(drawn(), [
      [10, 0],
      [11, 100],
      [12, 200],
      [40, 50],
      [41, 60],
      [42, 70],
    ]);
    windows.leave('slow');
    windows.leave('slow');
    assert.deepEqual(
      drawn().map(([piece]) => piece),
      [40, 41, 42],
    );
    windows.leave('quick');
    assert.deepEqual(drawn(), []);
  });

  it('has a window of some megabytes, neither too few pieces nor too many', () => {
    assert.equal(windowLength(256 * 1024), 32);
    assert.equal(windowLength(16 * 1024), 128);
    assert.equal(windowLength(64 * 1024 * 1024), 4);
  });

  it('holds exactly the earliest wish for each piece, after any moves of several readers', () => {
    const step = fc.record({
      reader: fc.constantFrom('a', 'b', 'c'),
      leaves: fc.boolean(),
      from: fc.nat(20),
      length: fc.nat(20),
      now: fc.nat(1_000),
      paceMs: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 1, max: 8 }), (steps, length) => {
        const { due, windows, move } = setup(length);
        const readers = new Map<string, (typeof steps)[number]>();
        for (const s of steps) {
          if (s.leaves) {
            windows.leave(s.reader);
            readers.delete(s.reader);
          } else {
            move(s.reader, s.from, s.from + s.length, s.now, s.paceMs);
            readers.set(s.reader, s);
          }
          const expected = new Map<number, number>();
          for (const { from, length: left, now, paceMs } of readers.values()) {
            for (let i = 0; i < Math.min(left, length); i++)
              expected.set(from + i, Math.min(expected.get(from + i) ?? Infinity, now + i * paceMs));
          }
          assert.deepEqual(new Map([...due].sort()), new Map([...expected].sort()));
        }
      }),
    );
  });
});
