/**
 * Endgame: blocks that others were asked for, asked of one more peer. When every block is asked for, those that others
 * will send much later than this one could; while memory is short, those of pieces that make no headway.
 */
import type { PieceIndex } from '../units.js';
import type { Asking } from './asking.js';
import { type BlockLedger, MAX_REQUESTERS, type Takeable } from './block-ledger.js';

/** A peer with this many requests under way is asked for nothing that others are asked for: it is not idle. */
const HELPER_DEPTH = 4;
/** Peers whose requests are looked at for one to take over, in turn: not all for each block. */
const HOLDER_LOOKS = 8;
/**
 * A block is asked twice where the first asked takes so many times as long as the second: estimates err, what is in
 * the sender's kernel comes in any case, and the second copy is wasted.
 */
const FAR_BEHIND = 4;
const NONE = -1;

export interface EndgameMediator {
  /** How long the peer takes for the block that is next, and for each behind it. */
  paceMs(peer: number): number;
  /** The row's piece comes from one peer only. */
  isSingleSource(row: number): boolean;
}

export class Endgame {
  readonly #ledger: BlockLedger;
  readonly #mediator: EndgameMediator;
  /** Where the search for blocks to take over goes on, so that over time it sees everybody's. */
  #nextHolder = 0;
  #latest: Takeable = { row: NONE, block: NONE, ahead: 0 };

  constructor(ledger: BlockLedger, mediator: EndgameMediator) {
    this.#ledger = ledger;
    this.#mediator = mediator;
  }

  /** Missing blocks of `rows`, whoever was asked for them: those asked of the fewest first. */
  askAgain(asking: Asking, rows: readonly number[]): void {
    const { peer } = asking;
    let room = this.#roomToHelp(asking);
    for (let requesters = 1; requesters < MAX_REQUESTERS; requesters++) {
      for (const row of rows) {
        if (room <= 0) return;
        if (this.#ledger.missingAsked(row, requesters) === 0 || this.#mediator.isSingleSource(row)) continue;
        const piece = this.#ledger.pieceOf(row);
        if (!asking.mayAskFor(piece)) continue;
        for (let from = 0; room > 0; room--) {
          const block = this.#ledger.requestDuplicate(row, peer, requesters, from);
          if (block === NONE) break;
          asking.choose(piece, block);
          from = block + 1;
        }
      }
    }
  }

  /** Blocks that others will send much later than the peer could, the latest first. */
  takeOver(asking: Asking): void {
    const { peer } = asking;
    let room = this.#roomToHelp(asking);
    if (room <= 0) return;
    const farMs = FAR_BEHIND * this.#mediator.paceMs(peer);
    for (; room > 0; room--) {
      if (!this.#findLatest(asking, farMs * (this.#ledger.outstanding(peer) + 1))) return;
      const { row, block } = this.#latest;
      this.#ledger.requestAlso(row, block, peer);
      asking.choose(this.#ledger.pieceOf(row), block);
    }
  }

  #roomToHelp({ peer, room }: Asking): number {
    return Math.min(room, HELPER_DEPTH - this.#ledger.outstanding(peer));
  }

  /** Whether a block is expected after more than `afterMs`: the latest such that a few peers were asked for is `#latest`. */
  #findLatest(asking: Asking, afterMs: number): boolean {
    const { peer } = asking;
    const holders = this.#ledger.busyPeers;
    const mayTake = (row: number, block: number, requesters: number): boolean => {
      const piece = this.#ledger.pieceOf(row);
      if (!asking.mayAskFor(piece) || this.#mediator.isSingleSource(row)) return false;
      return requesters === 1 || this.#isLateFromAll(piece, block, afterMs);
    };
    let latestMs = afterMs;
    for (let looks = Math.min(HOLDER_LOOKS, holders.length); looks > 0; looks--) {
      this.#nextHolder = (this.#nextHolder + 1) % holders.length;
      const holder = holders[this.#nextHolder]!;
      if (holder === peer) continue;
      const paceMs = this.#mediator.paceMs(holder);
      if (paceMs * this.#ledger.outstanding(holder) <= latestMs) continue;
      const found = this.#ledger.lastTakeable(holder, peer, mayTake);
      if (found === undefined || paceMs * (found.ahead + 1) <= latestMs) continue;
      latestMs = paceMs * (found.ahead + 1);
      this.#latest = found;
    }
    return latestMs > afterMs;
  }

  /** None of those asked for the block is expected to send even its next one by then. */
  #isLateFromAll(piece: PieceIndex, block: number, afterMs: number): boolean {
    return this.#ledger.everyRequester(piece, block, (holder) => this.#mediator.paceMs(holder) > afterMs);
  }
}
