/**
 * Token queue: the peers that wait for their part of a rate limit. While somebody waits, everybody does; what
 * comes is shared among those in front, and who wants more goes to the end.
 */
import { bytesAvailable, readyAt, type TokenBucket, takeFromAll } from '../policy/token-bucket.js';
import { BLOCK_BYTES } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';
import type { SwarmTimer } from './timers.js';

export class TokenQueue {
  readonly #state: SwarmState;
  readonly #buckets: readonly TokenBucket[];
  readonly #timer: SwarmTimer;
  /** In the order of waiting. */
  readonly #waiting = new Set<Peer>();

  /** @param timer the owner calls `serve` when it is due */
  constructor(state: SwarmState, buckets: readonly TokenBucket[], timer: SwarmTimer) {
    this.#state = state;
    this.#buckets = buckets;
    this.#timer = timer;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Whole blocks that may pass now; Infinity without limit. */
  get blocks(): number {
    return Math.floor(bytesAvailable(this.#buckets, this.#state.now()) / BLOCK_BYTES);
  }

  /** They pass. */
  take(bytes: number): void {
    takeFromAll(this.#buckets, this.#state.now(), bytes);
  }

  /** They were taken and did not pass. */
  giveBack(bytes: number): void {
    if (bytes === 0) return;
    for (const bucket of this.#buckets) bucket.giveBack(this.#state.now(), bytes);
    if (!this.isEmpty) this.#arm();
  }

  wait(peer: Peer): void {
    this.#waiting.add(peer);
    this.#arm();
  }

  leave(peer: Peer): void {
    this.#waiting.delete(peer);
  }

  /** Calls `give` with each peer's share in blocks; who wants more waits again. */
  serve(give: (peer: Peer, share: number) => void): void {
    const { blocks } = this;
    const share = Math.max(1, Math.floor(blocks / this.#waiting.size));
    for (const peer of [...this.#waiting].slice(0, blocks)) {
      // It may have left during another's turn.
      if (this.#waiting.delete(peer)) give(peer, share);
    }
    if (!this.isEmpty) this.#arm();
  }

  #arm(): void {
    this.#state.timers.set(this.#timer, readyAt(this.#buckets, this.#state.now(), BLOCK_BYTES));
  }
}
