/** Deadlines: what the swarm has to do when, as rows of one table behind one timer. */
import { DeadlineTable } from '../policy/deadline-table.js';
import type { Clock, TimerHandle } from '../ports.js';
import type { Millis } from '../units.js';

export type SwarmDeadline =
  | 'rechoke'
  | 'connect'
  | 'check'
  | 'download-tokens'
  | 'upload-tokens'
  | 'super-seeding';

export class Deadlines {
  readonly #table = new DeadlineTable<SwarmDeadline>();
  readonly #clock: Clock;
  readonly #run: (due: SwarmDeadline) => void;
  #timer: TimerHandle | undefined;
  /** What the timer is armed for. */
  #armedFor: Millis | undefined;
  #stopped = false;

  constructor(clock: Clock, run: (due: SwarmDeadline) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  set(key: SwarmDeadline, at: Millis): void {
    this.#table.set(key, at);
    this.#arm();
  }

  /** As `set`, unless it is due earlier already. */
  setIfEarlier(key: SwarmDeadline, at: Millis): void {
    this.#table.setIfEarlier(key, at);
    this.#arm();
  }

  clear(key: SwarmDeadline): void {
    this.#table.clear(key);
    this.#arm();
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const at = this.#table.earliest();
    if (this.#stopped || at === this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = at;
    this.#timer = at === undefined ? undefined : this.#clock.schedule(at, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#armedFor = undefined;
    const now = this.#clock.now();
    for (let due = this.#table.takeDue(now); due !== undefined; due = this.#table.takeDue(now))
      this.#run(due);
    this.#arm();
  }
}
