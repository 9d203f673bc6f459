/** Bitfield: one bit a piece, as in the `bitfield` message (BEP 3); counts its set bits. */
import { asPiece, type PieceIndex } from '../units.js';

/** The first piece of a word. */
export const HIGHEST = 0x8000_0000;

export class Bitfield {
  /** 32 pieces a word, the first in the highest bit; bits beyond `size` are always zero. */
  readonly words: Int32Array;
  #count = 0;

  constructor(readonly size: number) {
    this.words = new Int32Array((size + 31) >>> 5);
  }

  /** Copies wire bytes. Undefined when the length is wrong or a spare bit is set (BEP 3: such a peer is dropped). */
  static fromWire(bytes: Uint8Array, size: number): Bitfield | undefined {
    if (bytes.length !== byteLength(size)) return undefined;
    const spare = size & 7;
    if (spare !== 0 && (bytes[bytes.length - 1]! & (0xff >>> spare)) !== 0) return undefined;
    const field = new Bitfield(size);
    for (let at = 0; at < bytes.length; at++) field.words[at >>> 2]! |= bytes[at]! << shiftOf(at);
    field.#count = countBits(field.words);
    return field;
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size);
    field.words.fill(-1);
    const spare = size & 31;
    if (spare !== 0) field.words[field.words.length - 1] = -1 << (32 - spare);
    field.#count = size;
    return field;
  }

  /** As on the wire, most significant bit first. */
  toWire(): Uint8Array {
    const bytes = new Uint8Array(byteLength(this.size));
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.words[at >>> 2]! >>> shiftOf(at);
    return bytes;
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  get(index: PieceIndex): boolean {
    return (this.words[index >>> 5]! & (HIGHEST >>> (index & 31))) !== 0;
  }

  /** True when the bit was clear. */
  set(index: PieceIndex): boolean {
    const mask = HIGHEST >>> (index & 31);
    const word = this.words[index >>> 5]!;
    if ((word & mask) !== 0) return false;
    this.words[index >>> 5] = word | mask;
    this.#count++;
    return true;
  }

  /** True when the bit was set. */
  clear(index: PieceIndex): boolean {
    const mask = HIGHEST >>> (index & 31);
    const word = this.words[index >>> 5]!;
    if ((word & mask) === 0) return false;
    this.words[index >>> 5] = word & ~mask;
    this.#count--;
    return true;
  }

  copy(): Bitfield {
    const field = new Bitfield(this.size);
    field.words.set(this.words);
    field.#count = this.#count;
    return field;
  }
}

/** Calls `visit` for each set bit, in order. */
export function forEachSet(field: Bitfield, visit: (index: PieceIndex) => void): void {
  for (let word = 0; word < field.words.length; word++) {
    for (let bits = field.words[word]!; bits !== 0; bits &= ~(HIGHEST >>> Math.clz32(bits))) {
      visit(asPiece(32 * word + Math.clz32(bits)));
    }
  }
}

/** How many bits are set in both. They are of one size. */
export function countCommon(a: Bitfield, b: Bitfield): number {
  let count = 0;
  for (let word = 0; word < a.words.length; word++) {
    for (let bits = a.words[word]! & b.words[word]!; bits !== 0; bits &= bits - 1) count++;
  }
  return count;
}

function countBits(words: Int32Array): number {
  let count = 0;
  for (let bits of words) {
    for (; bits !== 0; bits &= bits - 1) count++;
  }
  return count;
}

const byteLength = (size: number): number => (size + 7) >>> 3;

/** Of the byte at `at`, within its word. */
const shiftOf = (at: number): number => 24 - 8 * (at & 3);
