import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield, countCommon, forEachSet } from '../../engine/policy/bitfield.js';
import { asPiece } from '../../engine/units.js';
import { field } from './drawings.js';

const drawing = fc
  .array(fc.constantFrom('0', '1'), { maxLength: 100, size: 'max' })
  .map((bits) => bits.join(''));
const drawn = (bits: Bitfield): string =>
  Array.from({ length: bits.size }, (_, i) => (bits.get(asPiece(i)) ? '1' : '0')).join('');

describe('Bitfield', () => {
  it('puts the first piece into the most significant bit, as on the wire', () => {
    assert.deepEqual([...field('100000001').toWire()], [0x80, 0x80]);
    assert.deepEqual([...Bitfield.full(12).toWire()], [0xff, 0xf0]);
  });

  it('refuses a wrong length and spare bits that are set', () => {
    assert.equal(Bitfield.fromWire(Uint8Array.of(0xff), 9), undefined);
    assert.equal(Bitfield.fromWire(Uint8Array.of(0xff, 0x80, 0), 9), undefined);
    assert.equal(Bitfield.fromWire(Uint8Array.of(0xff, 0xc0), 9), undefined);
    assert.equal(Bitfield.fromWire(Uint8Array.of(0xff, 0x80), 9)?.isFull, true);
    assert.equal(Bitfield.fromWire(new Uint8Array(0), 0)?.size, 0);
  });

  it('copies wire bytes, which change after', () => {
    const bytes = Uint8Array.of(0x80);
    const bits = Bitfield.fromWire(bytes, 8);
    bytes[0] = 0;
    assert.equal(bits?.get(asPiece(0)), true);
  });

  it('says whether a bit changed, and counts', () => {
    const bits = new Bitfield(9);
    assert.equal(bits.set(asPiece(8)), true);
    assert.equal(bits.set(asPiece(8)), false);
    assert.equal(bits.count, 1);
    assert.equal(bits.clear(asPiece(8)), true);
    assert.equal(bits.clear(asPiece(8)), false);
    assert.equal(bits.count, 0);
  });

  it('makes copies that live apart', () => {
    const bits = field('101');
    const copy = bits.copy();
    copy.set(asPiece(1));
    assert.equal(drawn(bits), '101');
    assert.equal(copy.isFull, true);
  });

  it('survives the wire, and walks, counts and compares as drawn', () => {
    fc.assert(
      fc.property(drawing, drawing, (a, b) => {
        const bits = field(a);
        const ones = [...a].flatMap((letter, i) => (letter === '1' ? [i] : []));
        const back = Bitfield.fromWire(bits.toWire(), a.length);
        assert.equal(back && drawn(back), a);
        assert.equal(back?.count, ones.length);
        const walked: number[] = [];
        forEachSet(bits, (piece) => walked.push(piece));
        assert.deepEqual(walked, ones);
        const other = field(b.padEnd(a.length, '0').slice(0, a.length));
        assert.equal(countCommon(bits, other), ones.filter((i) => b[i] === '1').length);
      }),
    );
  });
});
