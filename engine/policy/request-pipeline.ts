/**
 * Request pipeline: how many blocks may be asked of one peer at once, and when it is overdue.
 *
 * The depth is the peer's best recent rate × (its least recent delay + slack): enough to keep its link full,
 * not so much that blocks wait in its queue which others could send. Until the rate stops growing the depth
 * doubles every round trip (slow start). Both estimates are those of BBR: the best rate, the least delay.
 */
import { asMillis, BLOCK_BYTES, type Millis } from '../units.js';

/** BEP 10 `reqq`: what clients assume of a peer that does not say. */
const DEFAULT_PEER_QUEUE = 250;
/** Requests beyond this only take memory: it is 32 MB, or 1 GB/s at 30 ms. */
const MAX_LIMIT = 2_000;
const MIN_LIMIT = 2;
/** From here on the pipeline is filled up in eighths: a message for each block that came costs 5 % of a fast core. */
const DEEP_LIMIT = 128;
const LEAST_ROOM = 1 / 8;
/**
 * A slow peer takes seconds for so many, in which nobody else is asked for them; a quick one soon gets more. With four,
 * links of four kinds (B4, 100 peers) end 1 % later.
 */
const INITIAL_LIMIT = 2;
/** A peer that let its requests time out is tried with one. */
const SNUBBED_LIMIT = 1;
/** On top of the delay, for peers that send in bursts: many limit their rate twice or so a second. */
const SLACK_MS = 500;
const ROUND_MS = 500;
/** The best rate is remembered this many rounds, so that a pause does not shrink the pipeline. */
const ROUNDS = 10;
/** Slow start ends after this many rounds in which the rate grew by less than a quarter. */
const FLAT_ROUNDS = 2;
const GROWTH = 1.25;
/** A delay this old is measured anew: the pipeline runs empty for one round trip, about a percent of the time. */
const DELAY_VALID_MS = 30_000;
/** Taken for the pace of a peer that has not shown it: a third of a slow uplink. */
const UNKNOWN_PACE_MS = 1_000;
const MIN_TIMEOUT_MS = 5_000;
const INITIAL_TIMEOUT_MS = 20_000;
const MAX_TIMEOUT_MS = 60_000;

export class RequestPipeline {
  #peerQueue = DEFAULT_PEER_QUEUE;
  #outstanding = 0;
  #limit = INITIAL_LIMIT;
  /** The last requests used all the room: it is the limit that holds the rate down. */
  #wasFilled = false;
  #slowStart = true;
  /** When the first blocks of the slow start came, and how many came after them. */
  #startedAt: Millis | undefined;
  #startedBlocks = 0;
  /** The pipeline runs empty, so that the delay shows without the time in the peer's queue. */
  #measuring = false;
  #snubbed = false;
  /** Time-outs since the last block: each doubles the patience. */
  #timeouts = 0;
  /** When the last block came, or the first was asked after a time of none. */
  #progressAt: Millis;
  readonly #rate: RoundRates;
  readonly #delay: DelayProbe;
  readonly #gap = new GapEstimate();

  constructor(now: Millis) {
    this.#progressAt = now;
    this.#rate = new RoundRates(now);
    this.#delay = new DelayProbe(now);
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** How many requests may be outstanding at once. */
  get limit(): number {
    if (this.#snubbed) return SNUBBED_LIMIT;
    return Math.max(1, Math.min(this.#measuring ? MIN_LIMIT : this.#limit, this.#peerQueue, MAX_LIMIT));
  }

  /** How many more may be asked: all that there is room for, or in a deep pipeline none while that is little. */
  room(now: Millis): number {
    this.#closeRounds(now);
    const { limit } = this;
    const room = Math.max(0, limit - this.#outstanding);
    return limit >= DEEP_LIMIT && room < limit * LEAST_ROOM ? 0 : room;
  }

  /** The peer told how many requests it queues (`reqq`). Untrusted: anything below 1 counts as 1. */
  setPeerQueue(requests: number): void {
    this.#peerQueue = Math.max(1, Math.min(Math.floor(requests) || 1, MAX_LIMIT));
  }

  onRequested(now: Millis, blocks: number): void {
    if (blocks <= 0) return;
    if (this.#outstanding === 0) {
      // What the rate was before a long time of asking nothing says nothing of now.
      if (now - this.#progressAt >= ROUNDS * ROUND_MS) this.#restart(now);
      this.#progressAt = now;
      this.#gap.pause();
    }
    this.#delay.onRequested(now, this.#outstanding);
    this.#outstanding += blocks;
    this.#wasFilled = this.#outstanding >= this.limit;
  }

  /** Blocks that were asked for arrived together, first or not. */
  onBlocks(now: Millis, blocks: number, bytes: number): void {
    this.#closeRounds(now);
    this.#outstanding = Math.max(0, this.#outstanding - blocks);
    this.#rate.add(bytes);
    if (this.#delay.onBlocks(now, blocks, this.#measuring)) this.#measuring = false;
    this.#gap.onBlocks(now, blocks);
    this.#progressAt = now;
    this.#timeouts = 0;
    if (this.#snubbed) {
      this.#snubbed = false;
      this.#restart(now);
    } else if (this.#slowStart) this.#grow(now, blocks);
  }

  /** Requests were rejected or cancelled. */
  onReleased(blocks: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - blocks);
    this.#delay.abort();
  }

  /** The peer chokes us and has forgotten all requests. */
  onChoked(now: Millis): void {
    this.onReleased(this.#outstanding);
    this.#gap.pause();
    this.#restart(now);
  }

  onUnchoked(now: Millis): void {
    this.#restart(now);
  }

  /** The owner saw that it is overdue and gave all its requests to others. */
  onTimedOut(now: Millis): void {
    this.onReleased(this.#outstanding);
    this.#gap.pause();
    this.#snubbed = true;
    this.#timeouts++;
    this.#progressAt = now;
  }

  /**
   * How long a block takes that is next, and each behind it: as the last ones did, or as long as the next is taking
   * already. Infinite while it is snubbed.
   */
  paceMs(now: Millis): number {
    if (this.#snubbed) return Number.POSITIVE_INFINITY;
    const pace = this.#gap.paceMs ?? UNKNOWN_PACE_MS;
    return this.#outstanding === 0 ? pace : Math.max(pace, now - this.#progressAt);
  }

  /** No block came in time, and none since. */
  get isSnubbed(): boolean {
    return this.#snubbed;
  }

  overdue(now: Millis): boolean {
    // No patience is shorter, and most are not tried longer: they are told apart without a look at the estimates.
    if (now - this.#progressAt < MIN_TIMEOUT_MS) return false;
    const deadline = this.nextDeadline();
    return deadline !== null && now >= deadline;
  }

  /** When it will be overdue unless a block comes; null while nothing is asked. */
  nextDeadline(): Millis | null {
    return this.#outstanding === 0 ? null : asMillis(this.#progressAt + this.#timeoutMs());
  }

  #timeoutMs(): number {
    const usual = this.#gap.patienceMs ?? INITIAL_TIMEOUT_MS;
    const patience = Math.max(usual, MIN_TIMEOUT_MS, 2 * this.#delay.leastMs);
    return Math.min(patience * 2 ** Math.min(this.#timeouts, 10), MAX_TIMEOUT_MS);
  }

  /** Slow start: doubles every round trip, but not beyond twice what the rate so far calls for. */
  #grow(now: Millis, blocks: number): void {
    if (this.#wasFilled && this.#limit < MAX_LIMIT) this.#limit += blocks;
    if (this.#startedAt === undefined) {
      this.#startedAt = now;
      return;
    }
    this.#startedBlocks += blocks;
    const elapsedMs = now - this.#startedAt;
    if (elapsedMs < SLACK_MS) return;
    this.#limit = Math.min(this.#limit, 2 * this.#depthAt(this.#startedBlocks / elapsedMs));
  }

  #depthAt(blocksPerMs: number): number {
    return Math.max(MIN_LIMIT, Math.ceil(blocksPerMs * (this.#delay.leastMs + SLACK_MS)));
  }

  #restart(now: Millis): void {
    this.#slowStart = true;
    this.#startedAt = undefined;
    this.#startedBlocks = 0;
    this.#limit = INITIAL_LIMIT;
    this.#measuring = false;
    this.#rate.restart(now);
  }

  #closeRounds(now: Millis): void {
    if (!this.#rate.closeRounds(now)) return;
    if (this.#slowStart && this.#rate.flatRounds >= FLAT_ROUNDS) this.#slowStart = false;
    if (this.#slowStart) return;
    this.#measuring = this.#delay.isStale(now);
    this.#limit = this.#depthAt(this.#rate.best / BLOCK_BYTES);
  }
}

/** Rates of the last rounds, in bytes a millisecond. A round without a block counts as long as the rest. */
class RoundRates {
  readonly #rates = new Array<number>(ROUNDS).fill(0);
  #at = 0;
  #bytes = 0;
  #startedAt: Millis;
  flatRounds = 0;

  constructor(now: Millis) {
    this.#startedAt = now;
  }

  get best(): number {
    let best = 0;
    // Not by an iterator: it is asked for each block, and would leave an object a rate behind.
    for (let i = 0; i < ROUNDS; i++) best = Math.max(best, this.#rates[i]!);
    return best;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  restart(now: Millis): void {
    this.#rates.fill(0);
    this.#bytes = 0;
    this.#startedAt = now;
    this.flatRounds = 0;
  }

  /** True when a round ended. */
  closeRounds(now: Millis): boolean {
    const spanMs = now - this.#startedAt;
    if (spanMs < ROUND_MS) return false;
    const rate = this.#bytes / spanMs;
    if (rate > 0) this.flatRounds = rate < this.best * GROWTH ? this.flatRounds + 1 : 0;
    // A long silence ends as many rounds as it lasted.
    const rounds = Math.min(ROUNDS, Math.floor(spanMs / ROUND_MS));
    for (let i = 0; i < rounds; i++) {
      this.#at = (this.#at + 1) % ROUNDS;
      this.#rates[this.#at] = rate;
    }
    this.#bytes = 0;
    this.#startedAt = now;
    return true;
  }
}

/**
 * Time from a request to its block, without waiting behind other requests: the least of all, or the latest
 * with next to nothing before it, as the path may change. One probe at a time; peers answer in order.
 */
class DelayProbe {
  #sentAt: Millis;
  /** Blocks yet to arrive until the probe's; 0 when there is no probe. */
  #left = 0;
  #sentBehind = 0;
  #least: number | undefined;
  #measuredAt: Millis;

  constructor(now: Millis) {
    this.#sentAt = now;
    this.#measuredAt = now;
  }

  /** 0 while unknown. */
  get leastMs(): number {
    return this.#least ?? 0;
  }

  /** @param behind requests sent before and not answered */
  onRequested(now: Millis, behind: number): void {
    if (this.#left > 0) return;
    this.#sentAt = now;
    this.#sentBehind = behind;
    this.#left = behind + 1;
  }

  isStale(now: Millis): boolean {
    return now - this.#measuredAt >= DELAY_VALID_MS;
  }

  /** True when the probe's block was among these, and it says what the delay is. */
  onBlocks(now: Millis, blocks: number, isMeasuring: boolean): boolean {
    if (this.#left === 0) return false;
    this.#left = Math.max(0, this.#left - blocks);
    if (this.#left > 0) return false;
    const delay = now - this.#sentAt;
    const few = isMeasuring ? MIN_LIMIT : 1;
    if (this.#least !== undefined && delay > this.#least && this.#sentBehind >= few) return false;
    this.#least = delay;
    this.#measuredAt = now;
    return true;
  }

  abort(): void {
    this.#left = 0;
  }
}

/** Time between arrivals of blocks: mean and mean deviation, as TCP does for its time-outs (RFC 6298). */
class GapEstimate {
  #lastAt: Millis | undefined;
  #isKnown = false;
  // Numbers from the beginning: one that may be undefined is an object of its own each time that it changes.
  #mean = 0;
  #deviation = 0;
  /** Of each block, also of those that come together. */
  #pace = 0;

  /** Mean time a block; undefined while unknown. */
  get paceMs(): number | undefined {
    return this.#isKnown ? this.#pace : undefined;
  }

  /**
   * How long to wait for the next block before something is wrong; undefined while unknown. Many times the mean: an
   * uplink that is shared among more peers than before is slower by as much, and what comes twice is wasted.
   */
  get patienceMs(): number | undefined {
    return this.#isKnown ? 20 * this.#mean + 4 * this.#deviation : undefined;
  }

  /** The time until the next block says nothing: nothing is asked. */
  pause(): void {
    this.#lastAt = undefined;
  }

  onBlocks(now: Millis, blocks: number): void {
    if (this.#lastAt !== undefined) {
      const gap = now - this.#lastAt;
      const pace = gap / Math.max(1, blocks);
      if (!this.#isKnown) {
        this.#isKnown = true;
        this.#pace = pace;
        this.#mean = gap;
        this.#deviation = gap / 2;
      } else {
        this.#pace += (pace - this.#pace) / 8;
        this.#deviation += (Math.abs(gap - this.#mean) - this.#deviation) / 4;
        this.#mean += (gap - this.#mean) / 8;
      }
    }
    this.#lastAt = now;
  }
}
