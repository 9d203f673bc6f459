/** Shuffle: puts a list in random order, in place (Fisher and Yates): every order is equally likely. */
import type { Rng } from '../units.js';

export function shuffle<List extends unknown[] | Int32Array>(list: List, rng: Rng): List {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(rng() * (i + 1));
    const item = list[i]!;
    list[i] = list[j]!;
    list[j] = item;
  }
  return list;
}
