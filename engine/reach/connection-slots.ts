/**
 * Connection slots: how many peers an engine is connected to, and how many of our attempts are under way, over all
 * torrents and in both directions. Our attempts hold a slot too. Strangers get one when they have shaken hands: before,
 * the handshake room (policy/handshake-room.ts) bounds them, or they would take the places of peers.
 */

export interface ConnectionLimits {
  /** Connected in both directions, and outgoing attempts. */
  readonly maxPeers: number;
  /** Outgoing attempts under way. */
  readonly maxHalfOpen: number;
}

export class ConnectionSlots {
  /** Something was given back: there may be room to dial. */
  onFreed: () => void = () => {};
  readonly #limits: ConnectionLimits;
  #used = 0;
  #halfOpen = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get used(): number {
    return this.#used;
  }

  get halfOpen(): number {
    return this.#halfOpen;
  }

  get isFull(): boolean {
    return this.#used >= this.#limits.maxPeers;
  }

  /** For an incoming connection. */
  take(): boolean {
    if (this.isFull) return false;
    this.#used++;
    return true;
  }

  /** For an attempt to dial; `settle` follows, and `release` when it is over. */
  takeHalfOpen(): boolean {
    if (this.#halfOpen >= this.#limits.maxHalfOpen || !this.take()) return false;
    this.#halfOpen++;
    return true;
  }

  /** The attempt is decided. */
  settle(): void {
    this.#halfOpen--;
    this.onFreed();
  }

  release(): void {
    this.#used--;
    this.onFreed();
  }
}
