/** Heartbeat: one timer for all connections of an engine; each member looks after its own deadlines on every beat. */
import type { Clock, TimerHandle } from '../ports.js';
import { asMillis, type Millis } from '../units.js';

export interface HeartbeatMember {
  onBeat(now: Millis): void;
}

/** The precision of every deadline on a connection. They are 10 s and more. */
const BEAT_MS = 1_000;

export class Heartbeat {
  readonly #clock: Clock;
  readonly #members = new Set<HeartbeatMember>();
  #timer: TimerHandle | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): Millis {
    return this.#clock.now();
  }

  add(member: HeartbeatMember): void {
    this.#members.add(member);
    this.#timer ??= this.#arm();
  }

  remove(member: HeartbeatMember): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): TimerHandle {
    return this.#clock.schedule(asMillis(this.#clock.now() + BEAT_MS), () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const member of this.#members) member.onBeat(now);
      if (this.#members.size > 0) this.#timer ??= this.#arm();
    });
  }
}
