/** Activity log: the latest lines worth telling the user, bounded. */
import type { Clock } from './ports.js';
import type { LogLine } from './snapshot.js';

/** More than a tall terminal shows. */
const MAX_LINES = 200;

export class ActivityLog {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #lines: LogLine[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** Oldest first; a copy. */
  get lines(): readonly LogLine[] {
    return [...this.#lines];
  }

  add(level: LogLine['level'], text: string): void {
    this.#lines.push({ atMs: this.#clock.now() - this.#startedAt, level, text });
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }
}
