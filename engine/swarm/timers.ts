/** Timers: what the swarm has to do when, as rows of a table behind one timer of the clock. */
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

export type SwarmTimer = (typeof KEYS)[number];

export class Timers {
  /** By place in `KEYS`. */
  readonly #at = new Float64Array(KEYS.length).fill(NEVER);
  readonly #clock: Clock;
  readonly #run: (due: SwarmTimer) => void;
  #alarm: TimerHandle | undefined;
  /** What the alarm is armed for: the earliest timer, or one before that was put off since. */
  #armedFor: Millis = NEVER;
  #stopped = false;
  readonly #onAlarm = () => this.#runDue();

  constructor(clock: Clock, run: (due: SwarmTimer) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Replaces the time; what is due at Infinity is never due. */
  set(key: SwarmTimer, at: Millis): void {
    this.#at[KEYS.indexOf(key)] = at;
    this.#armFor(at);
  }

  /** As `set`, unless it is due earlier already. */
  setIfEarlier(key: SwarmTimer, at: Millis): void {
    if (at < this.#at[KEYS.indexOf(key)]!) this.set(key, at);
  }

  clear(key: SwarmTimer): void {
    this.#at[KEYS.indexOf(key)] = NEVER;
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#stopped = true;
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  /** An alarm that comes too early costs less than one that is replaced whenever a timer is put off. */
  #armFor(at: Millis): void {
    if (this.#stopped || at >= this.#armedFor) return;
    this.#alarm?.cancel();
    this.#armedFor = at;
    this.#alarm = this.#clock.schedule(at, this.#onAlarm);
  }

  #runDue(): void {
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
