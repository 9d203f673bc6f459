/**
 * Write tokens (BEP 5): only who received our answer at its address may store here, for 5 to 10 minutes. Bound to the
 * host and to the target; nothing is remembered of them.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Millis } from '../../units.js';
import type { NodeId, RandomBytes } from './node-id.js';

const ROTATE_MS = 5 * 60_000;
const SECRET_BYTES = 20;
const TOKEN_BYTES = 8;

export class WriteTokens {
  readonly #randomBytes: RandomBytes;
  #secret: Uint8Array;
  #previous: Uint8Array;
  #rotatedAt: Millis;

  constructor(now: Millis, randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
    this.#secret = randomBytes(SECRET_BYTES);
    this.#previous = this.#secret;
    this.#rotatedAt = now;
  }

  make(host: string, target: NodeId, now: Millis): Uint8Array {
    this.#rotate(now);
    return tokenOf(this.#secret, host, target);
  }

  isValid(token: Uint8Array, host: string, target: NodeId, now: Millis): boolean {
    this.#rotate(now);
    if (token.length !== TOKEN_BYTES) return false;
    return (
      timingSafeEqual(token, tokenOf(this.#secret, host, target)) ||
      timingSafeEqual(token, tokenOf(this.#previous, host, target))
    );
  }

  #rotate(now: Millis): void {
    const age = now - this.#rotatedAt;
    if (age < ROTATE_MS) return;
    this.#previous = age < 2 * ROTATE_MS ? this.#secret : this.#randomBytes(SECRET_BYTES);
    this.#secret = this.#randomBytes(SECRET_BYTES);
    this.#rotatedAt = now;
  }
}

const tokenOf = (secret: Uint8Array, host: string, target: NodeId): Uint8Array =>
  createHmac('sha1', secret).update(host).update('\0').update(target).digest().subarray(0, TOKEN_BYTES);
