/** Asking: the peer that could be asked for blocks right now, and the blocks chosen for it so far. */
import type { PieceIndex } from '../units.js';
import { Bitfield } from './bitfield.js';

const NOBODY = -1;
const NOTHING = new Bitfield(0);
const NO_OUT = new Int32Array(0);

/** One object for all, begun anew for each peer: a block costs no memory. */
export class Asking {
  peer = NOBODY;
  has = NOTHING;
  /** Only these pieces (BEP 6 allowed fast, while choked). */
  allowed: ReadonlySet<PieceIndex> | undefined;
  count = 0;
  #most = 0;
  #out: Int32Array = NO_OUT;

  /** @param out gets (piece, block) pairs, `most` at most */
  begin(
    peer: number,
    has: Bitfield,
    most: number,
    out: Int32Array,
    allowed: ReadonlySet<PieceIndex> | undefined,
  ): void {
    this.peer = peer;
    this.has = has;
    this.allowed = allowed;
    this.count = 0;
    this.#most = Math.min(most, out.length >>> 1);
    this.#out = out;
  }

  /** How many more blocks it could be asked for. */
  get room(): number {
    return this.#most - this.count;
  }

  mayAskFor(piece: PieceIndex): boolean {
    return this.has.get(piece) && (this.allowed === undefined || this.allowed.has(piece));
  }

  choose(piece: PieceIndex, block: number): void {
    this.#out[2 * this.count] = piece;
    this.#out[2 * this.count + 1] = block;
    this.count++;
  }
}
