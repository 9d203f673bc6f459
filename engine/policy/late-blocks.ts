/**
 * Late blocks: blocks with a deadline that the one peer asked for them will, by its pace, send too late. Found a few
 * times a second, in one pass over what is asked for; each may be asked of one further peer that is much quicker, and of
 * one more when all that were asked have stalled.
 */
import type { Millis, PieceIndex } from '../units.js';
import { type BlockLedger, MAX_REQUESTERS } from './block-ledger.js';
import type { PiecePicker } from './piece-picker.js';

/** Late blocks that are kept, those due first. */
const MAX_LATE = 16;
/**
 * Blocks that may be asked twice at first or after a while without need, and for each block with a deadline that comes
 * such a part of one: in a swarm that is too slow for its viewers all is late, and twice would make it slower.
 */
const MAX_CREDIT = 16;
const CREDIT_PER_BLOCK = 1 / 256;
/**
 * Who takes so long for a block may never send it: to ask another too needs no credit, and where 75 peers that send
 * nothing were asked first a reader waits 5 s instead of 27. Were they to send all the same, it would be 3 kB/s each.
 */
const STALLED_MS = 5_000;
/**
 * The second peer must be so many times as quick: estimates err, and the first copy may be on its way. Less is enough
 * where the second comes in time.
 */
const TIMES_AS_LATE = 4;
const TIMES_AS_LATE_IN_TIME = 2;

interface LateBlock {
  readonly row: number;
  readonly piece: PieceIndex;
  readonly block: number;
  readonly dueAt: number;
  /** When it is expected from whom it was asked of. */
  readonly expectedAt: number;
  /** How many peers were asked for it. */
  readonly requesters: number;
  /** All of them are stalled: it needs no credit. */
  readonly isFree: boolean;
}

interface Paces {
  now(): Millis;
  paceMs(peer: number): number;
}

export class LateBlocks {
  readonly #ledger: BlockLedger;
  readonly #picker: PiecePicker;
  /** The earliest first. */
  #late: LateBlock[] = [];
  #credit = MAX_CREDIT;

  constructor(ledger: BlockLedger, picker: PiecePicker) {
    this.#ledger = ledger;
    this.#picker = picker;
  }

  /** Nothing may be taken. */
  get isEmpty(): boolean {
    return this.#late.length === 0 || (this.#credit < 1 && !this.#late.some(({ isFree }) => isFree));
  }

  /** A block with a deadline has come. */
  onArrived(): void {
    this.#credit = Math.min(MAX_CREDIT, this.#credit + CREDIT_PER_BLOCK);
  }

  clear(): void {
    this.#late.length = 0;
  }

  /** Finds them anew. */
  review(paces: Paces): void {
    const now = paces.now();
    const late: LateBlock[] = [];
    const isStalled = (peer: number): boolean => paces.paceMs(peer) >= STALLED_MS;
    for (const peer of this.#ledger.busyPeers) {
      const paceMs = paces.paceMs(peer);
      this.#ledger.forEachMissing(peer, (row, block, ahead, requesters) => {
        if (requesters === MAX_REQUESTERS || !this.#ledger.isDue(row)) return;
        const piece = this.#ledger.pieceOf(row);
        const dueAt = this.#picker.deadlineOf(piece);
        const expectedAt = now + paceMs * (ahead + 1);
        if (expectedAt <= dueAt) return;
        const isFree = paceMs >= STALLED_MS && this.#ledger.everyRequester(piece, block, isStalled);
        if (isFree || requesters === 1)
          late.push({ row, piece, block, dueAt, expectedAt, requesters, isFree });
      });
    }
    late.sort((a, b) => a.dueAt - b.dueAt || b.expectedAt - a.expectedAt);
    this.#late = late.slice(0, MAX_LATE);
  }

  /** Takes out the one due first that `peer`, who would send it at `arrivesAt`, sends much sooner, if `mayTake` agrees. */
  take(
    peer: number,
    now: Millis,
    arrivesAt: Millis,
    mayTake: (row: number) => boolean,
  ): LateBlock | undefined {
    if (!Number.isFinite(arrivesAt)) return undefined;
    for (let at = 0; at < this.#late.length; at++) {
      const late = this.#late[at]!;
      if (!late.isFree && this.#credit < 1) continue;
      const times = arrivesAt <= late.dueAt ? TIMES_AS_LATE_IN_TIME : TIMES_AS_LATE;
      if (late.expectedAt - now < times * (arrivesAt - now)) continue;
      // Since the review the block may have come, or its row been given to another piece.
      if (this.#ledger.rowOf(late.piece) !== late.row) continue;
      if (!this.#ledger.isAskedOfOthers(late.row, late.block, peer, late.requesters)) continue;
      if (!mayTake(late.row)) continue;
      this.#late.splice(at, 1);
      if (!late.isFree) this.#credit--;
      return late;
    }
    return undefined;
  }
}
