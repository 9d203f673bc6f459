/** PEX intake: whether what one peer tells of others is heeded. Who tells too often or too much is not, and goes. */
import { asMillis, type Millis } from '../units.js';
import { PEX_INTERVAL_MS } from './pex-diff.js';

/** A message a minute (BEP 11), which the network delays or not. */
const PER_MESSAGE_MS = 0.75 * PEX_INTERVAL_MS;
/** Who connects anew may have one more to say soon after the first. */
const MESSAGES_AT_ONCE = 2;
/** BEP 11 bounds all but the first at 50; libtorrent's may hold 100. */
const MAX_FIRST = 200;
const MAX_LATER = 100;
/** Each message that is heeded makes up for one that was not. */
const MAX_STRIKES = 10;

export type PexVerdict = 'heed' | 'ignore' | 'flood';

export class PexIntake {
  /** Messages that may come now, up to MESSAGES_AT_ONCE. */
  #allowance = MESSAGES_AT_ONCE;
  #at = asMillis(Number.NEGATIVE_INFINITY);
  #strikes = 0;
  #isFirst = true;

  /** @param entries how many peers it adds and drops; undefined: nothing that can be read */
  onMessage(now: Millis, entries: number | undefined): PexVerdict {
    this.#allowance = Math.min(MESSAGES_AT_ONCE, this.#allowance + (now - this.#at) / PER_MESSAGE_MS);
    this.#at = now;
    const limit = this.#isFirst ? MAX_FIRST : MAX_LATER;
    this.#isFirst = false;
    if (this.#allowance < 1 || entries === undefined || entries > limit)
      return ++this.#strikes > MAX_STRIKES ? 'flood' : 'ignore';
    this.#allowance--;
    this.#strikes = Math.max(0, this.#strikes - 1);
    return 'heed';
  }
}
