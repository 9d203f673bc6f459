/** Swarm: which peers of the pool one torrent has, by address family and by seed or leecher. */
import type { PeerPool } from './peer-pool.js';

/** Slots of peers; a peer knows its position in its list. */
type PeerList = number[];

export class Swarm {
  readonly infoHash: string;
  readonly id: number;
  /** Downloads that finished while anybody was here. */
  downloads = 0;
  readonly #pool: PeerPool;
  /** See `listAt`; most swarms never have most of them. */
  readonly #lists: [PeerList | null, PeerList | null, PeerList | null, PeerList | null] = [
    null,
    null,
    null,
    null,
  ];

  constructor(infoHash: string, id: number, pool: PeerPool) {
    this.infoHash = infoHash;
    this.id = id;
    this.#pool = pool;
  }

  get size(): number {
    return this.seeds + this.leechers;
  }

  get seeds(): number {
    return this.#length(false, true) + this.#length(true, true);
  }

  get leechers(): number {
    return this.#length(false, false) + this.#length(true, false);
  }

  /** By the family and the seed flag that the pool has for it. */
  add(slot: number): void {
    const at = listAt(this.#pool.isIpv6(slot), this.#pool.isSeed(slot));
    const list = this.#lists[at];
    this.#pool.positionOf[slot] = list?.length ?? 0;
    // Most swarms have one peer: a literal takes no room for more.
    if (list === null) this.#lists[at] = [slot];
    else list.push(slot);
  }

  /** Before its seed flag changes. */
  remove(slot: number): void {
    const list = this.#lists[listAt(this.#pool.isIpv6(slot), this.#pool.isSeed(slot))];
    const last = list?.pop();
    if (list === null || list === undefined || last === undefined || last === slot) return;
    const position = this.#pool.positionOf[slot] ?? 0;
    list[position] = last;
    this.#pool.positionOf[last] = position;
  }

  /**
   * True when at least `quota` peers of the family have endpoints that begin with `prefix`. Looks at nobody while
   * the family is smaller than that.
   */
  prefixIsFull(ipv6: boolean, prefix: string, quota: number): boolean {
    if (this.#length(ipv6, true) + this.#length(ipv6, false) < quota) return false;
    let count = 0;
    for (const seed of [true, false])
      for (const slot of this.#list(ipv6, seed))
        if (this.#pool.endpointMatches(slot, prefix, prefix.length) && ++count >= quota) return true;
    return false;
  }

  /**
   * At most `count` peers of one family, chosen uniformly without repetition, never `self`. A seed gets leechers
   * only; a leecher gets seeds and leechers in the proportion in which there are any.
   */
  sample(ipv6: boolean, count: number, self: number, forSeed: boolean, rng: () => number): number[] {
    const chosen: number[] = [];
    const leechers = this.#list(ipv6, false);
    if (!forSeed) {
      const seeds = this.#list(ipv6, true);
      const all = seeds.length + leechers.length;
      const exact = all === 0 ? 0 : (Math.min(count, all) * seeds.length) / all;
      const whole = Math.floor(exact);
      this.#draw(seeds, whole + (rng() < exact - whole ? 1 : 0), self, rng, chosen);
    }
    this.#draw(leechers, count - chosen.length, self, rng, chosen);
    return chosen;
  }

  /** A Fisher–Yates shuffle of the front of `list`, as far as it is needed: uniform, and nothing is copied. */
  #draw(list: PeerList, count: number, self: number, rng: () => number, into: number[]): void {
    const end = into.length + count;
    const positions = this.#pool.positionOf;
    for (let front = 0; front < list.length && into.length < end; front++) {
      const from = front + Math.floor(rng() * (list.length - front));
      const chosen = list[from];
      const moved = list[front];
      if (chosen === undefined || moved === undefined) return;
      list[from] = moved;
      list[front] = chosen;
      positions[moved] = from;
      positions[chosen] = front;
      if (chosen !== self) into.push(chosen);
    }
  }

  #list(ipv6: boolean, seed: boolean): PeerList {
    return this.#lists[listAt(ipv6, seed)] ?? NOBODY;
  }

  #length(ipv6: boolean, seed: boolean): number {
    return this.#list(ipv6, seed).length;
  }
}

const NOBODY: PeerList = [];

const listAt = (ipv6: boolean, seed: boolean): 0 | 1 | 2 | 3 => (ipv6 ? (seed ? 3 : 2) : seed ? 1 : 0);
