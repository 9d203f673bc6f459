/**
 * Uplink pacer: how fast we may upload so that no queue builds up on our line, in the kernel or in the router. Whatever
 * else leaves this machine, requests and acknowledgements above all, stands behind such a queue.
 *
 * It goes by bytes that were sent and are not acknowledged: over the rate of acknowledgement they are the time that a
 * byte takes (Little's law). What that time is beyond the least seen is queue, and is kept near a target, as LEDBAT
 * does (RFC 6817). Free of any limit until a queue shows; then the queue is drained once, which shows the path's own
 * delay, and again twice a minute, as paths change.
 */
import { asMillis, BLOCK_BYTES, type Millis } from '../units.js';

/** Of one connection, since its beginning. */
export interface SendQueue {
  /** Names the connection. */
  readonly id: number;
  /** What the kernel took from us. */
  readonly acceptedBytes: number;
  /** Of these, what the other end has not acknowledged. */
  readonly unackedBytes: number;
}

/** RFC 6817 allows 100 ms; the quickest connections show a third of it. Blocks go as a whole: no less than half of one. */
const TARGET_MS = 35;
const TARGET_BLOCKS = 0.5;
/** A lone packet is acknowledged so late (Linux). Who was quicker once was lucky, and below it no queue can be told. */
const LEAST_PATH_MS = 25;
/** What a long path's own delay varies by. */
const TARGET_OF_PATH = 0.25;
/** Of all connections, more than the least so far, which is not the path's alone where the queue was there before us; … */
const PACED_FROM_MS = 350;
/** … and of the quickest: with less it is the receivers that are slow. */
const QUICKEST_FROM_MS = 120;
const LONGEST_PATH_MS = 600;
/** A line that has carried more of late is not full: the other ends are late to acknowledge. */
const FULL_SHARE = 0.75;
/** In a row, but for some that are neither long nor calm. */
const PACED_AFTER_READINGS = 2;
/** One connection cannot tell whether it is our uplink that is slow, or the other end's, which acknowledges. */
const LEAST_FLOWS = 2;
/** Less within the window is too little to tell a delay from. */
const LEAST_FLOW_BYTES = 2 * BLOCK_BYTES;
/** Those that are through soonest and carry so much of all have the least queue of somebody else. */
const QUICKEST_SHARE = 0.25;
/** No kernel's buffer lasts for long on a faster line. Bytes a second. */
const FAST = 4e6;
const LEAST = 8e3;

const FREE_READ_MS = 1_000;
/** After so many readings without a queue, and then so seldom. */
const CALM_READINGS = 4;
const CALM_READ_MS = 3_000;
const PACED_READ_MS = 250;
/** Over which rates and delays are taken: so long, or on slow lines what so many blocks take. */
const WINDOW_MS = 2_000;
/** While free: a queue for less is a burst, which goes by itself; and who waits for seconds acknowledges in leaps. */
const FREE_WINDOW_MS = 6_000;
const WINDOW_BLOCKS = 20;
const MAX_WINDOW_MS = 10_000;

/** A queue beyond the target is to be gone in so long, … */
const DRAIN_EXCESS_MS = 1_000;
/** … if less than this share of what we send comes through; otherwise it is the other ends' uplinks that are slow. */
const COMES_THROUGH = 0.95;
/** Change a second: where no queue shows, far below what the line has carried when it was full, … */
const QUICK_GROWTH = 0.5;
/** Not more than this in the time of the path itself: what is on its way looks like a queue. */
const GROWTH_A_TRIP = 0.1;
const NEAR = 0.92;
/** … and near it, without a queue; in proportion less with one, to nothing at the target, and so on beyond. */
const GAIN = 0.04;
const MOST_DECLINE = 0.2;
/** What the line carried when it was full is forgotten after this long. */
const CEILING_VALID_MS = 60_000;

/** Share of the rate that is left in the meantime, and for how long: it costs a percent or two. */
const DRAIN_SHARE = 0.5;
const DRAIN_MS = 1_000;
const DRAIN_EVERY_MS = 30_000;
/**
 * The first time all that the kernel and the router hold has to go: while what is not acknowledged gets less by a tenth
 * within so long. What is left of it would be taken for the path's own, and kept for half a minute.
 */
const FIRST_DRAIN_SHARE = 0.25;
const FALLS_WITHIN_MS = 1_000;
const FALL = 0.9;
const MAX_FIRST_DRAIN_MS = 12_000;

/** Of the best rate, which is halved in so long: what we take for a queue by mistake costs little at once. */
const LEAST_SHARE = 0.5;
const BEST_HALVED_MS = 40_000;

interface Reading {
  readonly at: Millis;
  readonly queues: ReadonlyMap<number, SendQueue>;
}

/** What a connection carried between the first reading and the last. */
interface Flow {
  readonly deliveredBytes: number;
  /** Mean. */
  readonly unackedBytes: number;
}

interface View {
  /** Bytes a second: that the kernel took, and that were acknowledged. */
  readonly sentRate: number;
  readonly rate: number;
  /** Of the quickest connections; undefined: too few connections to tell. */
  readonly delayMs: number | undefined;
  /** Of all that carried enough to tell. */
  readonly meanDelayMs: number;
  /** Now, of all connections. */
  readonly unackedBytes: number;
}

export class UplinkPacer {
  readonly #readings: Reading[] = [];
  #windowMs = FREE_WINDOW_MS;
  #longReadings = 0;
  #calmReadings = 0;
  /** Undefined: free. */
  #rate: number | undefined;
  #best = 0;
  #bestAt = asMillis(0);
  #ceiling = 0;
  #ceilingAt = asMillis(0);
  #base = new LeastDelay();
  #draining = false;
  /** When draining ends, or begins again. */
  #turnAt = asMillis(0);
  /** The first drain: the least that was not acknowledged so far, and since when. */
  #firstDrain: { bytes: number; since: Millis } | undefined;
  /** Readings that draining is a part of say nothing about the line. */
  #clearAt = asMillis(0);
  #adjustedAt = asMillis(0);

  /** Bytes a second that all uploads together may take; undefined without limit. */
  get bytesPerSecond(): number | undefined {
    if (this.#rate === undefined) return undefined;
    const drainShare = this.#firstDrain === undefined ? DRAIN_SHARE : FIRST_DRAIN_SHARE;
    return Math.max(LEAST, this.#rate * (this.#draining ? drainShare : 1));
  }

  /** When the next reading is worth what it costs. */
  get readEveryMs(): number {
    if (this.#rate !== undefined) return PACED_READ_MS;
    return this.#calmReadings < CALM_READINGS ? FREE_READ_MS : CALM_READ_MS;
  }

  /**
   * @param queues of all open connections
   * @param isBinding uploads wait for the pace; otherwise what is sent says nothing of what could be
   */
  onReading(now: Millis, queues: readonly SendQueue[], isBinding: boolean): void {
    this.#readings.push({ at: now, queues: new Map(queues.map((queue) => [queue.id, queue])) });
    while ((this.#readings[1]?.at ?? now) <= now - this.#windowMs) this.#readings.shift();
    const view = this.#view();
    if (view === undefined) return;
    this.#windowMs = Math.max(this.#rate === undefined ? FREE_WINDOW_MS : 0, windowMs(view.rate));
    if (!this.#draining && now >= this.#clearAt) {
      const keptShare = 2 ** (-(now - this.#bestAt) / BEST_HALVED_MS);
      this.#best = Math.max(view.rate, this.#best * keptShare);
    }
    this.#bestAt = now;
    if (this.#rate === undefined) this.#watch(now, view);
    else this.#adjust(now, view, this.#rate, isBinding);
  }

  /** Whatever was learnt of the line is forgotten. */
  onIdle(): void {
    this.#readings.length = 0;
    this.#longReadings = 0;
    this.#calmReadings = 0;
    this.#base = new LeastDelay();
    this.#draining = false;
    this.#firstDrain = undefined;
    this.#best = 0;
    this.#rate = undefined;
  }

  #watch(now: Millis, { rate, delayMs, meanDelayMs, unackedBytes }: View): void {
    if (delayMs === undefined) return;
    this.#base.add(now, meanDelayMs);
    const queueMs = meanDelayMs - Math.min(this.#base.ms, LONGEST_PATH_MS);
    const isFull = rate >= FULL_SHARE * this.#best && rate < FAST;
    const isLong = isFull && delayMs > QUICKEST_FROM_MS && queueMs > Math.max(PACED_FROM_MS, targetMs(rate));
    const isCalm = queueMs < PACED_FROM_MS / 2;
    this.#calmReadings = isCalm ? this.#calmReadings + 1 : 0;
    this.#longReadings = isCalm ? 0 : this.#longReadings + (isLong ? 1 : 0);
    if (this.#longReadings < PACED_AFTER_READINGS) return;
    this.#longReadings = 0;
    this.#rate = rate;
    this.#base = new LeastDelay();
    this.#ceiling = Number.POSITIVE_INFINITY;
    this.#adjustedAt = now;
    this.#firstDrain = { bytes: unackedBytes, since: now };
    this.#drain(now, MAX_FIRST_DRAIN_MS);
  }

  #adjust(now: Millis, view: View, current: number, isBinding: boolean): void {
    const elapsedMs = now - this.#adjustedAt;
    this.#adjustedAt = now;
    if (view.delayMs !== undefined) this.#base.add(now, view.delayMs);
    if (now >= this.#turnAt || this.#isDrained(now, view.unackedBytes, current)) {
      if (this.#draining) {
        this.#draining = false;
        this.#turnAt = asMillis(now + DRAIN_EVERY_MS);
        this.#clearAt = asMillis(now + this.#windowMs);
        this.#firstDrain = undefined;
      } else this.#drain(now, DRAIN_MS);
    }
    if (this.#draining || now < this.#clearAt) return;
    const next = this.#next(now, view, current, isBinding, elapsedMs / 1_000);
    this.#rate = Math.max(next, LEAST_SHARE * this.#best, LEAST);
    if (this.#rate > FAST) this.onIdle();
  }

  #next(now: Millis, view: View, current: number, isBinding: boolean, seconds: number): number {
    const target = Math.max(targetMs(current), TARGET_OF_PATH * this.#base.ms);
    const queueMs = Math.max(0, (view.delayMs ?? 0) - this.#base.ms);
    if (queueMs > target) {
      this.#ceiling = view.rate;
      this.#ceilingAt = now;
    }
    if (queueMs > target && view.rate < COMES_THROUGH * view.sentRate) {
      return Math.min(current, view.rate * Math.max(0.5, 1 - (queueMs - target) / DRAIN_EXCESS_MS));
    }
    if (!isBinding && queueMs < target) return current;
    const ceiling = now - this.#ceilingAt < CEILING_VALID_MS ? this.#ceiling : Number.POSITIVE_INFINITY;
    const isNear = current > NEAR * ceiling || queueMs > target / 2;
    const quick = Math.min(QUICK_GROWTH, (1_000 * GROWTH_A_TRIP) / this.#base.ms);
    const change = isNear ? Math.max(GAIN * (1 - queueMs / target), -MOST_DECLINE) : quick;
    return current * (1 + change * seconds);
  }

  /** Whether the first drain has reached the bottom: from then on it costs what the line could carry. */
  #isDrained(now: Millis, unackedBytes: number, rate: number): boolean {
    const least = this.#firstDrain;
    if (least === undefined) return false;
    // On a slow line that is less than a block, and blocks come and go.
    const fewBytes = (LEAST_PATH_MS * rate) / 1_000;
    if (fewBytes >= BLOCK_BYTES && unackedBytes < fewBytes) return true;
    if (unackedBytes >= FALL * least.bytes) return now - least.since >= FALLS_WITHIN_MS;
    this.#firstDrain = { bytes: unackedBytes, since: now };
    return false;
  }

  #drain(now: Millis, ms: number): void {
    this.#draining = true;
    this.#turnAt = asMillis(now + ms);
  }

  #view(): View | undefined {
    const [first] = this.#readings;
    const last = this.#readings.at(-1);
    if (first === undefined || last === undefined || first === last) return undefined;
    const seconds = (last.at - first.at) / 1_000;
    if (this.#rate === undefined && 1_000 * seconds < FREE_WINDOW_MS) return undefined;
    const flows: Flow[] = [];
    let [sent, delivered, unackedNow] = [0, 0, 0];
    for (const { id, acceptedBytes, unackedBytes } of last.queues.values()) {
      const before = first.queues.get(id);
      if (before === undefined) continue;
      const sentBytes = acceptedBytes - before.acceptedBytes;
      const deliveredBytes = sentBytes - (unackedBytes - before.unackedBytes);
      sent += sentBytes;
      delivered += deliveredBytes;
      unackedNow += unackedBytes;
      if (deliveredBytes < LEAST_FLOW_BYTES) continue;
      let unacked = 0;
      for (const { queues } of this.#readings) unacked += queues.get(id)?.unackedBytes ?? 0;
      flows.push({ deliveredBytes, unackedBytes: unacked / this.#readings.length });
    }
    const rate = delivered / seconds;
    // Requests alone do not fill a line.
    if (rate < LEAST) return undefined;
    const delayMs = leastDelayMs(flows, 1_000 * seconds);
    const inFlight = flows.reduce((sum, flow) => sum + flow.unackedBytes, 0);
    const carried = flows.reduce((sum, flow) => sum + flow.deliveredBytes, 0);
    const meanDelayMs = carried === 0 ? 0 : (1_000 * seconds * inFlight) / carried;
    return { sentRate: sent / seconds, rate, delayMs, meanDelayMs, unackedBytes: unackedNow };
  }
}

/** By Little's law; undefined where nobody can tell. */
function leastDelayMs(flows: Flow[], spanMs: number): number | undefined {
  if (flows.length < LEAST_FLOWS) return undefined;
  flows.sort((a, b) => a.unackedBytes / a.deliveredBytes - b.unackedBytes / b.deliveredBytes);
  const enough = QUICKEST_SHARE * flows.reduce((sum, { deliveredBytes }) => sum + deliveredBytes, 0);
  let [delivered, unacked] = [0, 0];
  for (const { deliveredBytes, unackedBytes } of flows) {
    if (delivered >= enough) break;
    delivered += deliveredBytes;
    unacked += unackedBytes;
  }
  return (unacked * spanMs) / delivered;
}

function targetMs(bytesPerSecond: number): number {
  return Math.max(TARGET_MS, (1_000 * TARGET_BLOCKS * BLOCK_BYTES) / bytesPerSecond);
}

function windowMs(bytesPerSecond: number): number {
  const blocksMs = (1_000 * WINDOW_BLOCKS * BLOCK_BYTES) / bytesPerSecond;
  return Math.min(Math.max(WINDOW_MS, blocksMs), MAX_WINDOW_MS);
}

/** The least of the last minute or so: draining shows it twice in that time. */
class LeastDelay {
  #ms = Number.POSITIVE_INFINITY;
  #before = Number.POSITIVE_INFINITY;
  #since: Millis | undefined;

  /** As little as it can be while unknown. */
  get ms(): number {
    const least = Math.min(this.#ms, this.#before);
    return least === Number.POSITIVE_INFINITY ? LEAST_PATH_MS : Math.max(least, LEAST_PATH_MS);
  }

  add(now: Millis, ms: number): void {
    this.#since ??= now;
    if (now - this.#since >= 1.5 * DRAIN_EVERY_MS) {
      this.#since = now;
      this.#before = this.#ms;
      this.#ms = ms;
    } else this.#ms = Math.min(this.#ms, ms);
  }
}
