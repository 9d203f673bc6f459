/**
 * Upload slots: how many peers our uplink serves well. More peers on a faster line, each at a rate still worth
 * having: a piece that arrives soon is soon passed on.
 */
import { asMillis, type Millis, NEVER } from '../units.js';
import { RateMeter } from './rate-meter.js';

const WINDOW_MS = 20_000;
/** The kernel is thought to hold no more than so much: where the rate is found out late, what is too much adds up. */
const MAX_BACKLOG_MS = 3_000;
/** The best rate of a window is a little more than the line carries: the kernel's buffers filled up in it. */
const DOUBT_MS = 300;
/** Of the best rate, what is left after a minute of less: lines change, and so does what is asked of us. */
const KEPT_PER_MINUTE = 0.9;
/** The square of the slots grows by this with each kilobyte a second. */
const SLOTS_PER_KB = 0.2;
/** Fewer while downloading: a piece is then sooner with somebody who passes it on. */
const SLOTS_PER_KB_DOWNLOADING = 0.1;
const MIN_SLOTS = 3;
/** While downloading, our requests stand behind the blocks that we send: of 128 kbit/s a third takes 3 s a block. */
const MIN_SLOTS_DOWNLOADING = 2;
const MAX_SLOTS = 50;
/** Less of its capacity than this, and a seed's uplink waits for receivers that are slow. */
const FILLED = 0.9;
const MAX_SLOTS_FACTOR = 4;

/** What our uplink carries, as far as it has been asked to. */
export class UplinkEstimate {
  readonly #sent = new RateMeter(WINDOW_MS);
  #best = 0;
  #at: Millis | undefined;
  /** When the kernel's share of ours is on the line, by the rate. */
  #sentAt = NEVER;

  /** The kernel took so many bytes. */
  onSent(now: Millis, bytes: number): void {
    this.#sent.add(now, bytes);
    const rate = this.rate(now);
    if (rate === 0) return;
    const from = this.#sentAt === NEVER ? now : Math.max(now, this.#sentAt);
    this.#sentAt = asMillis(Math.min(from + (bytes / rate) * 1000, now + MAX_BACKLOG_MS));
  }

  /** When the line is idle if the kernel takes no more; never where no rate is known yet. */
  get idleAt(): Millis {
    return asMillis(this.#sentAt + DOUBT_MS);
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
  const kilobytes = bytesPerSecond / 1_000;
  const slots = Math.round(Math.sqrt(kilobytes * (seeding ? SLOTS_PER_KB : SLOTS_PER_KB_DOWNLOADING)));
  return Math.min(Math.max(slots, seeding ? MIN_SLOTS : MIN_SLOTS_DOWNLOADING), MAX_SLOTS);
}

export interface SeedUplink {
  /** Slots that suit the uplink: `uploadSlotsFor`. */
  readonly usual: number;
  /** What it carries, and what goes out now, bytes a second. */
  readonly capacity: number;
  readonly rate: number;
  /** Interested peers that have slots. */
  readonly served: number;
  /** Slots so far. */
  readonly before: number;
  /** A round is over: slots may become fewer. */
  readonly isRound: boolean;
}

/** A seed's slots: more than usual, a round at least, while those who have them leave some of its uplink idle. */
export function seedSlotsFor({ usual, capacity, rate, served, before, isRound }: SeedUplink): number {
  if (rate < capacity * FILLED)
    return Math.min(Math.ceil((served * capacity) / rate), MAX_SLOTS_FACTOR * usual);
  // Fewer would do when receivers are quicker than they were.
  return Math.max(usual, isRound ? before - 1 : before);
}
