/**
 * Event queue: everything that will happen, in order of virtual time, and of insertion where times are equal.
 *
 * Two timing wheels of millisecond ticks: the near one holds the window of 8,192 ticks that `now` is in, the far
 * one whole windows, each poured into the near wheel when its time comes. All is O(1), without an object an event.
 * An event is a node: eight integers side by side, one line of cache. Nodes belong to whoever allocated them until
 * they run.
 */
import { longerInts } from './longer.js';

const WINDOW_BITS = 13;
const WINDOW = 1 << WINDOW_BITS;
const MASK = WINDOW - 1;
/** Nodes below this are the heads of the two wheels' circular lists. */
const FIRST_NODE = 2 * WINDOW;
const INITIAL_NODES = 1 << 17;
/** The end of both wheels' range, 18 hours; what is due later is due then. */
const LATEST = (WINDOW - 1) << WINDOW_BITS;
const NONE = -1;
/** A node's integers: its neighbours in a list, when it is due, and what the owner wants to know of it. */
const NEXT = 0;
const PREVIOUS = 1;
const AT = 2;
const KIND_AND_B = 3;
const A = 4;
const C = 5;
const D = 6;
const E = 7;
const STRIDE_BITS = 3;
const KIND_BITS = 8;

export interface EventSink {
  /** Runs one event. The node is the sink's again: to be freed, kept, or scheduled anew. */
  run(node: number): void;
  /** All events of the present tick have run. What is scheduled now is due at the next tick at the earliest. */
  onTickEnd(now: number): void;
}

export class EventQueue {
  /** Whole milliseconds since the beginning. */
  now = 0;
  /** How many events have run. */
  executed = 0;
  #ints = new Int32Array(INITIAL_NODES << STRIDE_BITS);
  #free = NONE;
  #unused = FIRST_NODE;
  #pending = 0;
  #stopped = false;

  constructor() {
    for (let head = 0; head < FIRST_NODE; head++) {
      this.#put(head, NEXT, head);
      this.#put(head, PREVIOUS, head);
    }
  }

  /** Scheduled and not yet run. */
  get pending(): number {
    return this.#pending;
  }

  /** @param kind below 256 @param b below 2^23, not negative */
  alloc(kind: number, a: number, b: number, c: number, d: number, e: number): number {
    let node = this.#free;
    if (node === NONE) {
      node = this.#unused++;
      if (node << STRIDE_BITS === this.#ints.length)
        this.#ints = longerInts(this.#ints, 2 * this.#ints.length);
    } else this.#free = this.nextOf(node);
    this.#put(node, KIND_AND_B, kind | (b << KIND_BITS));
    this.#put(node, A, a);
    this.#put(node, C, c);
    this.#put(node, D, d);
    this.#put(node, E, e);
    this.#put(node, PREVIOUS, NONE);
    return node;
  }

  /** Gives a node back that is not scheduled. */
  free(node: number): void {
    this.setNext(node, this.#free);
    this.#free = node;
  }

  kindOf(node: number): number {
    return this.#get(node, KIND_AND_B) & ((1 << KIND_BITS) - 1);
  }

  a(node: number): number {
    return this.#get(node, A);
  }

  b(node: number): number {
    return this.#get(node, KIND_AND_B) >>> KIND_BITS;
  }

  c(node: number): number {
    return this.#get(node, C);
  }

  d(node: number): number {
    return this.#get(node, D);
  }

  e(node: number): number {
    return this.#get(node, E);
  }

  /** In the list of a wheel's slot while scheduled, in its owner's otherwise. */
  nextOf(node: number): number {
    return this.#get(node, NEXT);
  }

  setNext(node: number, next: number): void {
    this.#put(node, NEXT, next);
  }

  /** Due at `at`, or the next whole millisecond; not before now. The node must not be scheduled. */
  schedule(node: number, at: number): void {
    const tick = Math.min(LATEST, Math.max(this.now, Math.ceil(at)));
    this.#put(node, AT, tick);
    const sameWindow = tick >>> WINDOW_BITS === this.now >>> WINDOW_BITS;
    this.#append(sameWindow ? tick & MASK : WINDOW + (tick >>> WINDOW_BITS), node);
    this.#pending++;
  }

  isScheduled(node: number): boolean {
    return this.#get(node, PREVIOUS) !== NONE;
  }

  /** When a scheduled node is due. */
  dueAt(node: number): number {
    return this.#get(node, AT);
  }

  /** Takes a scheduled node out again. */
  cancel(node: number): void {
    this.#unlink(node);
    this.#pending--;
  }

  /** Runs until `stop` is called, nothing is left, or `now` would pass `end`. */
  run(sink: EventSink, end: number): void {
    this.#stopped = false;
    while (!this.#stopped) {
      const head = this.now & MASK;
      for (let node = this.nextOf(head); node !== head; node = this.nextOf(head)) {
        this.#unlink(node);
        this.#pending--;
        this.executed++;
        sink.run(node);
      }
      sink.onTickEnd(this.now);
      if (this.#pending === 0 || this.now >= Math.min(end, LATEST)) return;
      this.now++;
      if ((this.now & MASK) === 0) this.#pour(WINDOW + (this.now >>> WINDOW_BITS));
    }
  }

  /** Ends `run` after the present tick. */
  stop(): void {
    this.#stopped = true;
  }

  /** A window begins: its events go, in order, to their ticks. */
  #pour(head: number): void {
    for (let node = this.nextOf(head); node !== head; node = this.nextOf(head)) {
      this.#unlink(node);
      this.#append(this.#get(node, AT) & MASK, node);
    }
  }

  #append(head: number, node: number): void {
    const last = this.#get(head, PREVIOUS);
    this.setNext(last, node);
    this.setNext(node, head);
    this.#put(node, PREVIOUS, last);
    this.#put(head, PREVIOUS, node);
  }

  #unlink(node: number): void {
    const next = this.nextOf(node);
    const previous = this.#get(node, PREVIOUS);
    this.setNext(previous, next);
    this.#put(next, PREVIOUS, previous);
    this.#put(node, PREVIOUS, NONE);
  }

  #get(node: number, field: number): number {
    return this.#ints[(node << STRIDE_BITS) + field]!;
  }

  #put(node: number, field: number, value: number): void {
    this.#ints[(node << STRIDE_BITS) + field] = value;
  }
}
