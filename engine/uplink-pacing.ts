/**
 * Uplink pacing: keeps the engine's upload limit at what the line carries without a queue, as far as the system tells
 * what waits on it, and never above what the user allows.
 */
import type { TokenBucket } from './policy/token-bucket.js';
import { UplinkPacer } from './policy/uplink-pacer.js';
import type { Clock, TimerHandle } from './ports.js';
import { asMillis, BLOCK_BYTES, type Millis } from './units.js';
import type { SendQueues } from './wire/send-queues.js';

/** What goes at once is a queue too. */
const BURST_S = 0.05;
const LEAST_BURST_BYTES = 2 * BLOCK_BYTES;
/** A look is not worth its cost below, where nothing is uploaded, and above: see the pacer. Bytes a second. */
const SLOWEST = 4e3;
const FASTEST = 4e6;
/** A look costs a few percent of a core at most: the next is not before so many times what it took. */
const LOOKS_APART = 50;
const MAX_APART_MS = 2_000;
/** In which nothing is uploaded, until the line is taken for an unknown one. */
const IDLE_MS = 60_000;

type Queues = Pick<SendQueues, 'isTold' | 'isEmpty' | 'acceptedBytes' | 'read' | 'onFirst'>;

export class UplinkPacing {
  readonly #clock: Clock;
  readonly #queues: Queues;
  readonly #bucket: TokenBucket;
  readonly #isDownloading: () => boolean;
  readonly #userLimit: number;
  readonly #pacer = new UplinkPacer();
  #timer: TimerHandle | undefined;
  #stopped = false;
  /** How long the last one took. */
  #lookMs = 0;
  #acceptedBytes = 0;
  #lookedAt: Millis;
  #busyAt: Millis;

  /**
   * @param bucket of all uploads; its rate so far is the user's limit
   * @param isDownloading what we say can hardly be late otherwise, and a full line is worth more than a short queue
   */
  constructor(clock: Clock, queues: Queues, bucket: TokenBucket, isDownloading: () => boolean) {
    this.#clock = clock;
    this.#queues = queues;
    this.#bucket = bucket;
    this.#isDownloading = isDownloading;
    this.#userLimit = bucket.bytesPerSecond;
    this.#lookedAt = this.#busyAt = clock.now();
    queues.onFirst = () => this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#stopped || this.#timer !== undefined || !this.#queues.isTold) return;
    const apartMs = Math.min(LOOKS_APART * this.#lookMs, MAX_APART_MS);
    const at = asMillis(this.#clock.now() + Math.max(this.#pacer.readEveryMs, apartMs));
    this.#timer = this.#clock.schedule(at, () => void this.#look());
  }

  async #look(): Promise<void> {
    const now = this.#clock.now();
    const { acceptedBytes } = this.#queues;
    // Less than before when a connection has closed.
    const sent = Math.max(0, acceptedBytes - this.#acceptedBytes);
    const rate = (1_000 * sent) / (now - this.#lookedAt);
    this.#acceptedBytes = acceptedBytes;
    this.#lookedAt = now;
    const isPaced = this.#pacer.bytesPerSecond !== undefined;
    if (rate >= SLOWEST) this.#busyAt = now;
    if (now - this.#busyAt >= IDLE_MS || !this.#isDownloading()) this.#pacer.onIdle();
    else if (isPaced || (rate >= SLOWEST && rate <= FASTEST)) {
      const isBinding = this.#bucket.available(now) < BLOCK_BYTES;
      const readings = await this.#queues.read();
      this.#lookMs = this.#clock.now() - now;
      this.#pacer.onReading(this.#clock.now(), readings, isBinding);
    }
    if (this.#stopped) return;
    this.#apply();
    this.#timer = undefined;
    if (!this.#queues.isEmpty) this.#arm();
  }

  #apply(): void {
    const pace = this.#pacer.bytesPerSecond;
    const now = this.#clock.now();
    const isLimited = pace !== undefined && (this.#userLimit === 0 || pace < this.#userLimit);
    if (isLimited) this.#bucket.setRate(now, pace, Math.max(BURST_S * pace, LEAST_BURST_BYTES));
    else if (this.#bucket.bytesPerSecond !== this.#userLimit) this.#bucket.setRate(now, this.#userLimit);
  }
}
