/** Checks: what must hold in every run. The first one that does not ends the run, saying how to run it again. */

export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';

  constructor(
    readonly check: string,
    readonly detail: string,
    readonly atMs: number,
    /** The command that runs it again. */
    readonly replay: string,
  ) {
    super(`${check} (${detail}) at ${(atMs / 1000).toFixed(3)} s; again: ${replay}`);
  }
}

export class Checks {
  /** How many times something was checked. */
  count = 0;
  readonly #now: () => number;
  readonly #replay: string;

  constructor(now: () => number, replay: string) {
    this.#now = now;
    this.#replay = replay;
  }

  /** Counts it. Whoever finds it false fails, with what it takes to say why; saying it each time would cost more. */
  holds(condition: boolean): boolean {
    this.count++;
    return condition;
  }

  fail(check: string, detail: string): never {
    throw new CheckFailed(check, detail, this.#now(), this.#replay);
  }
}
