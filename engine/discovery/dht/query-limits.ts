/**
 * Limits on the queries that we answer, by network (/24, /48) and over all: nobody gets more of our line or of our
 * CPU, and nobody can make us flood a network whose addresses were forged.
 */
import type { Millis } from '../../units.js';
import type { Network } from './node-address.js';

/** A crawler asks a node a few times a second; a whole network behind one address, some tens of times. */
const PER_NETWORK = { perSecond: 20, burst: 80 };
/** About 5 % of a core, and 200 KB/s out. */
const OVERALL = { perSecond: 800, burst: 1_600 };
/** Networks remembered; beyond it the one remembered for longest starts anew. */
const MAX_NETWORKS = 4_096;

interface Limit {
  readonly perSecond: number;
  readonly burst: number;
}

class Allowance {
  #left: number;
  #at: Millis;

  constructor(
    now: Millis,
    readonly limit: Limit,
  ) {
    this.#left = limit.burst;
    this.#at = now;
  }

  take(now: Millis): boolean {
    const { perSecond, burst } = this.limit;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1_000) * perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

export class QueryLimits {
  readonly #overall: Allowance;
  readonly #networks = new Map<string, Allowance>();

  constructor(now: Millis) {
    this.#overall = new Allowance(now, OVERALL);
  }

  /** @param key the network, or in a local one, where many programs share it, the address with its port */
  admit(network: Network, key: string, now: Millis): boolean {
    const by = network.local ? key : network.key;
    let allowance = this.#networks.get(by);
    if (allowance === undefined) {
      allowance = new Allowance(now, PER_NETWORK);
      if (this.#networks.size >= MAX_NETWORKS) {
        const oldest = this.#networks.keys().next();
        if (oldest.done !== true) this.#networks.delete(oldest.value);
      }
      this.#networks.set(by, allowance);
    }
    return allowance.take(now) && this.#overall.take(now);
  }
}
