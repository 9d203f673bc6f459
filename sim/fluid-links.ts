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
import { longerFloats, longerInts } from './longer.js';

/** A change of level smaller than this share is not told to other links: they are overloaded by no more. */
const TOLERANCE = 0.002;
/** Links filled in one tick, as a multiple of the links there are: levels that still move then wait for the next change. */
const MAX_FILLS_PER_LINK = 20;
const NONE = -1;

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
  /** By link. */
  readonly #capacity: number[] = [];
  readonly #level: number[] = [];
  readonly #toldLevel: number[] = [];
  readonly #service: number[] = [];
  readonly #servedAt: number[] = [];
  /** Sum of the rates of its flows; kept up only while it is not full. */
  readonly #load: number[] = [];
  /** Bytes that passed outside of flows, to be served before the next block. */
  readonly #debt: number[] = [];
  readonly #event: number[] = [];
  readonly #flows: number[][] = [];
  readonly #isDirty: boolean[] = [];
  readonly #dirty: number[] = [];
  /** By flow. */
  #up = new Int32Array(1024);
  #down = new Int32Array(1024);
  #owner = new Int32Array(1024);
  #upIndex = new Int32Array(1024);
  #downIndex = new Int32Array(1024);
  /** The owner's service at which the block ends; without an owner, the bytes of the block. */
  #mark = new Float64Array(1024);
  #rate = new Float64Array(1024);
  #others = new Float64Array(64);

  constructor(queue: EventQueue, eventKind: number, sink: FluidSink) {
    this.#queue = queue;
    this.#eventKind = eventKind;
    this.#sink = sink;
  }

  /** @param capacity bytes a millisecond @returns its number */
  addLink(capacity: number): number {
    const link = this.#capacity.push(capacity) - 1;
    this.#level.push(Number.POSITIVE_INFINITY);
    this.#toldLevel.push(Number.POSITIVE_INFINITY);
    this.#service.push(0);
    this.#servedAt.push(0);
    this.#load.push(0);
    this.#debt.push(0);
    this.#event.push(this.#queue.alloc(this.#eventKind, link, 0, 0, 0, 0));
    this.#flows.push([]);
    this.#isDirty.push(false);
    return link;
  }

  capacityOf(link: number): number {
    return this.#capacity[link]!;
  }

  /** Whether its flows fill it. */
  isFull(link: number): boolean {
    return this.#level[link]! !== Number.POSITIVE_INFINITY;
  }

  flowCount(link: number): number {
    return this.#flows[link]!.length;
  }

  /** Bytes a millisecond that pass through its flows now. */
  loadOf(link: number): number {
    let load = 0;
    for (const flow of this.#flows[link]!) load += this.rateOf(flow);
    return Math.min(load, this.#capacity[link]!);
  }

  /** Bytes a millisecond; 0 before the end of the tick in which the flow began. */
  rateOf(flow: number): number {
    const owner = this.#owner[flow]!;
    return owner === NONE ? 0 : this.#level[owner]!;
  }

  /** Bytes that pass aside of the flows, as small messages do: the next block waits for them. */
  addDebt(link: number, bytes: number): void {
    // A link that is not full has room for them beside its flows.
    if (this.isFull(link)) this.#debt[link]! += bytes;
  }

  /** The flow, which is idle, has a block of `bytes` to send. Numbers are the caller's, small and dense. */
  begin(flow: number, up: number, down: number, bytes: number): void {
    if (flow >= this.#up.length) this.#grow(flow + 1);
    this.#up[flow] = up;
    this.#down[flow] = down;
    this.#owner[flow] = NONE;
    this.#mark[flow] = bytes;
    this.#rate[flow] = 0;
    this.#upIndex[flow] = this.#flows[up]!.push(flow) - 1;
    this.#downIndex[flow] = this.#flows[down]!.push(flow) - 1;
    this.#markDirty(up);
    this.#markDirty(down);
  }

  /** The flow is idle from now on. */
  end(flow: number): void {
    const up = this.#up[flow]!;
    const down = this.#down[flow]!;
    this.#takeOut(up, this.#upIndex[flow]!, this.#upIndex);
    this.#takeOut(down, this.#downIndex[flow]!, this.#downIndex);
    this.#load[up]! -= this.#rate[flow]!;
    this.#load[down]! -= this.#rate[flow]!;
    this.#markDirty(up);
    this.#markDirty(down);
  }

  /** The link's event is due: ends the blocks that are through. */
  onEvent(link: number): void {
    this.#serve(link);
    const service = this.#service[link]! + 1e-6;
    const flows = this.#flows[link]!;
    // From behind: a flow that ends is replaced by one that was looked at.
    for (let i = flows.length - 1; i >= 0; i--) {
      const flow = flows[i]!;
      if (this.#owner[flow] !== link) continue;
      while (this.#mark[flow]! <= service) {
        const bytes = this.#sink.onServed(flow);
        if (bytes === 0) {
          this.end(flow);
          break;
        }
        this.#mark[flow]! += bytes + this.#takeDebt(link);
      }
    }
    if (!this.#isDirty[link]) this.#arm(link);
  }

  /** To be called at the end of every tick: levels follow what changed. */
  settle(): void {
    if (this.#dirty.length === 0) return;
    let budget = MAX_FILLS_PER_LINK * this.#capacity.length;
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
    const flows = this.#flows[link]!;
    this.#serve(link);
    const old = this.#level[link]!;
    const level = this.#levelOf(link, flows);
    this.#level[link] = level;
    if (old === Number.POSITIVE_INFINITY) this.#debt[link] = 0;
    let load = 0;
    for (const flow of flows) {
      const up = this.#up[flow]!;
      const other = up === link ? this.#down[flow]! : up;
      const otherLevel = this.#level[other]!;
      const owner = level < otherLevel || (level === otherLevel && up === link) ? link : other;
      if (this.#owner[flow] !== owner) {
        this.#giveTo(flow, owner);
        if (owner === other) this.#arm(other);
      }
      load += Math.min(level, otherLevel);
    }
    this.#load[link] = load;
    this.#arm(link);
    if (isNear(level, this.#toldLevel[link]!) && flows.every((flow) => this.#rate[flow] !== 0)) return;
    this.#toldLevel[link] = level;
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
      const up = this.#up[flow]!;
      others[i] = this.#level[up === link ? this.#down[flow]! : up]!;
    }
    const capacity = this.#capacity[link]!;
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
    const up = this.#up[flow]!;
    const other = up === link ? this.#down[flow]! : up;
    const rate = Math.min(this.#level[link]!, this.#level[other]!);
    const change = rate - this.#rate[flow]!;
    this.#rate[flow] = rate;
    if (change === 0) return;
    this.#load[other]! += change;
    const isFull = this.#level[other]! !== Number.POSITIVE_INFINITY;
    if (isFull || this.#load[other]! > this.#capacity[other]! * (1 + 1e-9)) this.#markDirty(other);
  }

  #giveTo(flow: number, owner: number): void {
    const before = this.#owner[flow]!;
    let left = this.#mark[flow]!;
    if (before !== NONE) {
      this.#serve(before);
      left -= this.#service[before]!;
    }
    this.#serve(owner);
    if (before === NONE) left += this.#takeDebt(owner);
    this.#owner[flow] = owner;
    this.#mark[flow] = this.#service[owner]! + left;
  }

  #takeDebt(link: number): number {
    const debt = this.#debt[link]!;
    if (debt > 0) this.#debt[link] = 0;
    return debt;
  }

  // ─── Service ───────────────────────────────────────────────────────────────────────────────────────────

  /** Brings the link's service up to now. */
  #serve(link: number): void {
    const { now } = this.#queue;
    const elapsed = now - this.#servedAt[link]!;
    if (elapsed === 0) return;
    this.#servedAt[link] = now;
    const level = this.#level[link]!;
    if (level !== Number.POSITIVE_INFINITY) this.#service[link]! += level * elapsed;
  }

  /** Schedules the link's event for when the first of its own flows' blocks ends. */
  #arm(link: number): void {
    let first = Number.POSITIVE_INFINITY;
    for (const flow of this.#flows[link]!) {
      if (this.#owner[flow] === link && this.#mark[flow]! < first) first = this.#mark[flow]!;
    }
    const queue = this.#queue;
    const event = this.#event[link]!;
    const isScheduled = queue.isScheduled(event);
    if (first === Number.POSITIVE_INFINITY) {
      if (isScheduled) queue.cancel(event);
      return;
    }
    const waitMs = (first - this.#service[link]!) / this.#level[link]!;
    const at = Math.max(queue.now + 1, Math.ceil(queue.now + waitMs - 1e-6));
    if (isScheduled) {
      if (queue.dueAt(event) === at) return;
      queue.cancel(event);
    }
    queue.schedule(event, at);
  }

  // ─── Lists ─────────────────────────────────────────────────────────────────────────────────────────────

  #markDirty(link: number): void {
    if (this.#isDirty[link]) return;
    this.#isDirty[link] = true;
    this.#dirty.push(link);
  }

  #takeOut(link: number, at: number, index: Int32Array): void {
    const flows = this.#flows[link]!;
    const last = flows.pop()!;
    if (at === flows.length) return;
    flows[at] = last;
    index[last] = at;
  }

  #grow(count: number): void {
    const length = Math.max(count, 2 * this.#up.length);
    this.#up = longerInts(this.#up, length);
    this.#down = longerInts(this.#down, length);
    this.#owner = longerInts(this.#owner, length);
    this.#upIndex = longerInts(this.#upIndex, length);
    this.#downIndex = longerInts(this.#downIndex, length);
    this.#mark = longerFloats(this.#mark, length);
    this.#rate = longerFloats(this.#rate, length);
  }
}

/** Both may be Infinity. */
const isNear = (level: number, told: number): boolean =>
  level === told || (told !== Number.POSITIVE_INFINITY && Math.abs(level - told) <= TOLERANCE * told);
