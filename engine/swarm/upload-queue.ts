/**
 * Upload queue: one peer's requests that we have yet to answer, in order, bounded, without an object a request.
 *
 * Contiguous requests of equal length come out as one run, so that a run of blocks costs one send.
 */
import type { PieceIndex } from '../units.js';

/**
 * What we tell peers as `reqq`; more is refused. Transmission keeps so many requests out and adds to them twice a
 * second: with 500 it takes 7 MB/s of us, with 2,000 about 30, as of libtorrent, which says 2,000 too. 24 KB a peer.
 */
export const MAX_QUEUED_REQUESTS = 2_000;
/** Few peers ask for more at a time; the ring doubles for those that do. */
const INITIAL_ROOM = 8;
const NOTHING = new Int32Array(0);

/** The next run: `blocks` requests of `blockBytes` each, back to back from `begin`. */
export interface UploadRun {
  piece: PieceIndex;
  begin: number;
  blockBytes: number;
  blocks: number;
}

export class UploadQueue {
  /** (piece, begin, length) triples, a ring; of no room until somebody asks. */
  #ring = NOTHING;
  #room = 0;
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when the queue is full. Duplicates are not looked for: a peer may ask twice after the answer as well. */
  push(piece: PieceIndex, begin: number, length: number): boolean {
    if (this.#size === MAX_QUEUED_REQUESTS) return false;
    if (this.#size === this.#room) this.#grow();
    this.#write(this.#size++, piece, begin, length);
    return true;
  }

  /** False when it was not queued. */
  remove(piece: PieceIndex, begin: number, length: number): boolean {
    const found = this.#find(piece, begin, length);
    if (found < 0) return false;
    for (let i = found + 1; i < this.#size; i++) {
      const at = this.#at(i);
      this.#write(i - 1, this.#ring[at]!, this.#ring[at + 1]!, this.#ring[at + 2]!);
    }
    this.#size--;
    return true;
  }

  /** Writes the run at the head, of at most `maxBlocks`, into `run`. False when empty. */
  peekRun(run: UploadRun, maxBlocks: number): boolean {
    if (this.#size === 0) return false;
    const head = this.#at(0);
    run.piece = this.#ring[head]! as PieceIndex;
    run.begin = this.#ring[head + 1]!;
    run.blockBytes = this.#ring[head + 2]!;
    run.blocks = 1;
    const most = Math.min(this.#size, maxBlocks);
    while (run.blocks < most) {
      const at = this.#at(run.blocks);
      const follows = this.#ring[at + 1] === run.begin + run.blocks * run.blockBytes;
      if (this.#ring[at] !== run.piece || !follows || this.#ring[at + 2] !== run.blockBytes) break;
      run.blocks++;
    }
    return true;
  }

  /** Drops the first `count` requests: they are answered. */
  shift(count: number): void {
    this.#head = (this.#head + count) % this.#room;
    this.#size -= count;
  }

  /** Empties the queue, telling each request, oldest first. */
  clear(visit: (piece: PieceIndex, begin: number, length: number) => void): void {
    for (let i = 0; i < this.#size; i++) {
      const at = this.#at(i);
      visit(this.#ring[at]! as PieceIndex, this.#ring[at + 1]!, this.#ring[at + 2]!);
    }
    this.#size = 0;
  }

  /** Looks back from the newest: cancels concern what was just asked. */
  #find(piece: PieceIndex, begin: number, length: number): number {
    for (let i = this.#size - 1; i >= 0; i--) {
      const at = this.#at(i);
      if (this.#ring[at] === piece && this.#ring[at + 1] === begin && this.#ring[at + 2] === length) return i;
    }
    return -1;
  }

  #at(index: number): number {
    return ((this.#head + index) % this.#room) * 3;
  }

  #grow(): void {
    const room = Math.min(Math.max(2 * this.#room, INITIAL_ROOM), MAX_QUEUED_REQUESTS);
    const ring = new Int32Array(room * 3);
    // What goes round the end comes after it.
    ring.set(this.#ring.subarray(this.#head * 3), 0);
    ring.set(this.#ring.subarray(0, this.#head * 3), (this.#room - this.#head) * 3);
    this.#ring = ring;
    this.#room = room;
    this.#head = 0;
  }

  #write(index: number, piece: number, begin: number, length: number): void {
    const at = this.#at(index);
    this.#ring[at] = piece;
    this.#ring[at + 1] = begin;
    this.#ring[at + 2] = length;
  }
}
