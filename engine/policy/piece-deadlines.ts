/**
 * Piece deadlines: which pieces are wanted by when, and the open ones among them in order of time. The earliest open
 * ones are a sorted front, to be compared with what a peer has; the rest waits in a heap.
 *
 * Invariant: no piece of the heap is due before the last of the front, and the heap is empty unless the front is full.
 */
import { asMillis, asPiece, type Millis, NEVER, type PieceIndex } from '../units.js';
import type { Bitfield } from './bitfield.js';
import { DeadlineTable } from './deadline-table.js';

/** Open pieces that a peer is compared with: who has none of so many is better asked for something else. */
const FRONT_LENGTH = 128;

export class PieceDeadlines {
  readonly #pieceCount: number;
  /** By piece, NEVER where it has none; made with the first deadline, as most torrents have none. */
  #dueAt: Float64Array | undefined;
  #count = 0;
  readonly #front = new Int32Array(FRONT_LENGTH);
  #frontLength = 0;
  readonly #rest = new DeadlineTable<PieceIndex>();

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount;
  }

  /** Pieces with a deadline, open or not. */
  get count(): number {
    return this.#count;
  }

  /** Open pieces with a deadline. */
  get openCount(): number {
    return this.#frontLength + this.#rest.size;
  }

  /** When the piece is due; infinite when it has no deadline. */
  dueAt(piece: PieceIndex): Millis {
    return asMillis(this.#dueAt?.[piece] ?? NEVER);
  }

  /** Sets, changes or, with a time that is not finite, clears a deadline. */
  set(piece: PieceIndex, dueAt: Millis, isOpen: boolean): void {
    const before = this.dueAt(piece);
    const after = Number.isFinite(dueAt) ? dueAt : NEVER;
    if (before === after) return;
    if (isOpen) this.close(piece);
    this.#dueAt ??= new Float64Array(this.#pieceCount).fill(NEVER);
    this.#dueAt[piece] = after;
    this.#count += Number(after !== NEVER) - Number(before !== NEVER);
    if (isOpen) this.open(piece);
  }

  /** The piece may be begun from now on. */
  open(piece: PieceIndex): void {
    const dueAt = this.dueAt(piece);
    if (dueAt === NEVER) return;
    if (this.#frontLength < FRONT_LENGTH) this.#insert(piece, dueAt);
    else if (dueAt >= this.#dueAtPlace(FRONT_LENGTH - 1)) this.#rest.set(piece, dueAt);
    else {
      const last = asPiece(this.#front[--this.#frontLength]!);
      this.#rest.set(last, this.dueAt(last));
      this.#insert(piece, dueAt);
    }
  }

  /** The piece is begun, had or not wanted any more; it keeps its deadline. Does nothing where it is not open. */
  close(piece: PieceIndex): void {
    const dueAt = this.dueAt(piece);
    if (dueAt === NEVER) return;
    const at = this.#placeOf(piece, dueAt);
    if (at === this.#frontLength) {
      this.#rest.clear(piece);
      return;
    }
    this.#front.copyWithin(at, at + 1, this.#frontLength);
    this.#frontLength--;
    const next = this.#rest.takeEarliest();
    if (next !== undefined) this.#front[this.#frontLength++] = next;
  }

  /** No piece is open. */
  closeAll(): void {
    this.#frontLength = 0;
    while (this.#rest.takeEarliest() !== undefined);
  }

  /**
   * The earliest open piece of a peer's, among the first `FRONT_LENGTH`; −1 when it has none of them. One that is due
   * before `arrivesAt`, when the peer would send it, is left to others; unless it is overdue now, and any help welcome.
   */
  earliest(has: Bitfield, now: Millis, arrivesAt: Millis): PieceIndex | -1 {
    const dueAt = this.#dueAt;
    if (dueAt === undefined) return -1;
    for (let at = 0; at < this.#frontLength; at++) {
      const piece = asPiece(this.#front[at]!);
      if (has.get(piece) && canMake(dueAt[piece]!, now, arrivesAt)) return piece;
    }
    return -1;
  }

  #dueAtPlace(at: number): number {
    return this.#dueAt![this.#front[at]!]!;
  }

  /** First place of the front whose piece is due at `dueAt` or later. */
  #firstPlace(dueAt: number): number {
    let low = 0;
    let high = this.#frontLength;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#dueAtPlace(middle) < dueAt) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The front's length where it is not there. */
  #placeOf(piece: PieceIndex, dueAt: number): number {
    let at = this.#firstPlace(dueAt);
    while (at < this.#frontLength && this.#front[at] !== piece) {
      if (this.#dueAtPlace(at) > dueAt) return this.#frontLength;
      at++;
    }
    return at;
  }

  /** Behind those that are due at the same time. */
  #insert(piece: PieceIndex, dueAt: number): void {
    let at = this.#firstPlace(dueAt);
    while (at < this.#frontLength && this.#dueAtPlace(at) === dueAt) at++;
    this.#front.copyWithin(at + 1, at, this.#frontLength);
    this.#front[at] = piece;
    this.#frontLength++;
  }
}

/** Whether to ask somebody who would send at `arrivesAt` for what is due at `dueAt`. */
export const canMake = (dueAt: number, now: number, arrivesAt: number): boolean =>
  arrivesAt <= dueAt || dueAt <= now;
