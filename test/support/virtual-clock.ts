/** A clock that moves only when told; timers run in order of their time. */
import type { Clock, TimerHandle } from '../../engine/ports.js';
import { asMillis, type Millis } from '../../engine/units.js';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): Millis {
    return asMillis(this.#now);
  }

  schedule(at: Millis, run: () => void): TimerHandle {
    const timer: Timer = { at: Math.max(at, this.#now), order: this.#order++, run };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Runs everything due within the next `ms`, then stands at their end. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      const earlier =
        first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order);
      if (earlier) first = timer;
    }
    return first;
  }
}
