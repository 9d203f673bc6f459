/** Rate meter: bytes a second over the last few seconds. O(1), bounded, and exact when asked twice at one time. */
import type { Millis } from '../units.js';

const BUCKETS = 20;
/** What `recentRate` looks at. */
const RECENT_BUCKETS = BUCKETS / 4;
const WINDOW_MS = 5_000;
/** A meter younger than this divides by this: the first block is not a rate. */
const LEAST_SPAN_MS = 1_000;

export class RateMeter {
  /** Made when first needed: with most peers nothing is exchanged. Not typed, which takes three times the memory. */
  #buckets: number[] = [];
  #sum = 0;
  /** Number of the newest bucket since time 0. */
  #newest = 0;
  #startedAt: number | undefined;
  readonly #bucketMs: number;

  constructor(windowMs: number = WINDOW_MS) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  add(now: Millis, bytes: number): void {
    if (this.#startedAt === undefined) {
      this.#startedAt = now;
      this.#buckets = new Array<number>(BUCKETS).fill(0);
    }
    this.#advance(now);
    this.#buckets[this.#newest % BUCKETS]! += bytes;
    this.#sum += bytes;
  }

  /** Bytes a second over the window (of 5 s, or what was said); over the meter's age, if that is less. */
  rate(now: Millis): number {
    if (this.#startedAt === undefined || this.#sum === 0) return 0;
    this.#advance(now);
    return this.#perSecond(now, this.#sum, BUCKETS, this.#startedAt);
  }

  /** As `rate`, over the last quarter of the window. */
  recentRate(now: Millis): number {
    if (this.#startedAt === undefined || this.#sum === 0) return 0;
    this.#advance(now);
    let bytes = 0;
    for (let at = Math.max(0, this.#newest - RECENT_BUCKETS + 1); at <= this.#newest; at++)
      bytes += this.#buckets[at % BUCKETS]!;
    return this.#perSecond(now, bytes, RECENT_BUCKETS, this.#startedAt);
  }

  /** Bytes within the window. */
  bytes(now: Millis): number {
    if (this.#startedAt === undefined) return 0;
    this.#advance(now);
    return this.#sum;
  }

  #perSecond(now: Millis, bytes: number, buckets: number, startedAt: number): number {
    const windowStart = (this.#newest - buckets + 1) * this.#bucketMs;
    const spanMs = now - Math.max(windowStart, startedAt);
    return (bytes * 1_000) / Math.max(spanMs, LEAST_SPAN_MS);
  }

  #advance(now: Millis): void {
    const bucket = Math.floor(now / this.#bucketMs);
    if (bucket <= this.#newest) return;
    if (bucket - this.#newest >= BUCKETS) {
      this.#buckets.fill(0);
      this.#sum = 0;
    } else {
      for (let at = this.#newest + 1; at <= bucket; at++) {
        this.#sum -= this.#buckets[at % BUCKETS]!;
        this.#buckets[at % BUCKETS] = 0;
      }
    }
    this.#newest = bucket;
  }
}
