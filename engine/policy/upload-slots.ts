/**
 * Upload slots: how many peers our uplink serves well. More peers on a faster line, each at a rate still worth
 * having: a piece that arrives soon is soon passed on.
 */
import type { Millis } from '../units.js';
import { RateMeter } from './rate-meter.js';

const WINDOW_MS = 20_000;
/** Of the best rate, what is left after a minute of less: lines change, and so does what is asked of us. */
const KEPT_PER_MINUTE = 0.9;
const MIN_SLOTS = 3;
/** While downloading, our requests stand behind the blocks that we send: of 128 kbit/s a third takes 3 s a block. */
const MIN_SLOTS_DOWNLOADING = 2;
const MAX_SLOTS = 50;

/** What our uplink carries, as far as it has been asked to. */
export class UplinkEstimate {
  readonly #sent = new RateMeter(WINDOW_MS);
  #best = 0;
  #at: Millis | undefined;

  onSent(now: Millis, bytes: number): void {
    this.#sent.add(now, bytes);
  }

  /** Bytes a second. */
  rate(now: Millis): number {
    const minutes = (now - (this.#at ?? now)) / 60_000;
    this.#at = now;
    // Over the whole window from the beginning: what fills the kernel's buffers at first is not a rate.
    this.#best = Math.max(
      this.#best * KEPT_PER_MINUTE ** minutes,
      this.#sent.bytes(now) / (WINDOW_MS / 1000),
    );
    return this.#best;
  }
}

/** Slots for an uplink in bytes a second, the one by chance included. */
export function uploadSlotsFor(bytesPerSecond: number, seeding: boolean): number {
  const slots = Math.round(Math.sqrt((bytesPerSecond / 1_000) * 0.2));
  return Math.min(Math.max(slots, seeding ? MIN_SLOTS : MIN_SLOTS_DOWNLOADING), MAX_SLOTS);
}
