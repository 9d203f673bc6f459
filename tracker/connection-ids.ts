/**
 * Connection ids of the UDP tracker (BEP 15): 8 bytes that prove that whoever sends them can receive at the address.
 * Keyed and without state: one byte of epoch, 7 bytes of HMAC-SHA-256 over the whole epoch and the address.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../engine/units.js';
import type { PackedHost } from './addresses.js';

export const CONNECTION_ID_BYTES = 8;
/** An id is good in its epoch and the next, hence for 2 to 4 minutes; BEP 15 asks for 2. */
const EPOCH_MS = 120_000;
const MAC_BYTES = CONNECTION_ID_BYTES - 1;

export class ConnectionIds {
  readonly #secret: Uint8Array;

  /** @param secret random, at least 16 bytes, never shown to anybody */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** Writes the id of `host` at `offset`. */
  write(host: PackedHost, now: Millis, into: Uint8Array, offset: number): void {
    const epoch = epochAt(now);
    into[offset] = epoch & 0xff;
    into.set(this.#mac(host, epoch), offset + 1);
  }

  /** `id`, 8 bytes, was given to `host` in this epoch or the one before. */
  verify(host: PackedHost, now: Millis, id: Uint8Array): boolean {
    const current = epochAt(now);
    const age = (current - (id[0] ?? 0)) & 0xff;
    if (id.length !== CONNECTION_ID_BYTES || age > 1) return false;
    return timingSafeEqual(this.#mac(host, current - age), id.subarray(1));
  }

  #mac(host: PackedHost, epoch: number): Uint8Array {
    const digest = createHmac('sha256', this.#secret).update(`${epoch}/`).update(host, 'latin1').digest();
    return digest.subarray(0, MAC_BYTES);
  }
}

const epochAt = (now: Millis): number => Math.floor(now / EPOCH_MS);
