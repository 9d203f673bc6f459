/** Our address as others see it (BEP 42): believed when nodes of several networks agree, for each may lie. */
import type { Network } from './node-address.js';

/** Networks that must agree. */
const MIN_VOTES = 4;
/** The latest votes, one a network. */
const MAX_VOTES = 16;

export class ExternalAddress {
  /** Network of the voter → host; the oldest vote first. */
  readonly #votes = new Map<string, string>();
  #host: string | undefined;

  get host(): string | undefined {
    return this.#host;
  }

  /** @returns the address when it is another than before */
  onVote(voter: Network, host: string): string | undefined {
    if (voter.local) return undefined;
    this.#votes.delete(voter.key);
    this.#votes.set(voter.key, host);
    const oldest = this.#votes.keys().next();
    if (this.#votes.size > MAX_VOTES && oldest.done !== true) this.#votes.delete(oldest.value);
    let same = 0;
    for (const vote of this.#votes.values()) if (vote === host) same++;
    if (host === this.#host || same < MIN_VOTES || same * 2 <= this.#votes.size) return undefined;
    this.#host = host;
    return host;
  }
}
