/**
 * Token bucket: bytes that may pass, at a rate, with a bounded burst. Over any span of t seconds no more than
 * rate × t + burst bytes pass, but for what is lent: that comes early, is a small share of what passes, and is kept
 * from those who come after.
 */
import { asMillis, BLOCK_BYTES, type Millis, NEVER } from '../units.js';

/** Tokens are counted in thousandths of a byte: a rate times milliseconds is whole then, and sums stay exact. */
const SCALE = 1_000;
/** Of the rate may be lent in the long run, so that who queues keeps the rest. */
const LENT_SHARE = 1 / 8;
/** May be lent at once, as time of the rate. */
const MAX_LENT_MS = 2_000;
/** … at the slowest of rates. */
const LEAST_MAX_LENT_BYTES = 4 * BLOCK_BYTES;

export class TokenBucket {
  #rate: number;
  #burst: number;
  /** Below zero where more was lent than there was. */
  #tokens: number;
  /** Lent, and not yet paid back out of its share of the rate. */
  #lent = 0;
  /** When both were true. */
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
    // What was lent at a higher rate must not keep others waiting for long at this one.
    this.#lent = wasUnlimited ? 0 : Math.min(this.#lent, this.#maxLent);
    this.#tokens = wasUnlimited ? this.#burst : clamp(this.#tokens, -this.#maxLent, this.#burst);
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

  /** Whether `bytes` may be lent while no more than `part` (0…1) of what may be is. */
  canLend(now: Millis, bytes: number, part: number): boolean {
    if (this.unlimited) return true;
    this.#settle(now);
    return this.#lent + bytes * SCALE <= part * this.#maxLent;
  }

  /** Takes `bytes` whether there are so many or not: who comes after waits for them. Ask `canLend` first. */
  lend(now: Millis, bytes: number): void {
    if (this.unlimited) return;
    this.#settle(now);
    this.#tokens -= bytes * SCALE;
    this.#lent += bytes * SCALE;
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

  get #maxLent(): number {
    return Math.max(MAX_LENT_MS * this.#rate, LEAST_MAX_LENT_BYTES * SCALE);
  }

  #settle(now: Millis): void {
    if (now <= this.#at) return;
    const passed = (now - this.#at) * this.#rate;
    this.#tokens = Math.min(this.#burst, this.#tokens + passed);
    this.#lent = Math.max(0, this.#lent - passed * LENT_SHARE);
    this.#at = now;
  }
}

/** Takes from every bucket (the torrent's and the engine's), or from none. */
export function takeFromAll(buckets: readonly TokenBucket[], now: Millis, bytes: number): boolean {
  for (const bucket of buckets) if (bucket.available(now) < bytes) return false;
  for (const bucket of buckets) bucket.take(now, bytes);
  return true;
}

/** Borrows from every bucket, or from none; see `canLend`. */
export function borrowFromAll(
  buckets: readonly TokenBucket[],
  now: Millis,
  bytes: number,
  part: number,
): boolean {
  for (const bucket of buckets) if (!bucket.canLend(now, bytes, part)) return false;
  for (const bucket of buckets) bucket.lend(now, bytes);
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

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));
