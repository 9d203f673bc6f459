/** Bitfield: one bit a piece, most significant bit first, as on the wire (BEP 3 `bitfield`); counts its set bits. */
import { asPiece, type PieceIndex } from '../units.js';

export class Bitfield {
  /** Bits beyond `size` are always zero. */
  readonly bytes: Uint8Array;
  /** The same memory, four bytes a word in the machine's order: to skip what is zero. */
  readonly words: Int32Array;
  #count = 0;

  constructor(readonly size: number) {
    this.words = new Int32Array((size + 31) >>> 5);
    this.bytes = new Uint8Array(this.words.buffer, 0, (size + 7) >>> 3);
  }

  /** Copies wire bytes. Undefined when the length is wrong or a spare bit is set (BEP 3: such a peer is dropped). */
  static fromWire(bytes: Uint8Array, size: number): Bitfield | undefined {
    const field = new Bitfield(size);
    if (bytes.length !== field.bytes.length) return undefined;
    const spare = size & 7;
    if (spare !== 0 && (bytes[bytes.length - 1]! & (0xff >>> spare)) !== 0) return undefined;
    field.bytes.set(bytes);
    field.#count = countBits(field.bytes);
    return field;
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size);
    field.bytes.fill(0xff);
    const spare = size & 7;
    if (spare !== 0) field.bytes[field.bytes.length - 1] = (0xff << (8 - spare)) & 0xff;
    field.#count = size;
    return field;
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  get(index: PieceIndex): boolean {
    return (this.bytes[index >>> 3]! & (0x80 >>> (index & 7))) !== 0;
  }

  /** True when the bit was clear. */
  set(index: PieceIndex): boolean {
    const mask = 0x80 >>> (index & 7);
    const byte = this.bytes[index >>> 3]!;
    if ((byte & mask) !== 0) return false;
    this.bytes[index >>> 3] = byte | mask;
    this.#count++;
    return true;
  }

  /** True when the bit was set. */
  clear(index: PieceIndex): boolean {
    const mask = 0x80 >>> (index & 7);
    const byte = this.bytes[index >>> 3]!;
    if ((byte & mask) === 0) return false;
    this.bytes[index >>> 3] = byte & ~mask;
    this.#count--;
    return true;
  }

  copy(): Bitfield {
    const field = new Bitfield(this.size);
    field.bytes.set(this.bytes);
    field.#count = this.#count;
    return field;
  }
}

/** Calls `visit` for each set bit, in order. */
export function forEachSet(field: Bitfield, visit: (index: PieceIndex) => void): void {
  for (let word = 0; word < field.words.length; word++) {
    if (field.words[word] === 0) continue;
    const end = Math.min(4 * word + 4, field.bytes.length);
    for (let at = 4 * word; at < end; at++) {
      for (let byte = field.bytes[at]!; byte !== 0; byte &= ~(0x80 >>> firstBit(byte))) {
        visit(asPiece(8 * at + firstBit(byte)));
      }
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

/** Place of the first set bit of a byte that is not zero, from the most significant on. */
export const firstBit = (byte: number): number => Math.clz32(byte) - 24;

function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (let byte of bytes) {
    while (byte !== 0) {
      byte &= byte - 1;
      count++;
    }
  }
  return count;
}
