/** Virtual clock: the Clock port on the event queue. Time is the queue's; it moves only when events run. */
import type { Clock, TimerHandle } from '../engine/ports.js';
import { asMillis, type Millis } from '../engine/units.js';
import type { EventQueue } from './event-queue.js';

export class VirtualClock implements Clock {
  readonly #queue: EventQueue;
  readonly #kind: number;
  /** By node: its timer, while scheduled. */
  readonly #timers = new Map<number, Timer>();

  /** @param kind the events that are timers, to be handed to `fire` */
  constructor(queue: EventQueue, kind: number) {
    this.#queue = queue;
    this.#kind = kind;
  }

  now(): Millis {
    return asMillis(this.#queue.now);
  }

  schedule(at: Millis, run: () => void): TimerHandle {
    const node = this.#queue.alloc(this.#kind, 0, 0, 0, 0, 0);
    const timer = new Timer(this, node, run);
    this.#timers.set(node, timer);
    this.#queue.schedule(node, at);
    return timer;
  }

  /** The queue ran a node of ours. */
  fire(node: number): void {
    const timer = this.#timers.get(node);
    this.#timers.delete(node);
    this.#queue.free(node);
    if (timer === undefined) return;
    timer.node = undefined;
    timer.run();
  }

  cancel(node: number): void {
    this.#timers.delete(node);
    this.#queue.cancel(node);
    this.#queue.free(node);
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
