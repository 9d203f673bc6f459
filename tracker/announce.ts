/**
 * Announce: what a tracker answers to an announce or a scrape, whichever transport brought it (BEP 3, 15, 48).
 * The transports decode and encode; every rule is here.
 */
import type { Millis } from '../engine/units.js';
import { isLocalHost, type PackedHost, packEndpoint } from './addresses.js';
import type { PackedPeers, SwarmCounts, SwarmStore } from './swarm-store.js';

/** What a client sent, decoded and not yet believed. Strings hold one byte a character. */
export interface AnnounceRequest {
  readonly infoHash: string;
  readonly peerId: string;
  /** Where the request came from. */
  readonly source: PackedHost;
  /** The `ip` parameter: believed from local clients only, or anybody could point a swarm at a victim. */
  readonly claimedHost: PackedHost | undefined;
  readonly port: number;
  /** `left` is zero. */
  readonly seed: boolean;
  readonly event: AnnounceEvent;
  /** Negative or undefined: as many as is usual. */
  readonly numWant: number | undefined;
  /** The most that fit the transport's answer. */
  readonly maxPeers: number;
  readonly withPeerIds: boolean;
}

export type AnnounceEvent = 'none' | 'started' | 'completed' | 'stopped';

export interface AnnounceAnswer {
  readonly intervalSeconds: number;
  readonly minIntervalSeconds: number;
  readonly counts: SwarmCounts;
  /** All of the family of the endpoint that announced. */
  readonly peers: PackedPeers;
}

/** Why a request is not served: ASCII, sent to the client. */
export interface Refusal {
  readonly failure: string;
}

/** Peers for a client that does not say how many it wants. */
const DEFAULT_PEERS = 50;
/** The most for one answer, whatever is wanted. */
export const MAX_PEERS = 200;
/** What fits the 1,500 bytes of an Ethernet frame as a UDP scrape (BEP 15). */
const MAX_SCRAPE_HASHES = 74;
const HASH_BYTES = 20;
const PEER_ID_BYTES = 20;
/** Share of the interval added at random, so that clients that started together drift apart. */
const INTERVAL_JITTER = 0.05;

export class AnnounceService {
  readonly #store: SwarmStore;
  readonly #intervals: { readonly intervalSeconds: number; readonly minIntervalSeconds: number };
  readonly #rng: () => number;

  constructor(
    store: SwarmStore,
    intervals: { readonly intervalSeconds: number; readonly minIntervalSeconds: number },
    rng: () => number,
  ) {
    this.#store = store;
    this.#intervals = intervals;
    this.#rng = rng;
  }

  announce(request: AnnounceRequest, now: Millis): AnnounceAnswer | Refusal {
    const { infoHash, peerId, port, seed } = request;
    if (infoHash.length !== HASH_BYTES) return { failure: 'info_hash must be 20 bytes' };
    if (peerId.length !== PEER_ID_BYTES) return { failure: 'peer_id must be 20 bytes' };
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return { failure: 'port must be 1 to 65535' };
    const self = packEndpoint(announcedHost(request), port);
    const stopped = request.event === 'stopped';
    if (stopped) this.#store.remove(infoHash, self);
    else this.#store.put(infoHash, self, peerId, seed, request.event === 'completed', now);
    const wanted = stopped ? 0 : peersWanted(request);
    // Who comes with a magnet link knows no length, and aria2 says then that nothing is left: it needs the seeds.
    const needsNoSeeds = seed && request.event !== 'started';
    return {
      ...this.#intervals,
      intervalSeconds: this.#jittered(),
      peers: this.#store.sample(infoHash, self, needsNoSeeds, wanted, request.withPeerIds),
      counts: this.#store.counts(infoHash),
    };
  }

  /** One entry a hash, in order; a swarm nobody is in has zeros. */
  scrape(infoHashes: readonly string[]): readonly SwarmCounts[] | Refusal {
    if (infoHashes.length === 0) return { failure: 'a scrape names at least one info_hash' };
    if (infoHashes.length > MAX_SCRAPE_HASHES)
      return { failure: `a scrape names at most ${MAX_SCRAPE_HASHES} info_hashes` };
    if (infoHashes.some((hash) => hash.length !== HASH_BYTES))
      return { failure: 'info_hash must be 20 bytes' };
    return infoHashes.map((hash) => this.#store.counts(hash));
  }

  #jittered(): number {
    const { intervalSeconds } = this.#intervals;
    return intervalSeconds + Math.floor(intervalSeconds * INTERVAL_JITTER * this.#rng());
  }
}

function announcedHost({ source, claimedHost }: AnnounceRequest): PackedHost {
  return claimedHost !== undefined && isLocalHost(source) ? claimedHost : source;
}

function peersWanted({ numWant, maxPeers }: AnnounceRequest): number {
  const wanted = numWant === undefined || Number.isNaN(numWant) || numWant < 0 ? DEFAULT_PEERS : numWant;
  return Math.min(Math.floor(wanted), MAX_PEERS, maxPeers);
}
