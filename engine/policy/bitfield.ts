/** Bitfield: one bit a piece, most significant bit first, as on the wire (BEP 3 `bitfield`); counts its set bits. */
import type { PieceIndex } from '../units.js';

export class Bitfield {
  /** Bits beyond `size` are always zero. */
  readonly bytes: Uint8Array;
  #count = 0;

  constructor(readonly size: number) {
    this.bytes = new Uint8Array((size + 7) >>> 3);
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
