/**
 * Connection slots: how many peers an engine is connected to, and how many attempts are under way, over all
 * torrents and in both directions. An attempt holds a slot too, so the total is a bound on sockets.
 */

export interface ConnectionLimits {
  /** Connected and attempted, incoming and outgoing. */
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

  /** For an incoming connection. */
  take(): boolean {
    if (this.#used >= this.#limits.maxPeers) return false;
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
