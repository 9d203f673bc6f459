/** Drawings: bit fields written as "1101", and a random source that can be repeated, for the policy tests. */
import { Bitfield } from '../../engine/policy/bitfield.js';
import { asPiece } from '../../engine/units.js';

export function field(drawing: string): Bitfield {
  const bits = new Bitfield(drawing.length);
  for (let i = 0; i < drawing.length; i++) if (drawing[i] === '1') bits.set(asPiece(i));
  return bits;
}

/** Uniform in [0, 1), the same sequence for the same seed (mulberry32). */
export function seededRng(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
