/**
 * Block ledger: the blocks of begun pieces. Each is free, asked of up to `MAX_REQUESTERS` peers, or received
 * from one; this is the only place that knows. A received block may still be asked of slower peers, until
 * they answer or are released.
 *
 * A begun piece has a row: a small reused number. Rows are as many as the arena has slots, so all state here
 * is bounded by the arena, not by the torrent.
 */
import { asPiece, type PieceIndex } from '../units.js';
import { grown, RequestTable } from './request-table.js';
import type { TorrentGeometry } from './torrent-geometry.js';

/** How many peers may be asked for one block at once (endgame). */
export const MAX_REQUESTERS = 3;

/** What became of a block that arrived. */
export const BLOCK_RESULT = {
  /** Asked, and the first to arrive: keep it. */
  fresh: 0,
  /** Asked, but another peer was faster. */
  duplicate: 1,
  /** Not asked of this peer, or no longer. */
  unrequested: 2,
} as const;
export type BlockResult = (typeof BLOCK_RESULT)[keyof typeof BLOCK_RESULT];

/** Requests of one peer that are looked at for one to take over, from the newest on. */
const TAKEABLE_LOOKS = 8;

/** A block that one peer was asked for and another could be. */
export interface Takeable {
  readonly row: number;
  readonly block: number;
  /** Requests before it in the queue of the peer that was asked. */
  readonly ahead: number;
}

const NONE = -1;
/** A row's integers, side by side, so that a piece is half a line of cache. */
const PIECE = 0;
/** Blocks not received. */
const MISSING = 1;
/** No block before this one is free. */
const FIRST_FREE = 2;
/** 1 where the piece has a deadline. */
const DUE = 3;
/** Missing blocks by how many peers are asked for them, from none to `MAX_REQUESTERS`. */
const MISSING_ASKED = 4;
const ROW = MISSING_ASKED + MAX_REQUESTERS + 1;
/** A block's: who sent it, or NONE, and how many peers are asked for it. */
const SOURCE = 0;
const REQUESTERS = 1;
const BLOCK = 2;

export class BlockLedger {
  readonly #geometry: TorrentGeometry;
  readonly #rowBlocks: number;
  readonly #requests = new RequestTable();
  /** Row of each begun piece; NONE for all others. */
  readonly #rowOf: Int32Array;
  readonly #spareRows: number[] = [];
  readonly #begun = new RowSet();
  /** Rows with a free block. */
  readonly #open = new RowSet();
  /** Those of them that are due. */
  readonly #openDue = new RowSet();
  readonly #requesters: number[] = [];
  #rowCount = 0;
  #freeTotal = 0;

  /** `ROW` integers a row. */
  #rows = new Int32Array(0);
  /** `BLOCK` integers a block: row × blocks a row + block. */
  #blocks = new Int32Array(0);
  /** By peer: blocks received from it in begun pieces. */
  #contributed = new Int32Array(0);

  constructor(geometry: TorrentGeometry) {
    this.#geometry = geometry;
    this.#rowBlocks = geometry.pieceCount === 0 ? 0 : geometry.blockCount(asPiece(0));
    this.#rowOf = new Int32Array(geometry.pieceCount).fill(NONE);
  }

  // ─── Pieces ────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins a piece that is not begun; all its blocks are free. @returns its row */
  begin(piece: PieceIndex): number {
    const row = this.#spareRows.pop() ?? this.#addRow();
    const blocks = this.#geometry.blockCount(piece);
    this.#rowOf[piece] = row;
    const rows = this.#rows;
    const first = row * ROW;
    rows.fill(0, first, first + ROW);
    rows[first + PIECE] = piece;
    rows[first + MISSING] = blocks;
    rows[first + MISSING_ASKED] = blocks;
    this.#freeTotal += blocks;
    this.#begun.add(row);
    this.#open.add(row);
    return row;
  }

  /** Forgets a begun piece, with its requests. @param onRequestDropped called with the peer of each */
  drop(piece: PieceIndex, onRequestDropped: (peer: number) => void): void {
    const row = this.rowOf(piece);
    if (row === NONE) return;
    this.reset(row);
    for (let block = 0; block < this.blockCount(row); block++) {
      const first = this.#cell(row, block);
      for (let cell = first; cell < first + MAX_REQUESTERS; cell++) {
        const peer = this.#requests.peerAt(cell);
        if (peer === NONE) continue;
        this.#releaseCell(cell);
        onRequestDropped(peer);
      }
    }
    this.#freeTotal -= this.freeBlocks(row);
    this.#open.remove(row);
    this.#openDue.remove(row);
    this.#begun.remove(row);
    this.#rowOf[piece] = NONE;
    this.#spareRows.push(row);
  }

  /** Forgets what was received of a row; requests stay. */
  reset(row: number): void {
    for (let block = 0; block < this.blockCount(row); block++) {
      const at = this.#at(row, block);
      const source = this.#blocks[at + SOURCE]!;
      if (source === NONE) continue;
      this.#contributed[source]!--;
      this.#blocks[at + SOURCE] = NONE;
      this.#rows[row * ROW + MISSING]!++;
      this.#countMissing(row, block, 1);
    }
  }

  /** Whether the row's piece has a deadline. */
  setDue(row: number, isDue: boolean): void {
    this.#rows[row * ROW + DUE] = Number(isDue);
    this.#openDue.remove(row);
    if (isDue && this.freeBlocks(row) > 0) this.#openDue.add(row);
  }

  isDue(row: number): boolean {
    return this.#rows[row * ROW + DUE] === 1;
  }

  /** −1 when the piece is not begun. */
  rowOf(piece: PieceIndex): number {
    return this.#rowOf[piece]!;
  }

  pieceOf(row: number): PieceIndex {
    return asPiece(this.#rows[row * ROW + PIECE]!);
  }

  blockCount(row: number): number {
    return this.#geometry.blockCount(this.pieceOf(row));
  }

  /** Blocks neither asked nor received. */
  freeBlocks(row: number): number {
    return this.#rows[row * ROW + MISSING_ASKED]!;
  }

  /** Blocks not received that exactly `requesters` peers are asked for. */
  missingAsked(row: number, requesters: number): number {
    return this.#rows[row * ROW + MISSING_ASKED + requesters]!;
  }

  /** Blocks not received. */
  missingBlocks(row: number): number {
    return this.#rows[row * ROW + MISSING]!;
  }

  isComplete(piece: PieceIndex): boolean {
    const row = this.rowOf(piece);
    return row !== NONE && this.missingBlocks(row) === 0;
  }

  /** Who sent each block of a begun piece; −1 where it is missing. */
  sources(piece: PieceIndex): Int32Array {
    const row = this.rowOf(piece);
    if (row === NONE) return new Int32Array(0);
    const sources = new Int32Array(this.blockCount(row));
    for (let block = 0; block < sources.length; block++)
      sources[block] = this.#blocks[this.#at(row, block) + SOURCE]!;
    return sources;
  }

  /** Whether a block that the peer sent is in a begun piece: blame may yet need its number. */
  isContributor(peer: number): boolean {
    return (this.#contributed[peer] ?? 0) > 0;
  }

  /** Rows of begun pieces, in no order; changed by begin and drop. */
  get begunRows(): readonly number[] {
    return this.#begun.rows;
  }

  /** Rows with a free block, in no order; changed by whatever frees or takes one. */
  get openRows(): readonly number[] {
    return this.#open.rows;
  }

  /** Of `openRows`, those that are due. */
  get openDueRows(): readonly number[] {
    return this.#openDue.rows;
  }

  /** Free blocks of all begun pieces. */
  get freeTotal(): number {
    return this.#freeTotal;
  }

  // ─── Requests ──────────────────────────────────────────────────────────────────────────────────────────

  /** Marks the row's first free block as asked of `peer`. @returns the block, or −1 when none is free */
  requestFree(row: number, peer: number): number {
    if (this.freeBlocks(row) === 0) return NONE;
    let block = this.#rows[row * ROW + FIRST_FREE]!;
    while (!this.#isFree(row, block)) block++;
    this.#rows[row * ROW + FIRST_FREE] = block + 1;
    this.#addRequest(row, block, peer);
    return block;
  }

  /** Asks `peer` too for a missing block, at or after `from`, that exactly `requesters` others are asked for. */
  requestDuplicate(row: number, peer: number, requesters: number, from: number): number {
    const blocks = this.blockCount(row);
    for (let block = from; block < blocks; block++) {
      const at = this.#at(row, block);
      if (this.#requestersAt(at) !== requesters || !this.#isMissing(at)) continue;
      if (this.#findRequest(row, block, peer) !== NONE) continue;
      this.#addRequest(row, block, peer);
      return block;
    }
    return NONE;
  }

  /** Asks `peer` too for the block, which others are asked for, fewer than `MAX_REQUESTERS`. */
  requestAlso(row: number, block: number, peer: number): void {
    this.#addRequest(row, block, peer);
  }

  /** Of the last few requests of `holder`, the newest for a block that `peer` could be asked for too, if `mayTake` agrees. */
  lastTakeable(
    holder: number,
    peer: number,
    mayTake: (row: number, block: number, requesters: number) => boolean,
  ): Takeable | undefined {
    let ahead = this.outstanding(holder) - 1;
    let cell = this.#requests.newestOf(holder);
    for (let looks = 0; cell !== NONE && looks < TAKEABLE_LOOKS; looks++, ahead--) {
      const at = blockOfCell(cell);
      const row = this.#rowAt(at);
      const block = this.#blockAt(row, at);
      const requesters = this.#requestersAt(at);
      const isOpen = this.#isMissing(at) && requesters < MAX_REQUESTERS;
      if (isOpen && this.#findRequest(row, block, peer) === NONE && mayTake(row, block, requesters))
        return { row, block, ahead };
      cell = this.#requests.before(cell);
    }
    return undefined;
  }

  /** Visits the missing blocks that the peer is asked for, oldest first. @param visit ahead: requests before it */
  forEachMissing(
    peer: number,
    visit: (row: number, block: number, ahead: number, requesters: number) => void,
  ): void {
    let ahead = 0;
    for (
      let cell = this.#requests.oldestOf(peer);
      cell !== NONE;
      cell = this.#requests.after(cell), ahead++
    ) {
      const at = blockOfCell(cell);
      const row = this.#rowAt(at);
      if (this.#isMissing(at)) visit(row, this.#blockAt(row, at), ahead, this.#requestersAt(at));
    }
  }

  /** Whether the block is missing and asked of so many peers, others than `peer`. */
  isAskedOfOthers(row: number, block: number, peer: number, requesters: number): boolean {
    const at = this.#at(row, block);
    if (this.#requestersAt(at) !== requesters || !this.#isMissing(at)) return false;
    return this.#findRequest(row, block, peer) === NONE;
  }

  /** Peers with unanswered requests, in no order. */
  get busyPeers(): readonly number[] {
    return this.#requests.busyPeers;
  }

  /** The block is here, from `peer`. */
  receive(peer: number, piece: PieceIndex, block: number): BlockResult {
    const row = this.rowOf(piece);
    const cell = row === NONE ? NONE : this.#findRequest(row, block, peer);
    if (cell === NONE) return BLOCK_RESULT.unrequested;
    this.#removeRequest(row, block, cell);
    const at = this.#at(row, block);
    if (!this.#isMissing(at)) return BLOCK_RESULT.duplicate;
    this.#countMissing(row, block, -1);
    this.#blocks[at + SOURCE] = peer;
    this.#rows[row * ROW + MISSING]!--;
    this.#contributed = grown(this.#contributed, peer + 1, 0);
    this.#contributed[peer]!++;
    return BLOCK_RESULT.fresh;
  }

  /** The peer will not send the block. @returns whether it had been asked */
  release(peer: number, piece: PieceIndex, block: number): boolean {
    const row = this.rowOf(piece);
    const cell = row === NONE ? NONE : this.#findRequest(row, block, peer);
    if (cell === NONE) return false;
    this.#releaseCell(cell);
    return true;
  }

  /** The peer will send nothing of what it was asked. @returns how many requests that were */
  releaseAll(peer: number): number {
    const count = this.#requests.countOf(peer);
    for (let cell = this.#requests.oldestOf(peer); cell !== NONE; cell = this.#requests.oldestOf(peer)) {
      this.#releaseCell(cell);
    }
    return count;
  }

  /** Requests that the peer has not answered. */
  outstanding(peer: number): number {
    return this.#requests.countOf(peer);
  }

  get outstandingTotal(): number {
    return this.#requests.total;
  }

  /** Fills `out` with (piece, block) pairs asked of the peer, oldest first. @returns how many pairs fit */
  requestsOf(peer: number, out: Int32Array): number {
    let pairs = 0;
    for (let cell = this.#requests.oldestOf(peer); cell !== NONE; cell = this.#requests.after(cell)) {
      if (2 * pairs + 2 > out.length) break;
      const at = blockOfCell(cell);
      const row = this.#rowAt(at);
      out[2 * pairs] = this.pieceOf(row);
      out[2 * pairs + 1] = this.#blockAt(row, at);
      pairs++;
    }
    return pairs;
  }

  /** Appends the peers that are asked for the block. @returns how many those are */
  requestersOf(piece: PieceIndex, block: number, out: number[]): number {
    const row = this.rowOf(piece);
    if (row === NONE || this.#requestersAt(this.#at(row, block)) === 0) return 0;
    const first = this.#cell(row, block);
    let count = 0;
    for (let cell = first; cell < first + MAX_REQUESTERS; cell++) {
      const peer = this.#requests.peerAt(cell);
      if (peer === NONE) continue;
      out.push(peer);
      count++;
    }
    return count;
  }

  /** Whether `test` holds for each of those who are asked for the block. */
  everyRequester(piece: PieceIndex, block: number, test: (peer: number) => boolean): boolean {
    this.#requesters.length = 0;
    this.requestersOf(piece, block, this.#requesters);
    return this.#requesters.every(test);
  }

  // ─── Inside ────────────────────────────────────────────────────────────────────────────────────────────

  /** Where the block's integers begin. */
  #at(row: number, block: number): number {
    return (row * this.#rowBlocks + block) * BLOCK;
  }

  /** Of the block at `at`. */
  #rowAt(at: number): number {
    return Math.floor(at / (this.#rowBlocks * BLOCK));
  }

  #blockAt(row: number, at: number): number {
    return at / BLOCK - row * this.#rowBlocks;
  }

  #requestersAt(at: number): number {
    return this.#blocks[at + REQUESTERS]!;
  }

  #isMissing(at: number): boolean {
    return this.#blocks[at + SOURCE] === NONE;
  }

  /** First of the block's cells in the request table. */
  #cell(row: number, block: number): number {
    return (row * this.#rowBlocks + block) * MAX_REQUESTERS;
  }

  #isFree(row: number, block: number): boolean {
    const at = this.#at(row, block);
    return this.#requestersAt(at) === 0 && this.#isMissing(at);
  }

  #findRequest(row: number, block: number, peer: number): number {
    const first = this.#cell(row, block);
    for (let cell = first; cell < first + MAX_REQUESTERS; cell++) {
      if (this.#requests.peerAt(cell) === peer) return cell;
    }
    return NONE;
  }

  #addRequest(row: number, block: number, peer: number): void {
    let cell = this.#cell(row, block);
    while (this.#requests.peerAt(cell) !== NONE) cell++;
    this.#requests.add(cell, peer);
    this.#changeRequesters(row, block, 1);
  }

  #removeRequest(row: number, block: number, cell: number): void {
    this.#requests.remove(cell);
    this.#changeRequesters(row, block, -1);
  }

  #releaseCell(cell: number): void {
    const at = blockOfCell(cell);
    const row = this.#rowAt(at);
    this.#removeRequest(row, this.#blockAt(row, at), cell);
  }

  #changeRequesters(row: number, block: number, change: 1 | -1): void {
    const at = this.#at(row, block);
    const missing = this.#isMissing(at);
    if (missing) this.#countMissing(row, block, -1);
    this.#blocks[at + REQUESTERS]! += change;
    if (missing) this.#countMissing(row, block, 1);
  }

  /** A missing block enters (1) or leaves (−1) the counts, as asked as it is now. */
  #countMissing(row: number, block: number, change: 1 | -1): void {
    const requesters = this.#requestersAt(this.#at(row, block));
    this.#rows[row * ROW + MISSING_ASKED + requesters]! += change;
    if (requesters > 0) return;
    const free = this.freeBlocks(row);
    this.#freeTotal += change;
    if (change === 1) {
      const first = row * ROW + FIRST_FREE;
      this.#rows[first] = Math.min(this.#rows[first]!, block);
      if (free > 1) return;
      this.#open.add(row);
      if (this.isDue(row)) this.#openDue.add(row);
    } else if (free === 0) {
      this.#open.remove(row);
      this.#openDue.remove(row);
    }
  }

  #addRow(): number {
    const row = this.#rowCount++;
    this.#rows = grown(this.#rows, this.#rowCount * ROW, 0);
    this.#blocks = grown(this.#blocks, this.#at(this.#rowCount, 0), NONE);
    for (let block = 0; block < this.#rowBlocks; block++) this.#blocks[this.#at(row, block) + REQUESTERS] = 0;
    this.#requests.reserve(this.#cell(this.#rowCount, 0));
    return row;
  }
}

/** Where the integers of the block of a cell of the request table begin. */
const blockOfCell = (cell: number): number => Math.floor(cell / MAX_REQUESTERS) * BLOCK;

/** A set of rows that can be walked by index; removes by swap-and-pop. */
class RowSet {
  readonly rows: number[] = [];
  #index = new Int32Array(0);

  add(row: number): void {
    this.#index = grown(this.#index, row + 1, NONE);
    this.#index[row] = this.rows.length;
    this.rows.push(row);
  }

  /** Does nothing when the row is not in the set. */
  remove(row: number): void {
    const index = this.#index[row] ?? NONE;
    if (index === NONE) return;
    const last = this.rows.pop() ?? row;
    this.#index[row] = NONE;
    if (last === row) return;
    this.rows[index] = last;
    this.#index[last] = index;
  }
}
