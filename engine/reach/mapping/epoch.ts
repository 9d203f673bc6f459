/** Epoch: finds out, from the clock that a gateway sends along, whether it lost its mappings (RFC 6887, 8.5). */
import type { Millis } from '../../units.js';

/** Seconds by which the two clocks may differ, beside a sixteenth of the time between the answers. */
const TOLERANCE_SECONDS = 2;
const DRIFT = 1 / 16;

export class Epoch {
  #last: { readonly epochSeconds: number; readonly at: Millis } | undefined;

  /** Takes an answer's epoch. @returns whether the gateway has started anew since the last one */
  restarted(epochSeconds: number, at: Millis): boolean {
    const last = this.#last;
    this.#last = { epochSeconds, at };
    if (last === undefined) return false;
    const theirs = epochSeconds - last.epochSeconds;
    const ours = (at - last.at) / 1000;
    if (theirs < -1) return true;
    return (
      ours + TOLERANCE_SECONDS < theirs - theirs * DRIFT || theirs + TOLERANCE_SECONDS < ours - ours * DRIFT
    );
  }
}
