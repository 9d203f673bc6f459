/** How long answers take on this line: when to call a node slow. Smoothed mean and deviation, as TCP has them (RFC 6298). */

const MIN_MS = 40;
/** A lookup must not wait for long on who is probably dead; a late answer counts all the same. */
const MAX_MS = 1_000;
const FIRST_GUESS_MS = 200;
const GAIN = 1 / 16;
const DEVIATION_GAIN = 1 / 8;

export class RoundTrips {
  #mean: number | undefined;
  #deviation = 0;

  add(rttMs: number): void {
    if (this.#mean === undefined) {
      this.#mean = rttMs;
      this.#deviation = rttMs / 2;
      return;
    }
    this.#deviation += DEVIATION_GAIN * (Math.abs(rttMs - this.#mean) - this.#deviation);
    this.#mean += GAIN * (rttMs - this.#mean);
  }

  /** @param knownMs what that node took the last time */
  slowAfterMs(knownMs: number | undefined): number {
    if (this.#mean === undefined) return FIRST_GUESS_MS;
    const usual = this.#mean + 2 * this.#deviation;
    const expected = knownMs === undefined ? usual : Math.min(knownMs + this.#deviation, 2 * usual);
    return Math.min(MAX_MS, Math.max(MIN_MS, expected));
  }
}
