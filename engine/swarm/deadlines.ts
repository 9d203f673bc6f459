/** Deadlines: what the swarm has to do when, behind one timer. */
import type { Clock, TimerHandle } from '../ports.js';
import { asMillis, type Millis, NEVER } from '../units.js';

const KEYS = [
  'rechoke',
  'uplink-idle',
  'connect',
  'check',
  'download-tokens',
  'upload-tokens',
  'super-seeding',
  'gossip',
] as const;

export type SwarmDeadline = (typeof KEYS)[number];

export class Deadlines {
  /** By place in `KEYS`. */
  readonly #at = new Float64Array(KEYS.length).fill(NEVER);
  readonly #clock: Clock;
  readonly #run: (due: SwarmDeadline) => void;
  #timer: TimerHandle | undefined;
  /** What the timer is armed for: the earliest deadline, or one before that was put off since. */
  #armedFor: Millis = NEVER;
  #stopped = false;
  readonly #onTimeout = () => this.#onTimer();

  constructor(clock: Clock, run: (due: SwarmDeadline) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Replaces the deadline; what is due at Infinity is never due. */
  set(key: SwarmDeadline, at: Millis): void {
    this.#at[KEYS.indexOf(key)] = at;
    this.#armFor(at);
  }

  /** As `set`, unless it is due earlier already. */
  setIfEarlier(key: SwarmDeadline, at: Millis): void {
    if (at < this.#at[KEYS.indexOf(key)]!) this.set(key, at);
  }

  clear(key: SwarmDeadline): void {
    this.#at[KEYS.indexOf(key)] = NEVER;
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A timer that fires too early costs less than one that is replaced whenever a deadline is put off. */
  #armFor(at: Millis): void {
    if (this.#stopped || at >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = at;
    this.#timer = this.#clock.schedule(at, this.#onTimeout);
  }

  #onTimer(): void {
    this.#armedFor = NEVER;
    const now = this.#clock.now();
    for (let due = this.#earliest(); this.#at[due]! <= now && !this.#stopped; due = this.#earliest()) {
      this.#at[due] = NEVER;
      this.#run(KEYS[due]!);
    }
    this.#armFor(asMillis(this.#at[this.#earliest()]!));
  }

  /** Its place in `KEYS`. */
  #earliest(): number {
    let earliest = 0;
    for (let i = 1; i < KEYS.length; i++) if (this.#at[i]! < this.#at[earliest]!) earliest = i;
    return earliest;
  }
}
