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

  expect(holds: boolean, otherwise: string, detail: string): void {
    this.count++;
    if (!holds) this.fail(otherwise, detail);
  }

  fail(check: string, detail: string): never {
    throw new CheckFailed(check, detail, this.#now(), this.#replay);
  }
}
