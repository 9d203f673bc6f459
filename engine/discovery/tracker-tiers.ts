/**
 * Decides which tracker of a torrent is announced to, when, and with which event (BEP 3, BEP 12). Pure: told what
 * happened by `on…` calls with the time, it does nothing by itself.
 *
 * Every tier is announced to, and in each only the first tracker that works: tiers are mostly lists of trackers
 * that do not know each other's peers. With `firstTierOnly` a later tier is a backup that is used while all
 * tiers before it fail, as BEP 12 has it and as private torrents need it (BEP 27: one tracker at a time).
 */
import type { Rng } from '../ports.js';
import type { TrackerSnapshot } from '../snapshot.js';
import { asMillis, type Millis } from '../units.js';
import type { AnnounceAnswer, AnnounceEvent } from './announce.js';

export interface TierLimits {
  /** A tracker's `interval` is kept between these two. */
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
  /** In place of an interval that is missing or impossible. */
  readonly defaultIntervalMs: number;
  /** Least time between two announces because peers are wanted; doubles each time it did not wait for the interval. */
  readonly earlyMs: number;
  /** Pause after the first failure in a row; doubles with each. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
}

export const DEFAULT_TIER_LIMITS: TierLimits = {
  minIntervalMs: 30_000,
  maxIntervalMs: 4 * 3_600_000,
  defaultIntervalMs: 1_800_000,
  earlyMs: 60_000,
  minBackoffMs: 15_000,
  maxBackoffMs: 1_800_000,
};

/** Trackers kept of one torrent: a list of thousands is an attack on others by means of us. */
export const MAX_TRACKERS = 64;
/** Announces of one torrent under way at once. */
const MAX_IN_FLIGHT = 8;
/** A tracker that asks to be left alone for longer than this is asked again after it. */
const MAX_RETRY_MS = 24 * 3_600_000;
/** Peers asked for when they are needed, and when it is only to stay known. */
const NUM_WANT = { wanted: 200, routine: 50 } as const;

/** One announce to make now. `id` names the tracker in the calls that report the outcome. */
export interface DueAnnounce {
  readonly id: number;
  readonly event: AnnounceEvent;
  readonly numWant: number;
  /** Another tracker of the tier is ready to be tried should this one be slow. */
  readonly hasAlternative: boolean;
}

export interface AnnounceFailure {
  /** Untrusted. */
  readonly message: string;
  /** The tracker said when to come back (BEP 31). */
  readonly retryMs?: number;
  /** The tracker said never to come back, or its URL is of no use. */
  readonly permanent?: boolean;
}

interface Tracker {
  readonly id: number;
  readonly url: string;
  phase: TrackerSnapshot['state'];
  message: string;
  seeders: number | null;
  leechers: number | null;
  peersReceived: number;
  /** The event under way. */
  inFlight: AnnounceEvent | undefined;
  /** It knows of us. */
  started: boolean;
  completedDue: boolean;
  wanted: boolean;
  /** Failures in a row. */
  failures: number;
  /** Announces in a row that did not wait for the interval. */
  early: number;
  /** No announce without an event before this. */
  earliestAt: number;
  nextAt: number;
}

interface Tier {
  /** First is tried first. */
  readonly order: Tracker[];
  /** The tracker that answered last, as long as it does not fail. */
  working: Tracker | undefined;
}

export class TrackerTiers {
  readonly #tiers: readonly Tier[];
  readonly #trackers: readonly Tracker[];
  readonly #rng: Rng;
  readonly #limits: TierLimits;
  readonly #firstTierOnly: boolean;

  /** Duplicates, and what is more than `MAX_TRACKERS`, are dropped; each tier is shuffled (BEP 12). */
  constructor(
    tiers: readonly (readonly string[])[],
    options: { readonly rng: Rng; readonly limits: TierLimits; readonly firstTierOnly: boolean },
  ) {
    this.#rng = options.rng;
    this.#limits = options.limits;
    this.#firstTierOnly = options.firstTierOnly;
    const trackers = new Map<string, Tracker>();
    const kept: Tier[] = [];
    for (const urls of tiers) {
      const order: Tracker[] = [];
      for (const url of urls) {
        if (trackers.has(url) || trackers.size >= MAX_TRACKERS) continue;
        const tracker = newTracker(trackers.size, url);
        trackers.set(url, tracker);
        order.push(tracker);
      }
      if (order.length > 0) kept.push({ order: shuffle(order, options.rng), working: undefined });
    }
    this.#tiers = kept;
    this.#trackers = [...trackers.values()];
  }

  /** URLs by id. */
  get urls(): readonly string[] {
    return this.#trackers.map(({ url }) => url);
  }

  /** The announces to make at `now`; each counts as under way until its outcome is reported. */
  due(now: Millis): DueAnnounce[] {
    const announces: DueAnnounce[] = [];
    let room = MAX_IN_FLIGHT - this.#inFlightCount();
    for (const tier of this.#tiers) {
      if (room === 0) break;
      if (!this.#isOpen(tier)) continue;
      const tracker = tier.order.find((candidate) => dueAt(tier, candidate) <= now);
      if (tracker === undefined) continue;
      room--;
      announces.push(this.#begin(tier, tracker, now));
    }
    return announces;
  }

  /** When `due` has something to say; undefined when only an outcome or a call can change that. */
  nextAt(): Millis | undefined {
    if (this.#inFlightCount() >= MAX_IN_FLIGHT) return undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const tier of this.#tiers)
      if (this.#isOpen(tier)) for (const tracker of tier.order) next = Math.min(next, dueAt(tier, tracker));
    return next === Number.POSITIVE_INFINITY ? undefined : asMillis(next);
  }

  onAnswer(id: number, answer: AnnounceAnswer, now: Millis): void {
    const tracker = this.#tracker(id);
    if (tracker.inFlight === undefined) return;
    if (tracker.inFlight === 'completed') tracker.completedDue = false;
    tracker.started = true;
    tracker.inFlight = undefined;
    tracker.failures = 0;
    tracker.phase = 'working';
    tracker.message = answer.warning ?? '';
    this.#schedule(tracker, answer, now);
    this.onPeers(id, answer);
    const tier = this.#tierOf(tracker);
    tier.working = tracker;
    tier.order.splice(tier.order.indexOf(tracker), 1);
    tier.order.unshift(tracker);
  }

  /** Another answer to the same announce, over the other address family: adds its peers, moves no time. */
  onPeers(id: number, answer: AnnounceAnswer): void {
    const tracker = this.#tracker(id);
    tracker.seeders = answer.seeders ?? tracker.seeders;
    tracker.leechers = answer.leechers ?? tracker.leechers;
    tracker.peersReceived += answer.peers.length;
  }

  onScrape(id: number, seeders: number | null, leechers: number | null): void {
    const tracker = this.#tracker(id);
    tracker.seeders = seeders ?? tracker.seeders;
    tracker.leechers = leechers ?? tracker.leechers;
  }

  onFailure(id: number, failure: AnnounceFailure, now: Millis): void {
    const tracker = this.#tracker(id);
    const tier = this.#tierOf(tracker);
    tracker.inFlight = undefined;
    tracker.failures++;
    tracker.phase = 'failed';
    tracker.message = failure.message;
    tracker.nextAt =
      failure.permanent === true ? Number.POSITIVE_INFINITY : now + this.#pause(tracker, failure);
    if (tier.working === tracker) tier.working = undefined;
  }

  /** Peers are wanted before the interval is over. */
  wantPeers(): void {
    for (const { working } of this.#tiers) if (working !== undefined) working.wanted = true;
  }

  /** What trackers were told of us is true no more: each that knows us is told as early as it bears it. */
  announceAgain(): void {
    for (const tracker of this.#trackers)
      if (tracker.started || tracker.inFlight !== undefined) tracker.wanted = true;
  }

  /** The download just finished: every tracker that knows us as a downloader is told so once. */
  completed(): void {
    for (const tracker of this.#trackers)
      if (tracker.started || tracker.inFlight !== undefined) tracker.completedDue = true;
  }

  /** Ids of the trackers that know of us, or may do so: those to say goodbye to. */
  toStop(): number[] {
    return this.#trackers
      .filter((tracker) => tracker.started || tracker.inFlight !== undefined)
      .map(({ id }) => id);
  }

  /** The tracker to scrape: the first that works. */
  workingId(): number | undefined {
    return this.#tiers.find((tier) => tier.working !== undefined)?.working?.id;
  }

  snapshot(now: Millis): TrackerSnapshot[] {
    return this.#tiers.flatMap((tier, index) =>
      tier.order.map((tracker) => shown(tier, tracker, index, now)),
    );
  }

  #begin(tier: Tier, tracker: Tracker, now: Millis): DueAnnounce {
    const event = eventOf(tracker);
    const wanted = tracker.wanted || event === 'started';
    tracker.early = event === 'none' && now < tracker.nextAt ? tracker.early + 1 : 0;
    tracker.wanted = false;
    tracker.inFlight = event;
    tracker.phase = 'announcing';
    const hasAlternative = tier.order.some((other) => other !== tracker && other.nextAt <= now);
    return { id: tracker.id, event, numWant: wanted ? NUM_WANT.wanted : NUM_WANT.routine, hasAlternative };
  }

  #schedule(tracker: Tracker, answer: AnnounceAnswer, now: Millis): void {
    const { minIntervalMs, maxIntervalMs, defaultIntervalMs, earlyMs } = this.#limits;
    const clamp = (ms: number): number => Math.min(Math.max(ms, minIntervalMs), maxIntervalMs);
    const least = milliseconds(answer.minIntervalSeconds);
    const interval = Math.max(
      clamp(milliseconds(answer.intervalSeconds) ?? defaultIntervalMs),
      clamp(least ?? 0),
    );
    const early = Math.max(
      earlyMs * 2 ** Math.min(tracker.early, 20),
      least === undefined ? 0 : clamp(least),
    );
    tracker.nextAt = now + interval;
    tracker.earliestAt = now + Math.min(early, interval);
  }

  #pause(tracker: Tracker, { retryMs }: AnnounceFailure): number {
    const { minBackoffMs, maxBackoffMs } = this.#limits;
    if (retryMs !== undefined && retryMs > 0)
      return Math.round(Math.min(Math.max(retryMs, minBackoffMs), MAX_RETRY_MS));
    const doubled = Math.min(minBackoffMs * 2 ** Math.min(tracker.failures - 1, 30), maxBackoffMs);
    // Jitter, so that the clients of a restarted tracker do not come at once.
    return Math.round(doubled * (0.75 + this.#rng() / 2));
  }

  /** The tier may start an announce: none of its own is under way, and its turn has come. */
  #isOpen(tier: Tier): boolean {
    if (tier.order.some(({ inFlight }) => inFlight !== undefined)) return false;
    if (!this.#firstTierOnly) return true;
    return this.#tiers.slice(0, this.#tiers.indexOf(tier)).every(isFailing);
  }

  #inFlightCount(): number {
    return this.#trackers.filter(({ inFlight }) => inFlight !== undefined).length;
  }

  #tierOf(tracker: Tracker): Tier {
    const tier = this.#tiers.find(({ order }) => order.includes(tracker));
    if (tier === undefined) throw new RangeError(`tracker ${tracker.id} is in no tier`);
    return tier;
  }

  #tracker(id: number): Tracker {
    const tracker = this.#trackers[id];
    if (tracker === undefined) throw new RangeError(`no tracker has the id ${id}`);
    return tracker;
  }
}

function newTracker(id: number, url: string): Tracker {
  return {
    id,
    url,
    phase: 'idle',
    message: '',
    seeders: null,
    leechers: null,
    peersReceived: 0,
    inFlight: undefined,
    started: false,
    completedDue: false,
    wanted: false,
    failures: 0,
    early: 0,
    earliestAt: 0,
    nextAt: 0,
  };
}

function eventOf(tracker: Tracker): AnnounceEvent {
  if (!tracker.started) return 'started';
  return tracker.completedDue ? 'completed' : 'none';
}

/** When `tracker` is to be announced to. While one of the tier works the others rest. */
function dueAt(tier: Tier, tracker: Tracker): number {
  if (tier.working === undefined) return tracker.nextAt;
  if (tier.working !== tracker) return Number.POSITIVE_INFINITY;
  if (tracker.completedDue) return 0;
  return tracker.wanted ? Math.min(tracker.earliestAt, tracker.nextAt) : tracker.nextAt;
}

/** All of its trackers were tried and none works. */
const isFailing = (tier: Tier): boolean =>
  tier.working === undefined &&
  tier.order.every(({ failures, inFlight }) => failures > 0 && inFlight === undefined);

/** Undefined for what is no time span: missing, negative, zero, not finite. */
function milliseconds(seconds: number | null): number | undefined {
  if (seconds === null || !Number.isFinite(seconds) || seconds <= 0) return undefined;
  return Math.round(seconds * 1_000);
}

function shuffle(order: Tracker[], rng: Rng): Tracker[] {
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(rng() * (last + 1));
    const [a, b] = [order[last], order[other]];
    if (a !== undefined && b !== undefined) [order[last], order[other]] = [b, a];
  }
  return order;
}

function shown(tier: Tier, tracker: Tracker, index: number, now: Millis): TrackerSnapshot {
  const at = tracker.inFlight === undefined ? dueAt(tier, tracker) : Number.POSITIVE_INFINITY;
  return {
    url: tracker.url,
    tier: index,
    state: tracker.phase,
    message: tracker.message,
    seeders: tracker.seeders,
    leechers: tracker.leechers,
    peersReceived: tracker.peersReceived,
    nextAnnounceInSeconds:
      at === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil((at - now) / 1_000)),
  };
}
