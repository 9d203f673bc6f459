/** Virtual clock: the Clock port on the event queue. Time is the queue's; it moves only when events run. */
import type { Clock, TimerHandle } from '../engine/ports.js';
import { asMillis, type Millis } from '../engine/units.js';
import type { EventQueue } from './event-queue.js';

export class VirtualClock implements Clock {
  readonly #queue: EventQueue;
  readonly #kind: number;
  /** What scheduled nodes name; and the numbers that none of them has. */
  readonly #timers: (Timer | undefined)[] = [];
  readonly #spare: number[] = [];

  /** @param kind the events that are timers, to be handed to `fire` */
  constructor(queue: EventQueue, kind: number) {
    this.#queue = queue;
    this.#kind = kind;
  }

  now(): Millis {
    return asMillis(this.#queue.now);
  }

  schedule(at: Millis, run: () => void): TimerHandle {
    const number = this.#spare.pop() ?? this.#timers.length;
    const node = this.#queue.alloc(this.#kind, number, 0, 0, 0, 0);
    const timer = new Timer(this, node, run);
    this.#timers[number] = timer;
    this.#queue.schedule(node, at);
    return timer;
  }

  /** The queue ran a node of ours. */
  fire(node: number): void {
    const timer = this.#release(node);
    if (timer === undefined) return;
    timer.node = undefined;
    timer.run();
  }

  cancel(node: number): void {
    this.#queue.cancel(node);
    this.#release(node);
  }

  #release(node: number): Timer | undefined {
    const number = this.#queue.a(node);
    const timer = this.#timers[number];
    this.#timers[number] = undefined;
    this.#spare.push(number);
    this.#queue.free(node);
    return timer;
  }
}

class Timer implements TimerHandle {
  readonly #clock: VirtualClock;

  constructor(
    clock: VirtualClock,
    /** Undefined when it has run or was cancelled: the node may be another's by then. */
    public node: number | undefined,
    readonly run: () => void,
  ) {
    this.#clock = clock;
  }

  cancel(): void {
    if (this.node === undefined) return;
    const { node } = this;
    this.node = undefined;
    this.#clock.cancel(node);
  }
}
