/**
 * Memory watch: sees to it that the memory for pieces is with peers that deliver. While others wait for memory,
 * it opens pieces that make no headway to helpers, then lets them go, and keeps whom they waited for from
 * beginning more than half of what there is room for. Without it a few peers that claim much and send nothing,
 * or a block now and then, would hold all memory and so the whole download.
 */
import type { PieceIndex } from '../units.js';
import type { BlockLedger } from './block-ledger.js';
import { grown } from './request-table.js';

/** A piece that is so many blocks behind one a review is opened to helpers; one more, and it is let go. */
const BEHIND_TO_HELP = 1;
/** While others wait, a piece has so many reviews to be done; each time it fails it gets twice as many. */
const PATIENCE = 12;
/** The same for a piece that one peer alone may send: others wait for it whether or not memory is short. */
const SINGLE_SOURCE_PATIENCE = 6;
/** For so many reviews a piece that was let go is not given to a dawdler. */
const RESERVED_REVIEWS = 2;
const MAX_DOUBLINGS = 10;

interface Failure {
  readonly times: number;
  reservedReviews: number;
}

export class MemoryWatch {
  readonly #ledger: BlockLedger;
  // By row.
  /** Missing blocks at the last review. */
  #missing = new Int32Array(0);
  /** Blocks that it would have more at one a review. */
  #behind = new Int32Array(0);
  /** Reviews with somebody waiting. */
  #age = new Int32Array(0);
  /** Rows whose blocks may be asked of further peers, though it is not endgame: as of the last review. */
  #openToHelpers: number[] = [];
  /** Peers that kept a piece waiting, until a piece that they had a part in is verified. */
  readonly #dawdlers = new Set<number>();
  /** Pieces that were let go, until they are verified. */
  readonly #failures = new Map<PieceIndex, Failure>();
  /** Rows that there was memory for when there was no more. */
  #capacity = Number.POSITIVE_INFINITY;
  #someoneWaits = false;
  /** Somebody waited before the last review. */
  #someoneWaited = false;
  #someoneDelivers = false;

  constructor(ledger: BlockLedger) {
    this.#ledger = ledger;
  }

  onBegun(row: number): void {
    this.#missing = grown(this.#missing, row + 1, 0);
    this.#behind = grown(this.#behind, row + 1, 0);
    this.#age = grown(this.#age, row + 1, 0);
    // Its first review comes early: it is not behind by that.
    this.#missing[row] = this.#ledger.missingBlocks(row) + 1;
    this.#behind[row] = 0;
    this.#age[row] = 0;
    // What its number stood for is gone.
    const at = this.#openToHelpers.indexOf(row);
    if (at >= 0) this.#openToHelpers.splice(at, 1);
  }

  /** There was no memory for a piece. */
  onFull(): void {
    this.#capacity = this.#ledger.begunRows.length;
  }

  /** A peer that could be asked for a further piece waits for memory. */
  onStarved(): void {
    this.#someoneWaits = true;
  }

  /** Somebody has waited since the last review: asked first, it saves a search that must fail. */
  get someoneWaits(): boolean {
    return this.#someoneWaits;
  }

  onDelivered(): void {
    this.#someoneDelivers = true;
  }

  onVerified(piece: PieceIndex, contributors: Iterable<number>): void {
    this.#failures.delete(piece);
    if (this.#dawdlers.size > 0) for (const peer of contributors) this.#dawdlers.delete(peer);
  }

  /** Its number may be another's from now on. */
  onPeerLeft(peer: number): void {
    this.#dawdlers.delete(peer);
  }

  /** Dawdlers work in half of the memory, when nobody else wants it. */
  mayWork(peer: number): boolean {
    if (!this.#dawdlers.has(peer)) return true;
    if (this.#someoneWaits || this.#someoneWaited) return false;
    return 2 * this.#ledger.begunRows.length < this.#capacity;
  }

  mayBegin(peer: number, piece: PieceIndex): boolean {
    return !this.#dawdlers.has(peer) || (this.#failures.get(piece)?.reservedReviews ?? 0) === 0;
  }

  /** Rows whose blocks may be asked of further peers, though it is not endgame; some of them may be done. */
  get openToHelpers(): readonly number[] {
    return this.#openToHelpers;
  }

  /**
   * To be called every few seconds.
   * @param isSingleSource whether one peer alone may send the row's piece
   * @returns pieces to let go, at most half of those begun
   */
  review(isSingleSource: (row: number) => boolean): PieceIndex[] {
    const waiting = this.#someoneWaits;
    // Without anybody better, they are as good as any.
    if (!waiting && !this.#someoneDelivers) this.#dawdlers.clear();
    this.#someoneWaited = waiting;
    this.#someoneWaits = false;
    this.#someoneDelivers = false;
    for (const failure of this.#failures.values()) if (failure.reservedReviews > 0) failure.reservedReviews--;
    const lost: number[] = [];
    for (const row of this.#ledger.begunRows)
      if (this.#isLost(row, waiting, isSingleSource(row))) lost.push(row);
    this.#openToHelpers = this.#ledger.begunRows.filter(
      (row) => this.#behind[row]! >= BEHIND_TO_HELP || this.#age[row]! >= 2,
    );
    lost.sort((a, b) => this.#ledger.missingBlocks(b) - this.#ledger.missingBlocks(a));
    const most = Math.ceil(this.#ledger.begunRows.length / 2);
    return lost.slice(0, most).map((row) => this.#letGo(row));
  }

  #isLost(row: number, waiting: boolean, isSingleSource: boolean): boolean {
    const missing = this.#ledger.missingBlocks(row);
    const received = this.#missing[row]! - missing;
    const behind = Math.max(0, this.#behind[row]! + 1 - received);
    const counts = missing > 0 && (waiting || isSingleSource);
    this.#missing[row] = missing;
    this.#age[row] = counts ? this.#age[row]! + 1 : 0;
    this.#behind[row] = counts ? behind : Math.min(behind, BEHIND_TO_HELP);
    if (!counts) return false;
    if (behind >= BEHIND_TO_HELP) this.#blame(row);
    const times = this.#failures.get(this.#ledger.pieceOf(row))?.times ?? 0;
    const patience = (isSingleSource ? SINGLE_SOURCE_PATIENCE : PATIENCE) * 2 ** times;
    return behind > BEHIND_TO_HELP || this.#age[row]! > patience;
  }

  #letGo(row: number): PieceIndex {
    const piece = this.#ledger.pieceOf(row);
    const times = Math.min(MAX_DOUBLINGS, (this.#failures.get(piece)?.times ?? 0) + 1);
    this.#failures.set(piece, { times, reservedReviews: RESERVED_REVIEWS });
    this.#blame(row);
    return piece;
  }

  /** Whom the row waits for. */
  #blame(row: number): void {
    const peers: number[] = [];
    const piece = this.#ledger.pieceOf(row);
    for (let block = 0; block < this.#ledger.blockCount(row); block++)
      this.#ledger.requestersOf(piece, block, peers);
    for (const peer of peers) this.#dawdlers.add(peer);
  }
}
