/**
 * Swarm store: who is in which swarm. Pure (time and randomness are passed in), and bounded in torrents, peers,
 * peers of a torrent and peers of an address prefix. What is over a bound is not stored; nobody is evicted for it.
 */
import type { Millis } from '../engine/units.js';
import { isIpv6Endpoint, type PackedEndpoint, quotaPrefix } from './addresses.js';
import { PeerIndex } from './peer-index.js';
import { NO_SLOT, PeerPool } from './peer-pool.js';
import { PrefixQuota } from './prefix-quota.js';
import { Swarm } from './swarm.js';

export interface StoreLimits {
  readonly maxTorrents: number;
  /** Over all torrents. */
  readonly maxPeers: number;
  readonly maxPeersPerTorrent: number;
  /** Of one IPv4 /24 or IPv6 /48 over all torrents; local addresses have no quota. */
  readonly maxPeersPerPrefix: number;
  /** Of one IPv4 /24 or IPv6 /48 in one torrent. */
  readonly maxPeersPerPrefixPerTorrent: number;
  /** A peer that was not heard of for so long is gone. */
  readonly peerTimeoutMs: number;
}

export interface SwarmCounts {
  readonly seeds: number;
  readonly leechers: number;
  /** Downloads that finished since the swarm last was empty. */
  readonly downloads: number;
}

export interface StoreStats {
  readonly torrents: number;
  readonly peers: number;
}

/** Peers of one family, packed. */
export interface PackedPeers {
  readonly count: number;
  /** 6 or 18 bytes a peer, as in `peers` and `peers6`. */
  readonly endpoints: Buffer;
  /** 20 bytes a peer; only where they were asked for. */
  readonly peerIds: Buffer | null;
}

const NO_COUNTS: SwarmCounts = { seeds: 0, leechers: 0, downloads: 0 };
const NO_PEERS: PackedPeers = { count: 0, endpoints: Buffer.alloc(0), peerIds: null };
/** Overdue peers forgotten by one call: two for each peer that it can add, so that they never pile up. */
const EXPIRED_PER_CALL = 2;

export class SwarmStore {
  readonly #limits: StoreLimits;
  readonly #rng: () => number;
  readonly #pool: PeerPool;
  readonly #index: PeerIndex;
  readonly #prefixes: PrefixQuota;
  /** By info-hash, 20 characters, one a byte. */
  readonly #byHash = new Map<string, Swarm>();
  readonly #byId: (Swarm | undefined)[] = [];
  readonly #freeIds: number[] = [];

  /** @param rng uniform in [0, 1) */
  constructor(limits: StoreLimits, rng: () => number) {
    this.#limits = limits;
    this.#rng = rng;
    this.#pool = new PeerPool(limits.maxPeers);
    this.#index = new PeerIndex(this.#pool, Math.floor(rng() * 2 ** 32));
    this.#prefixes = new PrefixQuota(limits.maxPeersPerPrefix);
  }

  get stats(): StoreStats {
    return { torrents: this.#byHash.size, peers: this.#pool.count };
  }

  /**
   * Stores a peer or renews it; false when a bound forbids it. `finished` says that it just completed its download,
   * which counts once a peer.
   */
  put(
    infoHash: string,
    endpoint: PackedEndpoint,
    peerId: string,
    seed: boolean,
    finished: boolean,
    now: Millis,
  ): boolean {
    this.sweep(now, EXPIRED_PER_CALL);
    let swarm = this.#byHash.get(infoHash);
    let slot = swarm === undefined ? NO_SLOT : this.#index.find(swarm.id, endpoint);
    if (swarm === undefined || slot === NO_SLOT) {
      if (!this.#hasRoom(swarm, endpoint)) return false;
      swarm ??= this.#open(infoHash);
      slot = this.#admit(swarm, endpoint, seed, now);
    } else {
      this.#pool.renew(slot, now);
      this.#become(swarm, slot, seed);
    }
    this.#pool.setPeerId(slot, peerId);
    this.#countDownload(swarm, slot, finished);
    return true;
  }

  remove(infoHash: string, endpoint: PackedEndpoint): void {
    const swarm = this.#byHash.get(infoHash);
    const slot = swarm === undefined ? NO_SLOT : this.#index.find(swarm.id, endpoint);
    if (slot !== NO_SLOT) this.#forget(slot);
  }

  /** At most `count` random peers of the family of `self`, without `self`; see Swarm.sample. */
  sample(
    infoHash: string,
    self: PackedEndpoint,
    forSeed: boolean,
    count: number,
    withPeerIds: boolean,
  ): PackedPeers {
    const swarm = this.#byHash.get(infoHash);
    if (swarm === undefined) return NO_PEERS;
    const selfSlot = this.#index.find(swarm.id, self);
    const slots = swarm.sample(isIpv6Endpoint(self), count, selfSlot, forSeed, this.#rng);
    return {
      count: slots.length,
      endpoints: this.#pool.packEndpoints(slots),
      peerIds: withPeerIds ? this.#pool.packPeerIds(slots) : null,
    };
  }

  /** Over both address families. */
  counts(infoHash: string): SwarmCounts {
    const swarm = this.#byHash.get(infoHash);
    if (swarm === undefined) return NO_COUNTS;
    return { seeds: swarm.seeds, leechers: swarm.leechers, downloads: swarm.downloads };
  }

  /** Forgets overdue peers, the longest overdue first, at most `budget`; to be called at intervals. */
  sweep(now: Millis, budget: number): void {
    for (let left = budget; left > 0; left--) {
      const slot = this.#pool.oldest;
      if (slot === NO_SLOT || now - this.#pool.seenAt(slot) < this.#limits.peerTimeoutMs) return;
      this.#forget(slot);
    }
  }

  #hasRoom(swarm: Swarm | undefined, endpoint: PackedEndpoint): boolean {
    const limits = this.#limits;
    if (this.#pool.count >= limits.maxPeers) return false;
    if (swarm === undefined && this.#byHash.size >= limits.maxTorrents) return false;
    if (swarm !== undefined && swarm.size >= limits.maxPeersPerTorrent) return false;
    const prefix = quotaPrefix(endpoint);
    if (prefix === undefined) return true;
    if (!this.#prefixes.hasRoom(prefix)) return false;
    const quota = limits.maxPeersPerPrefixPerTorrent;
    return !(swarm?.prefixIsFull(isIpv6Endpoint(endpoint), prefix, quota) ?? false);
  }

  #open(infoHash: string): Swarm {
    const id = this.#freeIds.pop() ?? this.#byId.length;
    const swarm = new Swarm(infoHash, id, this.#pool);
    this.#byId[id] = swarm;
    this.#byHash.set(infoHash, swarm);
    return swarm;
  }

  #admit(swarm: Swarm, endpoint: PackedEndpoint, seed: boolean, now: Millis): number {
    const slot = this.#pool.add(endpoint, swarm.id, now);
    this.#pool.setSeed(slot, seed);
    this.#index.add(slot, swarm.id, endpoint);
    swarm.add(slot);
    this.#prefixes.add(quotaPrefix(endpoint));
    return slot;
  }

  #become(swarm: Swarm, slot: number, seed: boolean): void {
    if (this.#pool.isSeed(slot) === seed) return;
    swarm.remove(slot);
    this.#pool.setSeed(slot, seed);
    swarm.add(slot);
  }

  /** A peer that is a seed from its first announce on has not downloaded anything here. */
  #countDownload(swarm: Swarm, slot: number, finished: boolean): void {
    if (!this.#pool.isSeed(slot) || this.#pool.isCompleted(slot)) return;
    this.#pool.setCompleted(slot);
    if (finished) swarm.downloads++;
  }

  #forget(slot: number): void {
    const swarm = this.#byId[this.#pool.swarmOf[slot] ?? 0];
    swarm?.remove(slot);
    this.#prefixes.remove(quotaPrefix(this.#pool.endpoint(slot)));
    this.#index.remove(slot);
    this.#pool.remove(slot);
    if (swarm !== undefined && swarm.size === 0) {
      this.#byHash.delete(swarm.infoHash);
      this.#byId[swarm.id] = undefined;
      this.#freeIds.push(swarm.id);
    }
  }
}
