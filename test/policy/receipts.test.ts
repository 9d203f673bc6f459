import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { Receipts } from '../../engine/policy/receipts.js';
import { asPiece } from '../../engine/units.js';

const PIECES = 100;

function hasAll(pieces: Iterable<number>): Bitfield {
  const has = new Bitfield(PIECES);
  for (const piece of pieces) has.set(asPiece(piece));
  return has;
}

/** Whether who was sent these pieces, one after the other, and says it has those, hides some. */
function isHiding(sent: readonly number[], has: Iterable<number>): boolean {
  const receipts = new Receipts();
  for (const piece of sent) receipts.onSent(asPiece(piece));
  return receipts.isHiding(hasAll(has));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('receipts', () => {
  it('believe who has all but the latest pieces that it was sent', () => {
    const sent = fc.uniqueArray(fc.nat(PIECES - 1), { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(sent, fc.nat(3), (pieces, underWay) => {
        assert.equal(isHiding(pieces, pieces.slice(0, Math.max(0, pieces.length - underWay))), false);
      }),
    );
  });

  it('doubt who shows few of the pieces that it was sent, whatever else it shows', () => {
    assert.equal(isHiding(upTo(20), [4, 8, 12, 16, ...upTo(PIECES).slice(20)]), true);
    assert.equal(
      isHiding(
        upTo(20),
        upTo(20).filter((piece) => piece % 5 !== 0),
      ),
      false,
    );
  });

  it('wait until a peer was sent several pieces', () => {
    assert.equal(isHiding(upTo(3), []), false);
    assert.equal(isHiding(upTo(4), []), true);
  });

  it('take a piece that is sent again for one under way', () => {
    assert.equal(isHiding(upTo(4), [1, 2, 3]), true);
    assert.equal(isHiding([...upTo(4), 0], [1, 2, 3]), false);
  });

  it('forget what was long ago', () => {
    assert.equal(isHiding(upTo(50), upTo(50).slice(34)), false);
  });
});
