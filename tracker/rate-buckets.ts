/** Rate buckets: how many requests each address prefix may still make. Pure, and bounded in prefixes. */
import type { Millis } from '../engine/units.js';

/** About 8 MB. Beyond it the prefix that was added first is forgotten, and starts with a full bucket again. */
const MAX_PREFIXES = 65_536;
/** A bucket holds what comes in so many seconds: a client that starts announces all of its torrents at once. */
const BURST_SECONDS = 4;

interface Bucket {
  tokens: number;
  filledAt: Millis;
}

export class RateBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #perSecond: number;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** True when one more request is within the rate. Local clients, which have no prefix, always are. */
  take(prefix: string | undefined, now: Millis): boolean {
    if (prefix === undefined) return true;
    const bucket = this.#buckets.get(prefix) ?? this.#open(prefix, now);
    const capacity = this.#perSecond * BURST_SECONDS;
    const earned = ((now - bucket.filledAt) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(capacity, bucket.tokens + earned);
    bucket.filledAt = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #open(prefix: string, now: Millis): Bucket {
    if (this.#buckets.size >= MAX_PREFIXES) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    const bucket = { tokens: this.#perSecond * BURST_SECONDS, filledAt: now };
    this.#buckets.set(prefix, bucket);
    return bucket;
  }
}
