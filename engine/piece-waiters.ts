/** Piece waiters: wakes those who read pieces that are not verified yet. */
import type { SwarmError } from './errors.js';
import type { PieceIndex } from './units.js';

interface Waiter {
  resolve(): void;
  reject(error: SwarmError): void;
}

export class PieceWaiters {
  readonly #waiting = new Map<PieceIndex, Waiter[]>();
  #closed: SwarmError | undefined;

  /** Resolves at the next `onPiece(piece)`; rejects once closed. */
  wait(piece: PieceIndex): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(piece);
      if (waiters === undefined) this.#waiting.set(piece, [{ resolve, reject }]);
      else waiters.push({ resolve, reject });
    });
  }

  onPiece(piece: PieceIndex): void {
    for (const { resolve } of this.#waiting.get(piece) ?? []) resolve();
    this.#waiting.delete(piece);
  }

  close(error: SwarmError): void {
    this.#closed = error;
    for (const waiters of this.#waiting.values()) for (const { reject } of waiters) reject(error);
    this.#waiting.clear();
  }
}
