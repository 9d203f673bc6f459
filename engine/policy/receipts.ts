/**
 * Receipts: whether a peer says that it has what we sent it. Who hides what it has seems to be in need; of what others
 * sent it we cannot know, of what we sent we do.
 */
import type { PieceIndex } from '../units.js';
import type { Bitfield } from './bitfield.js';

/** Pieces remembered, the latest that we sent something of. */
const REMEMBERED = 16;
/** Of these, the latest may well be under way, … */
const UNDER_WAY = 3;
/** … and of the others this share has to be there: some wait for blocks of slower peers. */
const LEAST_SHARE = 0.7;

export class Receipts {
  /** The latest is last; each piece once. */
  readonly #pieces: PieceIndex[] = [];

  /** We sent a block of the piece. */
  onSent(piece: PieceIndex): void {
    if (this.#pieces.at(-1) === piece) return;
    const at = this.#pieces.indexOf(piece);
    if (at >= 0) this.#pieces.splice(at, 1);
    else if (this.#pieces.length === REMEMBERED) this.#pieces.shift();
    this.#pieces.push(piece);
  }

  /** Most of what we sent, a while ago, is not in what it says it has. */
  isHiding(has: Bitfield): boolean {
    const due = this.#pieces.length - UNDER_WAY;
    if (due <= 0) return false;
    let had = 0;
    for (let i = 0; i < due; i++) if (has.get(this.#pieces[i]!)) had++;
    return had < due * LEAST_SHARE;
  }
}
