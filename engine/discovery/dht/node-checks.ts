/**
 * Node checks: whether an address answers. What strangers make us ask is bounded, so that with forged addresses we
 * cannot be made to send more; who answered of late is remembered, and need not be asked again.
 */
import { addressKey, type Millis, type PeerAddress } from '../../units.js';
import type { Reply } from './krpc.js';
import { QUESTIONABLE_MS } from './routing-table.js';

const MAX_CHECKS = 16;
/** Addresses that answered, beside those in the table. */
const MAX_PROVEN = 2_048;

export class NodeChecks {
  readonly #ping: (address: PeerAddress, done: (reply: Reply | undefined) => void) => void;
  readonly #running = new Set<string>();
  /** Address → when it answered. */
  readonly #proven = new Map<string, Millis>();

  constructor(ping: (address: PeerAddress, done: (reply: Reply | undefined) => void) => void) {
    this.#ping = ping;
  }

  /** Asks a node that we are not sure of whether it is there; undefined: it did not answer, or was not asked. */
  check(address: PeerAddress, done?: (reply: Reply | undefined) => void): void {
    const key = addressKey(address);
    if (this.#running.size >= MAX_CHECKS || this.#running.has(key)) {
      done?.(undefined);
      return;
    }
    this.#running.add(key);
    this.#ping(address, (reply) => {
      this.#running.delete(key);
      done?.(reply);
    });
  }

  onAnswer(address: PeerAddress, now: Millis): void {
    const key = addressKey(address);
    this.#proven.delete(key);
    this.#proven.set(key, now);
    const oldest = this.#proven.keys().next();
    if (this.#proven.size > MAX_PROVEN && oldest.done !== true) this.#proven.delete(oldest.value);
  }

  isProven(address: PeerAddress, now: Millis): boolean {
    const at = this.#proven.get(addressKey(address));
    return at !== undefined && at > now - QUESTIONABLE_MS;
  }
}
