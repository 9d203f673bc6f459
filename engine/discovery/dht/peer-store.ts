/**
 * Peers that were announced to us (BEP 5, BEP 33), for 45 minutes. Bounded by info-hashes, by peers of one, and by
 * what one host and one network may leave.
 */
import { addressKey, type Millis, type PeerAddress, type Rng } from '../../units.js';
import { BloomFilter } from './bloom-filter.js';
import { BoundedStore } from './bounded-store.js';
import { networkOf } from './node-address.js';
import type { NodeId } from './node-id.js';

/** Peers announce every 30 minutes or so; one late announce does not lose them. */
const LIFE_MS = 45 * 60_000;
const LIMITS = { maxTargets: 2_000, maxPerNetwork: 100 };
/** Of one info-hash: with more, whoever asks gets a random choice anyway. */
const MAX_PEERS = 1_000;
/** Of one host and info-hash: those behind one router. The latest stay. */
const MAX_PORTS_PER_HOST = 4;
/** Of one host of our own network, where many may run on one machine. */
const MAX_PORTS_PER_LOCAL_HOST = 32;
/** Of one network and info-hash. */
const MAX_PEERS_PER_NETWORK = 16;
/** Over all, about 20 MiB. */
const MAX_PEERS_OVERALL = 100_000;

interface StoredPeer {
  readonly address: PeerAddress;
  readonly seed: boolean;
  readonly network: string | undefined;
  readonly until: number;
}

/** By address, the one announced last at the end. */
type Peers = Map<string, StoredPeer>;

export class PeerStore {
  readonly #swarms = new BoundedStore<Peers>(LIMITS);
  #count = 0;

  get infoHashes(): number {
    return this.#swarms.size;
  }

  get peers(): number {
    return this.#count;
  }

  /** @returns false when there is no place for it */
  announce(infoHash: NodeId, peer: PeerAddress, seed: boolean, ownId: NodeId, now: Millis): boolean {
    const swarm = this.#swarms.open(infoHash, peer.host, ownId, () => new Map());
    const network = networkOf(peer.host);
    if (swarm === undefined || network === undefined) return false;
    const networkKey = network.local ? undefined : network.key;
    const key = addressKey(peer);
    const most = network.local ? MAX_PORTS_PER_LOCAL_HOST : MAX_PORTS_PER_HOST;
    const known = swarm.delete(key) || this.#dropOldestPort(swarm, peer.host, most);
    if (!known && !this.#hasRoom(swarm, networkKey)) return false;
    swarm.set(key, { address: peer, seed, network: networkKey, until: now + LIFE_MS });
    if (!known) this.#count++;
    return true;
  }

  /** At most `count`, a random choice; empty when there are none. */
  sample(infoHash: NodeId, count: number, noSeeds: boolean, now: Millis, rng: Rng): PeerAddress[] {
    const swarm = this.#swarms.get(infoHash);
    if (swarm === undefined || count <= 0) return [];
    const found: PeerAddress[] = [];
    let seen = 0;
    for (const { address, seed, until } of swarm.values()) {
      if (until <= now || (noSeeds && seed)) continue;
      seen++;
      // Each one seen is in the sample with the same chance.
      const at = seen <= count ? seen - 1 : Math.floor(rng() * seen);
      if (at < count) found[at] = address;
    }
    return found;
  }

  /** Filters of seeds and of others (BEP 33); undefined when nothing is known of the info-hash. */
  filters(
    infoHash: NodeId,
    now: Millis,
  ): { readonly seeds: Uint8Array; readonly peers: Uint8Array } | undefined {
    const swarm = this.#swarms.get(infoHash);
    if (swarm === undefined) return undefined;
    const seeds = new BloomFilter();
    const peers = new BloomFilter();
    for (const { address, seed, until } of swarm.values())
      if (until > now) (seed ? seeds : peers).add(address.host);
    return { seeds: seeds.bytes, peers: peers.bytes };
  }

  targets(): NodeId[] {
    return this.#swarms.targets();
  }

  sweep(now: Millis): void {
    this.#count = 0;
    this.#swarms.sweep(now, (swarm) => {
      for (const [key, { until }] of swarm) if (until <= now) swarm.delete(key);
      this.#count += swarm.size;
      return swarm.size === 0;
    });
  }

  /** @returns whether a host that had as many ports as it may has one less */
  #dropOldestPort(swarm: Peers, host: string, most: number): boolean {
    const keys = [...swarm].filter(([, { address }]) => address.host === host).map(([key]) => key);
    const [oldest] = keys;
    return keys.length >= most && oldest !== undefined && swarm.delete(oldest);
  }

  #hasRoom(swarm: Peers, network: string | undefined): boolean {
    if (this.#count >= MAX_PEERS_OVERALL) return false;
    if (network !== undefined) {
      let same = 0;
      for (const peer of swarm.values()) if (peer.network === network) same++;
      if (same >= MAX_PEERS_PER_NETWORK) return false;
    }
    if (swarm.size < MAX_PEERS) return true;
    const oldest = swarm.keys().next();
    if (oldest.done === true) return false;
    swarm.delete(oldest.value);
    this.#count--;
    return true;
  }
}
