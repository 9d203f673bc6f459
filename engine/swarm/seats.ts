/**
 * Seats: the small, reused peer ids that the policies keep arrays by. A seat whose peer left is not given away
 * while a block it delivered sits in an unverified piece, so that blame always finds the right address.
 */
import type { PeerAddress } from '../units.js';

export class Seats {
  /** By seat: who sits there, or sat there last. */
  readonly #addresses: PeerAddress[] = [];
  readonly #left: number[] = [];

  /** @param isContributor whether a begun piece still holds a block of this seat */
  take(address: PeerAddress, isContributor: (seat: number) => boolean): number {
    const free = this.#left.findIndex((seat) => !isContributor(seat));
    const seat = free < 0 ? this.#addresses.length : this.#left.splice(free, 1)[0]!;
    this.#addresses[seat] = address;
    return seat;
  }

  leave(seat: number): void {
    this.#left.push(seat);
  }

  addressOf(seat: number): PeerAddress {
    return this.#addresses[seat]!;
  }
}
