/**
 * Event queue: everything that will happen, in order of virtual time, and of insertion where times are equal.
 *
 * Two timing wheels of millisecond ticks: the near one holds the window of 8,192 ticks that `now` is in, the far
 * one whole windows, each poured into the near wheel when its time comes. All is O(1), without an object an event.
 * An event is a node: a few integers by index. Nodes belong to whoever allocated them until they run.
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
  /** By node: what the owner wants to know of it. */
  kind = new Uint8Array(INITIAL_NODES);
  a = new Int32Array(INITIAL_NODES);
  b = new Int32Array(INITIAL_NODES);
  c = new Int32Array(INITIAL_NODES);
  d = new Int32Array(INITIAL_NODES);
  e = new Int32Array(INITIAL_NODES);
  /** By node: its list, of a wheel's slot while scheduled, of its owner's otherwise. */
  next = new Int32Array(INITIAL_NODES);
  #previous = new Int32Array(INITIAL_NODES);
  #at = new Int32Array(INITIAL_NODES);
  #free = NONE;
  #unused = FIRST_NODE;
  #pending = 0;
  #stopped = false;

  constructor() {
    for (let head = 0; head < FIRST_NODE; head++) {
      this.next[head] = head;
      this.#previous[head] = head;
    }
  }

  /** Scheduled and not yet run. */
  get pending(): number {
    return this.#pending;
  }

  /** Nodes ever in use at one time; for reports on memory. */
  get nodesUsed(): number {
    return this.#unused - FIRST_NODE;
  }

  alloc(kind: number, a: number, b: number, c: number, d: number, e: number): number {
    let node = this.#free;
    if (node === NONE) {
      node = this.#unused++;
      if (node === this.next.length) this.#grow();
    } else this.#free = this.next[node]!;
    this.kind[node] = kind;
    this.a[node] = a;
    this.b[node] = b;
    this.c[node] = c;
    this.d[node] = d;
    this.e[node] = e;
    this.#previous[node] = NONE;
    return node;
  }

  /** Gives a node back that is not scheduled. */
  free(node: number): void {
    this.next[node] = this.#free;
    this.#free = node;
  }

  /** Due at `at`, or the next whole millisecond; not before now. The node must not be scheduled. */
  schedule(node: number, at: number): void {
    const tick = Math.min(LATEST, Math.max(this.now, Math.ceil(at)));
    this.#at[node] = tick;
    const sameWindow = tick >>> WINDOW_BITS === this.now >>> WINDOW_BITS;
    this.#append(sameWindow ? tick & MASK : WINDOW + (tick >>> WINDOW_BITS), node);
    this.#pending++;
  }

  isScheduled(node: number): boolean {
    return this.#previous[node] !== NONE;
  }

  /** When a scheduled node is due. */
  dueAt(node: number): number {
    return this.#at[node]!;
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
      for (let node = this.next[head]!; node !== head; node = this.next[head]!) {
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
    for (let node = this.next[head]!; node !== head; node = this.next[head]!) {
      this.#unlink(node);
      this.#append(this.#at[node]! & MASK, node);
    }
  }

  #append(head: number, node: number): void {
    const last = this.#previous[head]!;
    this.next[last] = node;
    this.next[node] = head;
    this.#previous[node] = last;
    this.#previous[head] = node;
  }

  #unlink(node: number): void {
    const next = this.next[node]!;
    const previous = this.#previous[node]!;
    this.next[previous] = next;
    this.#previous[next] = previous;
    this.#previous[node] = NONE;
  }

  #grow(): void {
    const length = 2 * this.kind.length;
    const kind = new Uint8Array(length);
    kind.set(this.kind);
    this.kind = kind;
    this.a = longerInts(this.a, length);
    this.b = longerInts(this.b, length);
    this.c = longerInts(this.c, length);
    this.d = longerInts(this.d, length);
    this.e = longerInts(this.e, length);
    this.next = longerInts(this.next, length);
    this.#previous = longerInts(this.#previous, length);
    this.#at = longerInts(this.#at, length);
  }
}
