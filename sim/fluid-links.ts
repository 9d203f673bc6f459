/**
 * Fluid links: access links shared max-min fairly by the flows that cross them. A flow crosses two links, its
 * sender's up and its receiver's down, and is served continuously, one block at a time.
 *
 * Each link has a level: the rate of those of its flows that nothing else holds down (Infinity while it is not
 * full). A flow's rate is the lower level of its two links, and that link owns it. Levels are a fixed point of
 * "fill this link, given the levels at the other ends", which is the max-min allocation; after a change only links
 * that are affected are filled anew, at the end of the tick.
 *
 * A link serves its own flows equally, so it keeps one clock for all of them: its service, bytes per flow since the
 * beginning. A block ends when its owner's service reaches the block's mark; a change of level moves no marks.
 */
import type { EventQueue } from './event-queue.js';
import { longerFloats } from './longer.js';

/** A change of level smaller than this share is not told to other links: they are overloaded by no more. */
const TOLERANCE = 0.002;
/** Links filled in one tick, as a multiple of the links there are: levels that still move then wait for the next change. */
const MAX_FILLS_PER_LINK = 20;
const NONE = -1;

/** What is known of a link, and of a flow, is a record of numbers side by side: a line of cache, not one for each. */
const RECORD_BITS = 3;
const at = (index: number, field: number): number => (index << RECORD_BITS) + field;

/** A link's. */
const CAPACITY = 0;
const LEVEL = 1;
const TOLD_LEVEL = 2;
const SERVICE = 3;
const SERVED_AT = 4;
/** Sum of the rates of its flows; kept up only while it is not full. */
const LOAD = 5;
/** Bytes that passed outside of flows, to be served before the next block. */
const DEBT = 6;
const EVENT = 7;

/** A flow's. */
const UP = 0;
const DOWN = 1;
const OWNER = 2;
const UP_INDEX = 3;
const DOWN_INDEX = 4;
/** The owner's service at which the block ends; without an owner, the bytes of the block. */
const MARK = 5;
const RATE = 6;

export interface FluidSink {
  /** The flow's block is through. @returns bytes of its next one, or 0 when there is none */
  onServed(flow: number): number;
}

export class FluidLinks {
  /** Times that levels had not settled within a tick; for reports. */
  unsettled = 0;
  readonly #queue: EventQueue;
  readonly #eventKind: number;
  readonly #sink: FluidSink;
  /** A record a link. */
  #links = new Float64Array(64 << RECORD_BITS);
  /** By link. */
  readonly #flowsOf: number[][] = [];
  readonly #isDirty: boolean[] = [];
  readonly #dirty: number[] = [];
  /** A record a flow. */
  #flows = new Float64Array(1024 << RECORD_BITS);
  #others = new Float64Array(64);

  constructor(queue: EventQueue, eventKind: number, sink: FluidSink) {
    this.#queue = queue;
    this.#eventKind = eventKind;
    this.#sink = sink;
  }

  /** @param capacity bytes a millisecond @returns its number */
  addLink(capacity: number): number {
    const link = this.#flowsOf.push([]) - 1;
    this.#isDirty.push(false);
    if (at(link, 0) === this.#links.length) this.#links = longerFloats(this.#links, 2 * this.#links.length);
    this.#links[at(link, CAPACITY)] = capacity;
    this.#links[at(link, LEVEL)] = Number.POSITIVE_INFINITY;
    this.#links[at(link, TOLD_LEVEL)] = Number.POSITIVE_INFINITY;
    this.#links[at(link, EVENT)] = this.#queue.alloc(this.#eventKind, link, 0, 0, 0, 0);
    return link;
  }

  capacityOf(link: number): number {
    return this.#links[at(link, CAPACITY)]!;
  }

  /** Whether its flows fill it. */
  isFull(link: number): boolean {
    return this.#links[at(link, LEVEL)]! !== Number.POSITIVE_INFINITY;
  }

  flowCount(link: number): number {
    return this.#flowsOf[link]!.length;
  }

  /** Bytes a millisecond that pass through its flows now. */
  loadOf(link: number): number {
    let load = 0;
    for (const flow of this.#flowsOf[link]!) load += this.rateOf(flow);
    return Math.min(load, this.#links[at(link, CAPACITY)]!);
  }

  /** Bytes a millisecond; 0 before the end of the tick in which the flow began. */
  rateOf(flow: number): number {
    const owner = this.#flows[at(flow, OWNER)]!;
    return owner === NONE ? 0 : this.#links[at(owner, LEVEL)]!;
  }

  /** Bytes that pass aside of the flows, as small messages do: the next block waits for them. */
  addDebt(link: number, bytes: number): void {
    // A link that is not full has room for them beside its flows.
    if (this.isFull(link)) this.#links[at(link, DEBT)]! += bytes;
  }

  /** The flow, which is idle, has a block of `bytes` to send. Numbers are the caller's, small and dense. */
  begin(flow: number, up: number, down: number, bytes: number): void {
    if (at(flow, 0) >= this.#flows.length) this.#grow(flow + 1);
    this.#flows[at(flow, UP)] = up;
    this.#flows[at(flow, DOWN)] = down;
    this.#flows[at(flow, OWNER)] = NONE;
    this.#flows[at(flow, MARK)] = bytes;
    this.#flows[at(flow, RATE)] = 0;
    this.#flows[at(flow, UP_INDEX)] = this.#flowsOf[up]!.push(flow) - 1;
    this.#flows[at(flow, DOWN_INDEX)] = this.#flowsOf[down]!.push(flow) - 1;
    this.#markDirty(up);
    this.#markDirty(down);
  }

  /** The flow is idle from now on. */
  end(flow: number): void {
    const up = this.#flows[at(flow, UP)]!;
    const down = this.#flows[at(flow, DOWN)]!;
    this.#takeOut(up, flow, UP_INDEX);
    this.#takeOut(down, flow, DOWN_INDEX);
    this.#links[at(up, LOAD)]! -= this.#flows[at(flow, RATE)]!;
    this.#links[at(down, LOAD)]! -= this.#flows[at(flow, RATE)]!;
    this.#markDirty(up);
    this.#markDirty(down);
  }

  /** The link's event is due: ends the blocks that are through. */
  onEvent(link: number): void {
    this.#serve(link);
    const service = this.#links[at(link, SERVICE)]! + 1e-6;
    const flows = this.#flowsOf[link]!;
    // From behind: a flow that ends is replaced by one that was looked at.
    for (let i = flows.length - 1; i >= 0; i--) {
      const flow = flows[i]!;
      if (this.#flows[at(flow, OWNER)] !== link) continue;
      while (this.#flows[at(flow, MARK)]! <= service) {
        const bytes = this.#sink.onServed(flow);
        if (bytes === 0) {
          this.end(flow);
          break;
        }
        this.#flows[at(flow, MARK)]! += bytes + this.#takeDebt(link);
      }
    }
    if (!this.#isDirty[link]) this.#arm(link);
  }

  /** To be called at the end of every tick: levels follow what changed. */
  settle(): void {
    if (this.#dirty.length === 0) return;
    let budget = MAX_FILLS_PER_LINK * this.#flowsOf.length;
    for (let i = 0; i < this.#dirty.length; i++) {
      const link = this.#dirty[i]!;
      this.#isDirty[link] = false;
      if (budget-- > 0) this.#fill(link);
      else if (i === this.#dirty.length - 1) this.unsettled++;
    }
    this.#dirty.length = 0;
  }

  // ─── Levels ────────────────────────────────────────────────────────────────────────────────────────────

  #fill(link: number): void {
    const flows = this.#flowsOf[link]!;
    this.#serve(link);
    const old = this.#links[at(link, LEVEL)]!;
    const level = this.#levelOf(link, flows);
    this.#links[at(link, LEVEL)] = level;
    if (old === Number.POSITIVE_INFINITY) this.#links[at(link, DEBT)] = 0;
    let load = 0;
    for (const flow of flows) {
      const up = this.#flows[at(flow, UP)]!;
      const other = up === link ? this.#flows[at(flow, DOWN)]! : up;
      const otherLevel = this.#links[at(other, LEVEL)]!;
      const owner = level < otherLevel || (level === otherLevel && up === link) ? link : other;
      if (this.#flows[at(flow, OWNER)] !== owner) {
        this.#giveTo(flow, owner);
        if (owner === other) this.#arm(other);
      }
      load += Math.min(level, otherLevel);
    }
    this.#links[at(link, LOAD)] = load;
    this.#arm(link);
    const isTold = flows.every((flow) => this.#flows[at(flow, RATE)] !== 0);
    if (isTold && isNear(level, this.#links[at(link, TOLD_LEVEL)]!)) return;
    this.#links[at(link, TOLD_LEVEL)] = level;
    for (const flow of flows) this.#tell(flow, link);
  }

  /** The rate that the link's flows get, given what they get at their other ends. */
  #levelOf(link: number, flows: readonly number[]): number {
    const count = flows.length;
    if (count === 0) return Number.POSITIVE_INFINITY;
    if (count > this.#others.length) this.#others = new Float64Array(2 * count);
    const others = this.#others;
    for (let i = 0; i < count; i++) {
      const flow = flows[i]!;
      const up = this.#flows[at(flow, UP)]!;
      others[i] = this.#links[at(up === link ? this.#flows[at(flow, DOWN)]! : up, LEVEL)]!;
    }
    const capacity = this.#links[at(link, CAPACITY)]!;
    let level = capacity / count;
    for (;;) {
      let held = 0;
      let heldRate = 0;
      for (let i = 0; i < count; i++) {
        if (others[i]! >= level) continue;
        held++;
        heldRate += others[i]!;
      }
      if (held === count) return Number.POSITIVE_INFINITY;
      const higher = (capacity - heldRate) / (count - held);
      if (higher <= level * (1 + 1e-12)) return level;
      level = higher;
    }
  }

  /** The other end learns the flow's rate, and is filled anew where that matters. */
  #tell(flow: number, link: number): void {
    const up = this.#flows[at(flow, UP)]!;
    const other = up === link ? this.#flows[at(flow, DOWN)]! : up;
    const rate = Math.min(this.#links[at(link, LEVEL)]!, this.#links[at(other, LEVEL)]!);
    const change = rate - this.#flows[at(flow, RATE)]!;
    this.#flows[at(flow, RATE)] = rate;
    if (change === 0) return;
    this.#links[at(other, LOAD)]! += change;
    const isFull = this.#links[at(other, LEVEL)]! !== Number.POSITIVE_INFINITY;
    if (isFull || this.#links[at(other, LOAD)]! > this.#links[at(other, CAPACITY)]! * (1 + 1e-9))
      this.#markDirty(other);
  }

  #giveTo(flow: number, owner: number): void {
    const before = this.#flows[at(flow, OWNER)]!;
    let left = this.#flows[at(flow, MARK)]!;
    if (before !== NONE) {
      this.#serve(before);
      left -= this.#links[at(before, SERVICE)]!;
    }
    this.#serve(owner);
    if (before === NONE) left += this.#takeDebt(owner);
    this.#flows[at(flow, OWNER)] = owner;
    this.#flows[at(flow, MARK)] = this.#links[at(owner, SERVICE)]! + left;
  }

  #takeDebt(link: number): number {
    const debt = this.#links[at(link, DEBT)]!;
    if (debt > 0) this.#links[at(link, DEBT)] = 0;
    return debt;
  }

  // ─── Service ───────────────────────────────────────────────────────────────────────────────────────────

  /** Brings the link's service up to now. */
  #serve(link: number): void {
    const { now } = this.#queue;
    const elapsed = now - this.#links[at(link, SERVED_AT)]!;
    if (elapsed === 0) return;
    this.#links[at(link, SERVED_AT)] = now;
    const level = this.#links[at(link, LEVEL)]!;
    if (level !== Number.POSITIVE_INFINITY) this.#links[at(link, SERVICE)]! += level * elapsed;
  }

  /** Schedules the link's event for when the first of its own flows' blocks ends. */
  #arm(link: number): void {
    let first = Number.POSITIVE_INFINITY;
    for (const flow of this.#flowsOf[link]!) {
      if (this.#flows[at(flow, OWNER)] === link && this.#flows[at(flow, MARK)]! < first)
        first = this.#flows[at(flow, MARK)]!;
    }
    const queue = this.#queue;
    const event = this.#links[at(link, EVENT)]!;
    const isScheduled = queue.isScheduled(event);
    if (first === Number.POSITIVE_INFINITY) {
      if (isScheduled) queue.cancel(event);
      return;
    }
    const waitMs = (first - this.#links[at(link, SERVICE)]!) / this.#links[at(link, LEVEL)]!;
    const dueAt = Math.max(queue.now + 1, Math.ceil(queue.now + waitMs - 1e-6));
    if (isScheduled) {
      if (queue.dueAt(event) === dueAt) return;
      queue.cancel(event);
    }
    queue.schedule(event, dueAt);
  }

  // ─── Lists ─────────────────────────────────────────────────────────────────────────────────────────────

  #markDirty(link: number): void {
    if (this.#isDirty[link]) return;
    this.#isDirty[link] = true;
    this.#dirty.push(link);
  }

  /** @param field where the flow keeps its place among the link's */
  #takeOut(link: number, flow: number, field: typeof UP_INDEX | typeof DOWN_INDEX): void {
    const flows = this.#flowsOf[link]!;
    const place = this.#flows[at(flow, field)]!;
    const last = flows.pop()!;
    if (place === flows.length) return;
    flows[place] = last;
    this.#flows[at(last, field)] = place;
  }

  #grow(count: number): void {
    this.#flows = longerFloats(this.#flows, Math.max(at(count, 0), 2 * this.#flows.length));
  }
}

/** Both may be Infinity. */
const isNear = (level: number, told: number): boolean =>
  level === told || (told !== Number.POSITIVE_INFINITY && Math.abs(level - told) <= TOLERANCE * told);
