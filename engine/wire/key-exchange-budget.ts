/**
 * Key-exchange budget: how many incoming encrypted handshakes are begun in a second. Each costs us a key exchange
 * (mse-keys.ts), several times an accepted connection, for 96 bytes that anybody can send.
 */
import type { Millis } from '../units.js';

const WINDOW_MS = 1_000;
/** About 4 % of a core. */
const MAX_PER_WINDOW = 100;
/** So that one host alone cannot keep the others out. */
const MAX_OF_HOST_PER_WINDOW = 20;

export class KeyExchangeBudget {
  #windowEndsAt = 0;
  #begun = 0;
  /** At most `MAX_PER_WINDOW` of them. */
  readonly #begunByHost = new Map<string, number>();

  /** @param host as hostKey (policy/ip-address.ts) has it @returns false: not now */
  take(host: string, now: Millis): boolean {
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#begun = 0;
      this.#begunByHost.clear();
    }
    const ofHost = this.#begunByHost.get(host) ?? 0;
    if (this.#begun >= MAX_PER_WINDOW || ofHost >= MAX_OF_HOST_PER_WINDOW) return false;
    this.#begun++;
    this.#begunByHost.set(host, ofHost + 1);
    return true;
  }
}
