/**
 * Reading windows: deadlines for the pieces ahead of whoever reads a torrent while it downloads, each later than the
 * one before. Beyond the windows nothing is in order, so that a reader has something that others want.
 */
import { asMillis, asPiece, type Millis, type PieceIndex } from '../units.js';

/** How far ahead of a reader pieces have deadlines. */
const WINDOW_BYTES = 8 * 1024 * 1024;
const MIN_PIECES = 4;
/** Moving costs a step for each piece of the window. */
const MAX_PIECES = 128;

/** Pieces of a reader's window. */
export const windowLength = (pieceLength: number): number =>
  Math.max(MIN_PIECES, Math.min(MAX_PIECES, Math.ceil(WINDOW_BYTES / pieceLength)));

export interface DeadlineSetter {
  setDeadline(piece: PieceIndex, dueAt: Millis): void;
  clearDeadline(piece: PieceIndex): void;
}

interface Window {
  /** The piece that is read, and the one after the last that is wanted soon. */
  readonly from: number;
  readonly end: number;
  /** When `from` is due, and how much later each next one is. */
  readonly dueAt: number;
  readonly paceMs: number;
}

export class ReadingWindows<Reader> {
  readonly #deadlines: DeadlineSetter;
  readonly #length: number;
  readonly #windows = new Map<Reader, Window>();

  /** @param length of a window, in pieces */
  constructor(deadlines: DeadlineSetter, length: number) {
    this.#deadlines = deadlines;
    this.#length = length;
  }

  /**
   * The reader has come to `piece`, which is due now; it reads until before `end`.
   * @param paceMs how long it takes for a piece
   */
  move(reader: Reader, piece: PieceIndex, end: number, now: Millis, paceMs: number): void {
    const before = this.#windows.get(reader);
    const window = { from: piece, end: Math.min(end, piece + this.#length), dueAt: now, paceMs };
    this.#windows.set(reader, window);
    if (before !== undefined) this.#update(before, window);
    this.#update(window);
  }

  /** It reads no more. */
  leave(reader: Reader): void {
    const before = this.#windows.get(reader);
    if (before === undefined) return;
    this.#windows.delete(reader);
    this.#update(before);
  }

  /** Of a window's pieces, but for those of another. */
  #update({ from, end }: Window, except?: Window): void {
    for (let index = from; index < end; index++) {
      if (except !== undefined && index >= except.from && index < except.end) continue;
      const dueAt = this.#dueAt(index);
      if (dueAt === undefined) this.#deadlines.clearDeadline(asPiece(index));
      else this.#deadlines.setDeadline(asPiece(index), dueAt);
    }
  }

  /** For the reader who wants it first; undefined where nobody does. */
  #dueAt(index: number): Millis | undefined {
    let earliest: number | undefined;
    for (const { from, end, dueAt, paceMs } of this.#windows.values()) {
      if (index < from || index >= end) continue;
      const due = dueAt + (index - from) * paceMs;
      if (earliest === undefined || due < earliest) earliest = due;
    }
    return earliest === undefined ? undefined : asMillis(earliest);
  }
}
