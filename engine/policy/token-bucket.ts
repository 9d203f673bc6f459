/**
 * Token bucket: bytes that may pass, at a rate, with a bounded burst. Over any span of t seconds no more than
 * rate × t + burst bytes pass.
 */
import { asMillis, BLOCK_BYTES, type Millis, NEVER } from '../units.js';

/** Tokens are counted in thousandths of a byte: a rate times milliseconds is whole then, and sums stay exact. */
const SCALE = 1_000;

export class TokenBucket {
  #rate: number;
  #burst: number;
  #tokens: number;
  /** When `#tokens` was true. */
  #at = asMillis(Number.NEGATIVE_INFINITY);

  /**
   * @param bytesPerSecond 0 is without limit
   * @param burstBytes default: a quarter of a second's worth; never less than a block, or none would ever pass
   */
  constructor(bytesPerSecond: number, burstBytes?: number) {
    this.#rate = bytesPerSecond;
    this.#burst = burstOf(bytesPerSecond, burstBytes);
    this.#tokens = this.#burst;
  }

  get bytesPerSecond(): number {
    return this.#rate;
  }

  get unlimited(): boolean {
    return this.#rate === 0;
  }

  /** What was saved up to `now` is kept, as far as the new burst allows. */
  setRate(now: Millis, bytesPerSecond: number, burstBytes?: number): void {
    this.#settle(now);
    const wasUnlimited = this.unlimited;
    this.#rate = bytesPerSecond;
    this.#burst = burstOf(bytesPerSecond, burstBytes);
    this.#tokens = wasUnlimited ? this.#burst : Math.min(this.#tokens, this.#burst);
  }

  /** Bytes that `take` would grant; Infinity without limit. */
  available(now: Millis): number {
    if (this.unlimited) return Number.POSITIVE_INFINITY;
    this.#settle(now);
    return Math.max(0, this.#tokens) / SCALE;
  }

  /** Takes `bytes`, or nothing. */
  take(now: Millis, bytes: number): boolean {
    if (this.unlimited) return true;
    if (this.available(now) < bytes) return false;
    this.#tokens -= bytes * SCALE;
    return true;
  }

  /** Takes `bytes` on credit: who comes after waits for it. False, and nothing, where more than `creditMs` is owed. */
  borrow(now: Millis, bytes: number, creditMs: number): boolean {
    if (this.unlimited) return true;
    this.#settle(now);
    if (this.#tokens < -creditMs * this.#rate) return false;
    this.#tokens -= bytes * SCALE;
    return true;
  }

  /** Bytes that were taken and did not pass. */
  giveBack(now: Millis, bytes: number): void {
    this.#settle(now);
    this.#tokens = Math.min(this.#burst, this.#tokens + bytes * SCALE);
  }

  /** When `take(bytes)` will be granted, if nobody takes before; Infinity if that is more than the burst. */
  readyAt(now: Millis, bytes: number): Millis {
    if (this.available(now) >= bytes) return now;
    if (bytes * SCALE > this.#burst) return NEVER;
    return asMillis(now + Math.ceil((bytes * SCALE - this.#tokens) / this.#rate));
  }

  #settle(now: Millis): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#rate);
    this.#at = now;
  }
}

/** Takes from every bucket (the torrent's and the engine's), or from none. */
export function takeFromAll(buckets: readonly TokenBucket[], now: Millis, bytes: number): boolean {
  for (const bucket of buckets) if (bucket.available(now) < bytes) return false;
  for (const bucket of buckets) bucket.take(now, bytes);
  return true;
}

/** Bytes that all of the buckets would grant now. */
export function bytesAvailable(buckets: readonly TokenBucket[], now: Millis): number {
  let bytes = Number.POSITIVE_INFINITY;
  for (const bucket of buckets) bytes = Math.min(bytes, bucket.available(now));
  return bytes;
}

/** When all of the buckets would grant `bytes`. */
export function readyAt(buckets: readonly TokenBucket[], now: Millis, bytes: number): Millis {
  let at = now;
  for (const bucket of buckets) at = asMillis(Math.max(at, bucket.readyAt(now, bytes)));
  return at;
}

function burstOf(bytesPerSecond: number, burstBytes: number | undefined): number {
  return Math.max(burstBytes ?? bytesPerSecond / 4, BLOCK_BYTES) * SCALE;
}
