/**
 * Swarm store: who is in which swarm. Pure (time and randomness are passed in), and bounded in torrents, peers,
 * peers of a torrent and peers of an address prefix. What is over a bound is not stored; nobody is evicted for it.
 */
import type { Millis } from '../engine/units.js';
import { isIpv6Endpoint, type PackedEndpoint, quotaPrefix } from './addresses.js';
import { PeerTable, type TrackedPeer } from './peer-table.js';
import { PrefixQuota } from './prefix-quota.js';

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

interface Swarm {
  ipv4: PeerTable | null;
  ipv6: PeerTable | null;
  downloads: number;
}

const NO_COUNTS: SwarmCounts = { seeds: 0, leechers: 0, downloads: 0 };

export class SwarmStore {
  /** Info-hash, 20 characters, one a byte. */
  readonly #swarms = new Map<string, Swarm>();
  readonly #prefixes: PrefixQuota;
  readonly #limits: StoreLimits;
  readonly #rng: () => number;
  #peerCount = 0;
  #sweepCursor: Iterator<[string, Swarm]>;

  constructor(limits: StoreLimits, rng: () => number) {
    this.#limits = limits;
    this.#prefixes = new PrefixQuota(limits.maxPeersPerPrefix);
    this.#rng = rng;
    this.#sweepCursor = this.#swarms.entries();
  }

  get stats(): StoreStats {
    return { torrents: this.#swarms.size, peers: this.#peerCount };
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
    const swarm = this.#swarms.get(infoHash);
    const known = tableOf(swarm, endpoint)?.get(endpoint);
    if (swarm !== undefined && known !== undefined) {
      tableOf(swarm, endpoint)?.refresh(known, peerId, seed, now);
      countDownload(swarm, known, finished);
      return true;
    }
    if (!this.#hasRoom(swarm, endpoint)) return false;
    const home = swarm ?? this.#open(infoHash);
    const peer = openTable(home, endpoint).add(endpoint, peerId, seed, now);
    this.#peerCount++;
    this.#prefixes.add(quotaPrefix(endpoint));
    countDownload(home, peer, finished);
    return true;
  }

  remove(infoHash: string, endpoint: PackedEndpoint): void {
    const swarm = this.#swarms.get(infoHash);
    const table = tableOf(swarm, endpoint);
    const peer = table?.get(endpoint);
    if (swarm === undefined || table === null || table === undefined || peer === undefined) return;
    this.#forget(table, peer);
    this.#dropIfEmpty(infoHash, swarm);
  }

  /** At most `count` random living peers of the family of `self`, without `self`; see PeerTable.sample. */
  sample(
    infoHash: string,
    self: PackedEndpoint,
    forSeed: boolean,
    count: number,
    now: Millis,
  ): readonly TrackedPeer[] {
    const peers: TrackedPeer[] = [];
    const swarm = this.#living(infoHash, now);
    tableOf(swarm, self)?.sample(count, self, forSeed, this.#rng, peers);
    return peers;
  }

  /** Over both address families. */
  counts(infoHash: string, now: Millis): SwarmCounts {
    const swarm = this.#living(infoHash, now);
    if (swarm === undefined) return NO_COUNTS;
    return {
      seeds: (swarm.ipv4?.seeds ?? 0) + (swarm.ipv6?.seeds ?? 0),
      leechers: (swarm.ipv4?.leechers ?? 0) + (swarm.ipv6?.leechers ?? 0),
      downloads: swarm.downloads,
    };
  }

  /** Forgets the expired peers of the next `budget` torrents, going round; to be called at intervals. */
  sweep(now: Millis, budget: number): void {
    for (let visited = 0; visited < Math.min(budget, this.#swarms.size + 1); visited++) {
      const next = this.#sweepCursor.next();
      if (next.done === true) {
        this.#sweepCursor = this.#swarms.entries();
        return;
      }
      this.#expire(next.value[0], next.value[1], now);
    }
  }

  #living(infoHash: string, now: Millis): Swarm | undefined {
    const swarm = this.#swarms.get(infoHash);
    if (swarm !== undefined) this.#expire(infoHash, swarm, now);
    return swarm;
  }

  #expire(infoHash: string, swarm: Swarm, now: Millis): void {
    for (const table of [swarm.ipv4, swarm.ipv6]) {
      if (table === null) continue;
      for (let peer = table.oldest(); peer !== undefined; peer = table.oldest()) {
        if (now - peer.seenAt < this.#limits.peerTimeoutMs) break;
        this.#forget(table, peer);
      }
    }
    this.#dropIfEmpty(infoHash, swarm);
  }

  #hasRoom(swarm: Swarm | undefined, endpoint: PackedEndpoint): boolean {
    const limits = this.#limits;
    if (this.#peerCount >= limits.maxPeers) return false;
    if (swarm === undefined && this.#swarms.size >= limits.maxTorrents) return false;
    if (swarm !== undefined && sizeOf(swarm) >= limits.maxPeersPerTorrent) return false;
    const prefix = quotaPrefix(endpoint);
    if (prefix === undefined) return true;
    if (!this.#prefixes.hasRoom(prefix)) return false;
    return !(tableOf(swarm, endpoint)?.prefixIsFull(prefix, limits.maxPeersPerPrefixPerTorrent) ?? false);
  }

  #open(infoHash: string): Swarm {
    const swarm: Swarm = { ipv4: null, ipv6: null, downloads: 0 };
    this.#swarms.set(infoHash, swarm);
    return swarm;
  }

  #forget(table: PeerTable, peer: TrackedPeer): void {
    table.remove(peer);
    this.#peerCount--;
    this.#prefixes.remove(quotaPrefix(peer.endpoint));
  }

  #dropIfEmpty(infoHash: string, swarm: Swarm): void {
    if (sizeOf(swarm) === 0) this.#swarms.delete(infoHash);
  }
}

const sizeOf = (swarm: Swarm): number => (swarm.ipv4?.size ?? 0) + (swarm.ipv6?.size ?? 0);

function tableOf(swarm: Swarm | undefined, endpoint: PackedEndpoint): PeerTable | null | undefined {
  return isIpv6Endpoint(endpoint) ? swarm?.ipv6 : swarm?.ipv4;
}

function openTable(swarm: Swarm, endpoint: PackedEndpoint): PeerTable {
  if (isIpv6Endpoint(endpoint)) {
    swarm.ipv6 ??= new PeerTable();
    return swarm.ipv6;
  }
  swarm.ipv4 ??= new PeerTable();
  return swarm.ipv4;
}

/** A peer that is a seed from its first announce on has not downloaded anything here. */
function countDownload(swarm: Swarm, peer: TrackedPeer, finished: boolean): void {
  if (!peer.seed || peer.completed) return;
  peer.completed = true;
  if (finished) swarm.downloads++;
}
