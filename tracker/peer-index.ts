/**
 * Peer index: finds a peer by swarm and endpoint. A hash table of slots with linear probing, at most half full; the
 * hash is seeded, so that nobody can choose endpoints that collide.
 */
import type { PackedEndpoint } from './addresses.js';
import { NO_SLOT, type PeerPool } from './peer-pool.js';

export class PeerIndex {
  readonly #pool: PeerPool;
  readonly #seed: number;
  readonly #mask: number;
  readonly #table: Uint32Array;
  /** By slot: the hash that it was added with. */
  readonly #hashes: Uint32Array;

  /** @param seed 32 random bits */
  constructor(pool: PeerPool, seed: number) {
    this.#pool = pool;
    this.#seed = seed;
    const places = 2 ** Math.ceil(Math.log2(2 * (pool.capacity + 1)));
    this.#mask = places - 1;
    this.#table = new Uint32Array(places);
    this.#hashes = new Uint32Array(pool.capacity + 1);
  }

  /** NO_SLOT when it is not there. */
  find(swarm: number, endpoint: PackedEndpoint): number {
    const hash = this.#hash(swarm, endpoint);
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = this.#table[place] ?? NO_SLOT;
      if (slot === NO_SLOT || this.#isPeer(slot, hash, swarm, endpoint)) return slot;
    }
  }

  /** `slot` holds `endpoint` of `swarm`, which must not be in the index. */
  add(slot: number, swarm: number, endpoint: PackedEndpoint): void {
    const hash = this.#hash(swarm, endpoint);
    this.#hashes[slot] = hash;
    let place = hash & this.#mask;
    while (this.#table[place] !== NO_SLOT) place = (place + 1) & this.#mask;
    this.#table[place] = slot;
  }

  /** Closes the gap, so that no search ends too early: whoever was pushed past it moves up. */
  remove(slot: number): void {
    let gap = this.#homeOf(slot);
    while (this.#table[gap] !== slot) gap = (gap + 1) & this.#mask;
    for (let place = (gap + 1) & this.#mask; ; place = (place + 1) & this.#mask) {
      const other = this.#table[place] ?? NO_SLOT;
      if (other === NO_SLOT) break;
      const fromHome = (place - this.#homeOf(other)) & this.#mask;
      const fromGap = (place - gap) & this.#mask;
      if (fromHome < fromGap) continue;
      this.#table[gap] = other;
      gap = place;
    }
    this.#table[gap] = NO_SLOT;
  }

  #homeOf(slot: number): number {
    return (this.#hashes[slot] ?? 0) & this.#mask;
  }

  #isPeer(slot: number, hash: number, swarm: number, endpoint: PackedEndpoint): boolean {
    return (
      this.#hashes[slot] === hash &&
      this.#pool.swarmOf[slot] === swarm &&
      this.#pool.isIpv6(slot) === endpoint.length > 6 &&
      this.#pool.endpointMatches(slot, endpoint, endpoint.length)
    );
  }

  /** FNV-1a from a secret start, its bits then mixed as MurmurHash3 does. */
  #hash(swarm: number, endpoint: PackedEndpoint): number {
    let hash = this.#seed ^ Math.imul(swarm, 0x9e3779b1);
    for (let i = 0; i < endpoint.length; i++) hash = Math.imul(hash ^ endpoint.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}
