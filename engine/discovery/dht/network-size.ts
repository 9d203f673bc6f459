/** Network size: about how many nodes a DHT has, by how near the nodes found at lookups' ends are to their targets. */
import { distanceShare, type NodeContact, type NodeId } from './node-id.js';
import { K } from './routing-table.js';

/** Estimates, of which the middle one counts. */
const MAX_ESTIMATES = 15;
/** A size that was known before counts as so many: a few lookups correct it. */
const KNOWN_COUNTS = 3;

export class NetworkSize {
  readonly #estimates: number[];

  /** @param known from the time before, when it was known */
  constructor(known: number | undefined) {
    this.#estimates = known === undefined ? [] : new Array<number>(KNOWN_COUNTS).fill(known);
  }

  /** @param closest who a lookup of a target that nobody could foresee ended with, nearest first */
  onLookup(target: NodeId, closest: readonly NodeContact[]): void {
    const farthest = closest[K - 1];
    if (farthest === undefined) return;
    this.#estimates.push(K / Math.max(distanceShare(target, farthest.id), Number.EPSILON));
    if (this.#estimates.length > MAX_ESTIMATES) this.#estimates.shift();
  }

  /** @param ofTable what the routing table says; undefined while nothing is known */
  nodes(ofTable: number | undefined): number | undefined {
    const all = [...this.#estimates, ...(ofTable === undefined ? [] : [ofTable])].sort((a, b) => a - b);
    return all[all.length >>> 1];
  }
}
