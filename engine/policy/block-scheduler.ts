/**
 * Block scheduler: which blocks to ask a peer for. What is due first, where it has a deadline; a piece that the peer
 * alone has, begun pieces, a new one from the picker; when every block is asked for, what endgame.ts finds.
 *
 * A peer quick enough to be asked for a whole piece at once owns the pieces that it begins, so that a piece
 * comes from few peers; slower ones share. An owner keeps nobody waiting: before a peer goes idle it helps.
 */
import { asMillis, type Millis, NEVER, type PieceIndex } from '../units.js';
import { Asking } from './asking.js';
import type { Bitfield } from './bitfield.js';
import { BLOCK_RESULT, BlockLedger, type BlockResult } from './block-ledger.js';
import { Endgame } from './endgame.js';
import { LateBlocks } from './late-blocks.js';
import { MemoryWatch } from './memory-watch.js';
import { canMake } from './piece-deadlines.js';
import type { PiecePicker } from './piece-picker.js';
import { grown } from './request-table.js';
import type { TorrentGeometry } from './torrent-geometry.js';

export { BLOCK_RESULT, type BlockResult };

/**
 * A peer so many times as slow as those that are usually asked for what has a deadline leaves to them what it cannot
 * make in time. Others do not: were all late, nobody would be asked for what is due next.
 */
const SLOW = 4;
const NONE = -1;
const NO_ROWS: readonly number[] = [];

export interface SchedulerMediator {
  /** Takes memory for a piece; false when there is none now. */
  beginPiece(piece: PieceIndex): boolean;
  /** How long the peer takes for the block that is next, and for each behind it. */
  paceMs(peer: number): number;
  /** The time that deadlines are compared with. */
  now(): Millis;
  /** A request of the peer's ended with its piece: it is outstanding no more, and an answer comes unrequested. */
  onRequestDropped?(peer: number): void;
}

export class BlockScheduler {
  readonly #picker: PiecePicker;
  readonly #mediator: SchedulerMediator;
  readonly #ledger: BlockLedger;
  /** By peer: the piece it works on, to be preferred while it has free blocks. */
  #current = new Int32Array(0);
  /** By row: the peer that owns it, or NONE. */
  #owner = new Int32Array(0);
  /** Pieces to be fetched from one peer at a time. */
  readonly #singleSource = new Set<PieceIndex>();
  /** The mediator had no memory, and none has come free since. */
  #full = false;
  /** By peer: how many pieces it had when the picker found none among them, or NONE; as of `#barrenAsOf`. */
  #barren = new Int32Array(0);
  #barrenAsOf = 0;
  readonly #watch: MemoryWatch;
  readonly #lateBlocks: LateBlocks;
  /** Mean pace of the peers that were asked for what has a deadline; undefined at first. */
  #usualPaceMs: number | undefined;
  readonly #endgame: Endgame;
  readonly #asking = new Asking();

  constructor(geometry: TorrentGeometry, picker: PiecePicker, mediator: SchedulerMediator) {
    this.#picker = picker;
    this.#mediator = mediator;
    this.#ledger = new BlockLedger(geometry);
    this.#watch = new MemoryWatch(this.#ledger);
    this.#lateBlocks = new LateBlocks(this.#ledger, picker);
    this.#endgame = new Endgame(this.#ledger, {
      paceMs: (peer) => mediator.paceMs(peer),
      isSingleSource: (row) => this.#isSingleSource(row),
    });
  }

  /**
   * Chooses up to `max` blocks for the peer and counts them as asked. Fills `out` with (piece, block) pairs.
   * @param allowed only these pieces (BEP 6 allowed fast, while choked)
   * @returns the number of pairs
   */
  nextBlocks(
    peer: number,
    has: Bitfield,
    max: number,
    out: Int32Array,
    allowed?: ReadonlySet<PieceIndex>,
  ): number {
    if (!this.#watch.mayWork(peer)) return 0;
    const asking = this.#asking;
    asking.begin(peer, has, max, out, allowed);
    if (!this.#lateBlocks.isEmpty) this.#takeLate(asking);
    while (asking.room > 0) {
      const row = this.#nextRow(asking);
      if (row === NONE) break;
      this.#takeFree(asking, row);
    }
    if (asking.room === 0) return asking.count;
    const rows = this.#rowsToDouble;
    if (rows.length > 0) this.#endgame.askAgain(asking, rows);
    if (this.endgame) this.#endgame.takeOver(asking);
    return asking.count;
  }

  /** A block arrived. `block` is in range. */
  onBlock(peer: number, piece: PieceIndex, block: number): BlockResult {
    const result = this.#ledger.receive(peer, piece, block);
    if (result !== BLOCK_RESULT.fresh) return result;
    this.#watch.onDelivered();
    if (this.#ledger.isDue(this.#ledger.rowOf(piece))) this.#lateBlocks.onArrived();
    return result;
  }

  /** A request was rejected, cancelled or timed out. @returns whether there was such a request */
  onReleased(peer: number, piece: PieceIndex, block: number): boolean {
    const released = this.#ledger.release(peer, piece, block);
    if (released) this.#disown(this.#ledger.rowOf(piece), peer);
    return released;
  }

  /** It choked us, timed out or left: frees all that it was asked for. @returns how many requests there were */
  releaseAll(peer: number): number {
    for (const row of this.#ledger.begunRows) this.#disown(row, peer);
    if (peer < this.#current.length) this.#current[peer] = NONE;
    if (peer < this.#barren.length) this.#barren[peer] = NONE;
    return this.#ledger.releaseAll(peer);
  }

  /** It will not come back: its number may be given to another, once `isContributor` is false. */
  onPeerLeft(peer: number): number {
    this.#watch.onPeerLeft(peer);
    return this.releaseAll(peer);
  }

  /** See the picker's. A piece that is begun already comes first too, whoever began it. */
  setDeadline(piece: PieceIndex, dueAt: Millis): void {
    this.#picker.setDeadline(piece, dueAt);
    const row = this.#ledger.rowOf(piece);
    if (row !== NONE) this.#ledger.setDue(row, this.#isDue(piece));
  }

  clearDeadline(piece: PieceIndex): void {
    this.setDeadline(piece, NEVER);
  }

  /**
   * To be called a few times a second while there are deadlines: finds the blocks that will come too late from whom
   * they were asked of. Peers that can send one much sooner are then asked too.
   */
  reviewDeadlines(): void {
    if (this.#picker.deadlineCount === 0) this.#lateBlocks.clear();
    else this.#lateBlocks.review(this.#mediator);
  }

  onPieceVerified(piece: PieceIndex): void {
    this.#watch.onVerified(piece, this.#ledger.sources(piece));
    this.#drop(piece);
    this.#singleSource.delete(piece);
    this.#picker.onPieceHave(piece);
  }

  /** All blocks of the piece are free again, and it is no longer begun. */
  onPieceCorrupt(piece: PieceIndex): void {
    this.#drop(piece);
    this.#picker.onPieceAbandoned(piece);
  }

  /** Memory came free elsewhere: the mediator is worth asking again. */
  onSlotFree(): void {
    this.#full = false;
  }

  /** From its next beginning on, all blocks of the piece come from one peer: a corrupt piece then has one culprit. */
  restrictToSingleSource(piece: PieceIndex): void {
    this.#singleSource.add(piece);
  }

  /**
   * To be called every few seconds: takes memory back from pieces that make no headway while others wait for it.
   * @returns the pieces, whose memory the caller gives back
   */
  dropStale(): readonly PieceIndex[] {
    const lost = this.#watch.review((row) => this.#isSingleSource(row));
    for (const piece of lost) this.onPieceCorrupt(piece);
    return lost;
  }

  /** Every block that we want is asked for or here. */
  get endgame(): boolean {
    return this.#picker.openCount === 0 && this.#ledger.freeTotal === 0 && this.#ledger.outstandingTotal > 0;
  }

  /** No peer can be given anything but late blocks, until a block or memory is freed or a piece is opened again. */
  get isExhausted(): boolean {
    if (this.#ledger.freeTotal > 0 || this.#rowsToDouble.length > 0) return false;
    return this.#picker.openCount === 0 || (this.#isFull && this.#watch.someoneWaits);
  }

  /** Pieces that hold memory. */
  get begunCount(): number {
    return this.#ledger.begunRows.length;
  }

  isBegun(piece: PieceIndex): boolean {
    return this.#ledger.rowOf(piece) !== NONE;
  }

  isComplete(piece: PieceIndex): boolean {
    return this.#ledger.isComplete(piece);
  }

  /** Who sent each block of a begun piece; −1 where it is missing. A copy. */
  contributors(piece: PieceIndex): Int32Array {
    return this.#ledger.sources(piece);
  }

  /** While true, the peer's number must not be given to another peer, who would get its blame. */
  isContributor(peer: number): boolean {
    return this.#ledger.isContributor(peer);
  }

  /** Requests that the peer has not answered. */
  outstanding(peer: number): number {
    return this.#ledger.outstanding(peer);
  }

  /** Fills `out` with (piece, block) pairs asked of the peer, oldest first. @returns how many pairs fit */
  requestsOf(peer: number, out: Int32Array): number {
    return this.#ledger.requestsOf(peer, out);
  }

  /** Appends the peers that are asked for the block (after `onBlock`: the others). @returns how many those are */
  othersRequesting(piece: PieceIndex, block: number, out: number[]): number {
    return this.#ledger.requestersOf(piece, block, out);
  }

  // ─── Choosing ──────────────────────────────────────────────────────────────────────────────────────────

  /** A row with a free block for this peer, in order of preference. */
  #nextRow(asking: Asking): number {
    if (this.#picker.openDueCount === 0 && this.#ledger.openDueRows.length === 0)
      return this.#usualRow(asking);
    const { peer } = asking;
    const now = this.#mediator.now();
    const paceMs = this.#mediator.paceMs(peer);
    const isSlow = this.#usualPaceMs !== undefined && paceMs > SLOW * this.#usualPaceMs;
    const due = this.#dueRow(asking, now, isSlow ? this.#arrivalOf(peer, now) : now);
    if (due !== NONE) {
      if (Number.isFinite(paceMs)) this.#usualPaceMs = moved(this.#usualPaceMs ?? paceMs, paceMs);
      return due;
    }
    const usual = this.#usualRow(asking);
    // Late is better than idle.
    return usual !== NONE ? usual : this.#taken(this.#earliestRow(asking, now, now), peer);
  }

  /** The row or piece that is due first, but for those that a peer who sends it at `arrivesAt` leaves to others. */
  #dueRow(asking: Asking, now: Millis, arrivesAt: Millis): number {
    const { peer, has, allowed } = asking;
    const row = this.#earliestRow(asking, now, arrivesAt);
    const rowDueAt = row === NONE ? NEVER : this.#picker.deadlineOf(this.#ledger.pieceOf(row));
    const piece =
      allowed === undefined
        ? this.#picker.pickDue(has, now, arrivesAt)
        : this.#picker.pickAmong(allowed, has);
    if (piece === NONE || this.#picker.deadlineOf(piece) >= rowDueAt) return this.#taken(row, peer);
    const begun = this.#isFull && this.#watch.someoneWaits ? NONE : this.#beginPiece(asking, piece);
    return begun === NONE ? this.#taken(row, peer) : begun;
  }

  /** Of the begun pieces with a deadline and a free block, whoever owns them, the one that is due first. */
  #earliestRow(asking: Asking, now: Millis, arrivesAt: Millis): number {
    const { peer } = asking;
    let best = NONE;
    let bestDueAt = Number.POSITIVE_INFINITY;
    for (const row of this.#ledger.openDueRows) {
      const piece = this.#ledger.pieceOf(row);
      const dueAt = this.#picker.deadlineOf(piece);
      if (dueAt >= bestDueAt || !canMake(dueAt, now, arrivesAt) || !asking.mayAskFor(piece)) continue;
      if (!this.#isOpenTo(row, peer, false) && !this.#isOpenTo(row, peer, true)) continue;
      best = row;
      bestDueAt = dueAt;
    }
    return best;
  }

  /** When the peer sends what it is asked for now. */
  #arrivalOf(peer: number, now: Millis): Millis {
    return asMillis(now + this.#mediator.paceMs(peer) * (this.#ledger.outstanding(peer) + 1));
  }

  /** A row with a free block for this peer, deadlines aside. */
  #usualRow(asking: Asking): number {
    const current = this.#currentRow(asking);
    if (current !== NONE) return current;
    const scarce = asking.allowed === undefined ? this.#beginScarce(asking) : NONE;
    if (scarce !== NONE) return scarce;
    const shared = this.#bestRow(asking, false);
    if (shared !== NONE) return shared;
    const begun = this.#begin(asking);
    if (begun !== NONE) return begun;
    return this.#taken(this.#bestRow(asking, true), asking.peer);
  }

  /** A single-source row that changes hands begins anew. @returns the row */
  #taken(row: number, peer: number): number {
    if (row !== NONE && this.#isSingleSource(row) && this.#owner[row] !== peer) {
      this.#ledger.reset(row);
      this.#owner[row] = peer;
    }
    return row;
  }

  /** Prefer the piece that the peer works on already: it should not scatter over many. */
  #currentRow(asking: Asking): number {
    const piece = (this.#current[asking.peer] ?? NONE) as PieceIndex | -1;
    if (piece === NONE || !asking.has.get(piece)) return NONE;
    const row = this.#ledger.rowOf(piece);
    if (row === NONE || this.#ledger.freeBlocks(row) === 0 || this.#ledger.isDue(row)) return NONE;
    return asking.mayAskFor(piece) && this.#isOpenTo(row, asking.peer, false) ? row : NONE;
  }

  /** The best row with a free block and no deadline; `foreign`: among those that another peer owns, else among all others. */
  #bestRow(asking: Asking, foreign: boolean): number {
    let best = NONE;
    for (const row of this.#ledger.openRows) {
      if (this.#ledger.isDue(row) || !this.#isOpenTo(row, asking.peer, foreign)) continue;
      if (!asking.mayAskFor(this.#ledger.pieceOf(row))) continue;
      if (best === NONE || this.#comesBefore(row, best)) best = row;
    }
    return best;
  }

  #isOpenTo(row: number, peer: number, foreign: boolean): boolean {
    const owner = this.#owner[row]!;
    if (owner === NONE || owner === peer) return !foreign;
    if (!foreign) return false;
    // A single-source piece changes hands only when nothing is under way, and then begins anew.
    return !this.#isSingleSource(row) || this.#ledger.freeBlocks(row) === this.#ledger.missingBlocks(row);
  }

  #comesBefore(row: number, other: number): boolean {
    // In sequential order, prefer the earlier piece.
    if (this.#picker.sequential) {
      const rank = this.#picker.sequentialRank(this.#ledger.pieceOf(row));
      return rank < this.#picker.sequentialRank(this.#ledger.pieceOf(other));
    }
    // Prefer the piece closest to done: done, it can be verified and shared, and its memory is free.
    return this.#ledger.missingBlocks(row) < this.#ledger.missingBlocks(other);
  }

  #begin(asking: Asking): number {
    if (this.#isFull && this.#watch.someoneWaits) return NONE;
    const { peer, has, allowed } = asking;
    const piece = allowed === undefined ? this.#pick(peer, has) : this.#picker.pickAmong(allowed, has);
    return piece === NONE ? NONE : this.#beginPiece(asking, piece);
  }

  /** A piece that this peer alone has: others can send the begun ones, and its time is short. */
  #beginScarce(asking: Asking): number {
    if (this.#picker.sequential || this.#isFull) return NONE;
    const piece = this.#pick(asking.peer, asking.has);
    return piece === NONE || this.#picker.peersWith(piece) !== 1 ? NONE : this.#beginPiece(asking, piece);
  }

  #beginPiece({ peer, room }: Asking, piece: PieceIndex): number {
    if (!this.#watch.mayBegin(peer, piece)) return NONE;
    const isFull = this.#isFull;
    if (isFull || !this.#mediator.beginPiece(piece)) {
      if (!isFull) this.#watch.onFull();
      this.#full = true;
      this.#watch.onStarved();
      return NONE;
    }
    this.#picker.onPieceBegun(piece);
    const row = this.#ledger.begin(piece);
    this.#watch.onBegun(row);
    const isDue = this.#isDue(piece);
    this.#ledger.setDue(row, isDue);
    const ownsWhole = !isDue && this.#ledger.outstanding(peer) + room >= this.#ledger.blockCount(row);
    this.#owner = grown(this.#owner, row + 1, NONE);
    this.#owner[row] = ownsWhole || this.#singleSource.has(piece) ? peer : NONE;
    return row;
  }

  #isDue(piece: PieceIndex): boolean {
    return this.#picker.deadlineOf(piece) !== NEVER;
  }

  /** Without a piece begun here, no piece of ours will come free: then the mediator is asked every time. */
  get #isFull(): boolean {
    return this.#full && this.#ledger.begunRows.length > 0;
  }

  /** As the picker's; a peer that had nothing to pick is not looked at again before that can have changed. */
  #pick(peer: number, has: Bitfield): PieceIndex | -1 {
    if (this.#barrenAsOf !== this.#picker.reopenCount) {
      this.#barrenAsOf = this.#picker.reopenCount;
      this.#barren.fill(NONE);
    }
    if (this.#barren[peer] === has.count) return NONE;
    const piece = this.#picker.pick(has);
    if (piece !== NONE) return piece;
    this.#barren = grown(this.#barren, peer + 1, NONE);
    this.#barren[peer] = has.count;
    return NONE;
  }

  #takeFree(asking: Asking, row: number): void {
    const { peer } = asking;
    const piece = this.#ledger.pieceOf(row);
    this.#current = grown(this.#current, peer + 1, NONE);
    this.#current[peer] = piece;
    while (asking.room > 0) {
      const block = this.#ledger.requestFree(row, peer);
      if (block === NONE) return;
      asking.choose(piece, block);
    }
  }

  /** Blocks with a deadline that will come too late from the one peer that was asked for them. */
  #takeLate(asking: Asking): void {
    const { peer } = asking;
    const now = this.#mediator.now();
    while (asking.room > 0) {
      const late = this.#lateBlocks.take(
        peer,
        now,
        this.#arrivalOf(peer, now),
        (row) => asking.mayAskFor(this.#ledger.pieceOf(row)) && !this.#isSingleSource(row),
      );
      if (late === undefined) return;
      this.#ledger.requestAlso(late.row, late.block, peer);
      asking.choose(late.piece, late.block);
    }
  }

  /** Rows whose blocks may be asked twice, whoever else is asked: they make no headway while memory is short. */
  get #rowsToDouble(): readonly number[] {
    return this.#full ? this.#watch.openToHelpers : NO_ROWS;
  }

  #drop(piece: PieceIndex): void {
    this.#full = false;
    this.#ledger.drop(piece, (peer) => this.#mediator.onRequestDropped?.(peer));
  }

  #isSingleSource(row: number): boolean {
    return this.#singleSource.size > 0 && this.#singleSource.has(this.#ledger.pieceOf(row));
  }

  #disown(row: number, peer: number): void {
    if (this.#owner[row] === peer && !this.#isSingleSource(row)) this.#owner[row] = NONE;
  }
}

/** A running mean. */
const moved = (mean: number, value: number): number => mean + (value - mean) / 8;
