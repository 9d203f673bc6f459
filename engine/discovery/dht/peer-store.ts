/**
 * Peers that were announced to us (BEP 5, BEP 33): one an address and info-hash, for 45 minutes. Bounded by
 * info-hashes, by peers of one, and by what one network may leave.
 */
import type { Millis, PeerAddress, Rng } from '../../units.js';
import { BloomFilter } from './bloom-filter.js';
import { BoundedStore } from './bounded-store.js';
import { networkOf } from './node-address.js';
import type { NodeId } from './node-id.js';

/** Peers announce every 30 minutes or so; one late announce does not lose them. */
const LIFE_MS = 45 * 60_000;
const LIMITS = { maxTargets: 2_000, maxPerNetwork: 100 };
/** Of one info-hash: with more, whoever asks gets a random choice anyway. */
const MAX_PEERS = 1_000;
/** Of one network and info-hash. */
const MAX_PEERS_PER_NETWORK = 16;
/** Over all, about 20 MiB. */
const MAX_PEERS_OVERALL = 100_000;

interface StoredPeer {
  readonly port: number;
  readonly seed: boolean;
  readonly network: string | undefined;
  readonly until: number;
}

/** By host. */
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
    const key = network.local ? undefined : network.key;
    const known = swarm.delete(peer.host);
    if (!known && !this.#hasRoom(swarm, key)) return false;
    // Behind the others, so that the oldest is first.
    swarm.set(peer.host, { port: peer.port, seed, network: key, until: now + LIFE_MS });
    if (!known) this.#count++;
    return true;
  }

  /** At most `count`, a random choice; empty when there are none. */
  sample(infoHash: NodeId, count: number, noSeeds: boolean, now: Millis, rng: Rng): PeerAddress[] {
    const swarm = this.#swarms.get(infoHash);
    if (swarm === undefined || count <= 0) return [];
    const found: PeerAddress[] = [];
    let seen = 0;
    for (const [host, { port, seed, until }] of swarm) {
      if (until <= now || (noSeeds && seed)) continue;
      seen++;
      // Each one seen is in the sample with the same chance.
      const at = seen <= count ? seen - 1 : Math.floor(rng() * seen);
      if (at < count) found[at] = { host, port };
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
    for (const [host, { seed, until }] of swarm) if (until > now) (seed ? seeds : peers).add(host);
    return { seeds: seeds.bytes, peers: peers.bytes };
  }

  targets(): NodeId[] {
    return this.#swarms.targets();
  }

  sweep(now: Millis): void {
    this.#count = 0;
    this.#swarms.sweep(now, (swarm) => {
      for (const [host, { until }] of swarm) if (until <= now) swarm.delete(host);
      this.#count += swarm.size;
      return swarm.size === 0;
    });
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
