/**
 * The peers of one torrent and one address family. Pure: told the time and the randomness.
 *
 * Invariants: every peer is in the map and, at its `at`, in either `#seeds` or `#leechers`; the map is ordered by
 * `seenAt`, so expiry looks at the expired ones only.
 */
import type { Millis } from '../engine/units.js';
import { type PackedEndpoint, quotaPrefix } from './addresses.js';

export interface TrackedPeer {
  readonly endpoint: PackedEndpoint;
  /** 20 characters, one a byte. */
  peerId: string;
  seed: boolean;
  /** Its download was counted, or it never had to download: it counts at most once. */
  completed: boolean;
  seenAt: Millis;
  /** Position in its list. */
  at: number;
}

export class PeerTable {
  readonly #peers = new Map<PackedEndpoint, TrackedPeer>();
  readonly #seeds: TrackedPeer[] = [];
  readonly #leechers: TrackedPeer[] = [];

  get size(): number {
    return this.#peers.size;
  }

  get seeds(): number {
    return this.#seeds.length;
  }

  get leechers(): number {
    return this.#leechers.length;
  }

  get(endpoint: PackedEndpoint): TrackedPeer | undefined {
    return this.#peers.get(endpoint);
  }

  /** `endpoint` must not be in the table. */
  add(endpoint: PackedEndpoint, peerId: string, seed: boolean, now: Millis): TrackedPeer {
    const list = seed ? this.#seeds : this.#leechers;
    const peer = { endpoint, peerId, seed, completed: false, seenAt: now, at: list.length };
    list.push(peer);
    this.#peers.set(endpoint, peer);
    return peer;
  }

  /** The peer announced again: it becomes the youngest, and a seed or leecher as it says. */
  refresh(peer: TrackedPeer, peerId: string, seed: boolean, now: Millis): void {
    this.#peers.delete(peer.endpoint);
    this.#peers.set(peer.endpoint, peer);
    peer.seenAt = now;
    peer.peerId = peerId;
    if (peer.seed === seed) return;
    this.#unlist(peer);
    const list = seed ? this.#seeds : this.#leechers;
    peer.seed = seed;
    peer.at = list.length;
    list.push(peer);
  }

  remove(peer: TrackedPeer): void {
    this.#peers.delete(peer.endpoint);
    this.#unlist(peer);
  }

  /** The peer not seen for longest. */
  oldest(): TrackedPeer | undefined {
    return this.#peers.values().next().value;
  }

  /** True when `prefix` has at least `quota` peers here. Looks at nobody while the table is smaller than that. */
  prefixIsFull(prefix: string, quota: number): boolean {
    if (this.#peers.size < quota) return false;
    let count = 0;
    for (const endpoint of this.#peers.keys()) {
      if (quotaPrefix(endpoint) === prefix && ++count >= quota) return true;
    }
    return false;
  }

  /**
   * Appends at most `count` peers, chosen uniformly without repetition, never the one at `self`. A seed gets
   * leechers only; a leecher gets seeds and leechers in the proportion in which there are any.
   */
  sample(
    count: number,
    self: PackedEndpoint,
    forSeed: boolean,
    rng: () => number,
    into: TrackedPeer[],
  ): void {
    const others = this.#leechers.length + (forSeed ? 0 : this.#seeds.length);
    const exact = others === 0 || forSeed ? 0 : (Math.min(count, others) * this.#seeds.length) / others;
    const wholeSeeds = Math.floor(exact);
    const seeds = wholeSeeds + (rng() < exact - wholeSeeds ? 1 : 0);
    const end = into.length + count;
    draw(this.#seeds, seeds, self, rng, into);
    draw(this.#leechers, end - into.length, self, rng, into);
  }

  #unlist(peer: TrackedPeer): void {
    const list = peer.seed ? this.#seeds : this.#leechers;
    const last = list.pop();
    if (last === undefined || last === peer) return;
    list[peer.at] = last;
    last.at = peer.at;
  }
}

/** A Fisher–Yates shuffle of the front of `list`, as far as it is needed: uniform, in place, nothing allocated. */
function draw(
  list: TrackedPeer[],
  count: number,
  self: PackedEndpoint,
  rng: () => number,
  into: TrackedPeer[],
): void {
  const end = into.length + count;
  for (let front = 0; front < list.length && into.length < end; front++) {
    const chosen = list[front + Math.floor(rng() * (list.length - front))];
    const moved = list[front];
    if (chosen === undefined || moved === undefined) return;
    list[chosen.at] = moved;
    moved.at = chosen.at;
    list[front] = chosen;
    chosen.at = front;
    if (chosen.endpoint !== self) into.push(chosen);
  }
}
