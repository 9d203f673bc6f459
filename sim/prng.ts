/** Seeded randomness: sfc32 (Doty-Humphrey), seeded through splitmix32. One stream a purpose, so that a use more in one place changes nothing elsewhere. */
import type { Rng } from '../engine/ports.js';

/** Uniform in [0, 1), the same sequence for the same numbers. @param stream which of the seed's independent sequences */
export function makeRng(seed: number, stream = 0): Rng {
  let mixed = Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b);
  const mix = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed ^ (mixed >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** A whole number in [0, below). */
export const below = (rng: Rng, limit: number): number => Math.floor(rng() * limit);

/** `count` different whole numbers in [0, limit), in no order; all of them when there are no more. */
export function sample(rng: Rng, limit: number, count: number): number[] {
  const chosen = new Set<number>();
  // Floyd's: as many draws as numbers, whatever the limit.
  for (let most = Math.max(0, limit - count); most < limit; most++) {
    const drawn = below(rng, most + 1);
    chosen.add(chosen.has(drawn) ? most : drawn);
  }
  return [...chosen];
}

/** Time until the next arrival when `perMs` come in a millisecond, independently of each other. */
export const exponential = (rng: Rng, perMs: number): number => -Math.log(1 - rng()) / perMs;
