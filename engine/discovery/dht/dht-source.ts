/**
 * The DHT as one torrent's source of peers: looks up and announces at the start, every half hour, and earlier when
 * the torrent wants peers.
 */
import type { Clock, PeerSource, PeerSourceHandler, Rng, TimerHandle, TransferTotals } from '../../ports.js';
import { addressKey, asMillis, type InfoHash } from '../../units.js';
import type { DhtNode } from './dht-node.js';
import type { RunningLookup } from './lookups.js';

/** Others keep an announce for 30 minutes or more. */
const ANNOUNCE_EVERY_MS = 25 * 60_000;
const ANNOUNCE_SPREAD_MS = 5 * 60_000;
/** After a lookup that found nobody but perhaps ourselves; twice as long after the next such one. */
const RETRY_MS = 5_000;
/** Between lookups on demand; twice as long after each that found nobody whom the one before had not. */
const MIN_INTERVAL_MS = 60_000;
const MAX_INTERVAL_MS = 16 * 60_000;
/** Addresses that are remembered of one lookup. */
const MAX_KNOWN = 1_000;

export interface DhtSourceOptions {
  readonly node: Pick<DhtNode, 'lookUpPeers'>;
  readonly infoHash: InfoHash;
  /** A private torrent (BEP 27) never touches the DHT: then nothing here does anything. */
  readonly isPrivate: boolean;
  /** Where others reach us; 0: nowhere, so that only others are found. */
  readonly port: () => number;
  readonly totals: () => TransferTotals;
  readonly clock: Clock;
  readonly rng: Rng;
}

export class DhtSource implements PeerSource {
  readonly #options: DhtSourceOptions;
  readonly #infoHash: Uint8Array;
  #handler: PeerSourceHandler | undefined;
  /** The latest. After it is done, an address family without nodes still waits for some. */
  #lookup: RunningLookup | undefined;
  #isLookingUp = false;
  #timer: TimerHandle | undefined;
  #nextAt = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** That of the latest lookup. */
  #announcedPort = 0;
  #retryMs = RETRY_MS;
  #intervalMs = MIN_INTERVAL_MS;
  /** Whom the latest lookup found. */
  #known: ReadonlySet<string> = new Set();
  #stopped = false;
  /** Peers found since the start; the same may have come several times. */
  found = 0;

  constructor(options: DhtSourceOptions) {
    this.#options = options;
    this.#infoHash = Uint8Array.from(Buffer.from(options.infoHash, 'hex'));
  }

  start(handler: PeerSourceHandler): void {
    if (this.#handler !== undefined || this.#stopped || this.#options.isPrivate) return;
    this.#handler = handler;
    this.#lookUp();
  }

  /** The next announce says that we are a seed. */
  completed(): void {}

  wantPeers(): void {
    if (this.#handler === undefined || this.#isLookingUp) return;
    this.#lookUpAt(this.#lastAt + this.#intervalMs);
  }

  portChanged(): void {
    if (this.#handler === undefined || this.#isLookingUp) return;
    if (this.#options.port() !== this.#announcedPort) this.#lookUpAt(this.#lastAt + RETRY_MS);
  }

  /** The DHT knows no goodbye: what was announced is forgotten in time. */
  stop(_withinMs: number): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#lookup?.cancel();
    this.#lookup = undefined;
    this.#handler = undefined;
    return Promise.resolve();
  }

  #lookUp(): void {
    const { node, clock, totals } = this.#options;
    const port = this.#options.port();
    this.#announcedPort = port;
    this.#timer?.cancel();
    this.#timer = undefined;
    const others = new Set<string>();
    this.#lookup?.cancel();
    this.#isLookingUp = true;
    this.#lookup = node.lookUpPeers({
      infoHash: this.#infoHash,
      ...(port === 0 ? {} : { announce: { port, implied: false, seed: totals().leftBytes === 0 } }),
      onPeers: (peers, teller) => {
        // What we announced comes back from an address that we may not know to be ours.
        for (const peer of peers)
          if (peer.port !== port && others.size < MAX_KNOWN) others.add(addressKey(peer));
        this.found += peers.length;
        this.#handler?.onPeers(peers, 'dht', teller);
      },
      onDone: () => {
        this.#isLookingUp = false;
        this.#lastAt = clock.now();
        this.#onDone(others);
      },
    });
    this.#handler?.onStatus();
  }

  #onDone(others: ReadonlySet<string>): void {
    if (this.#stopped) return;
    const isNews = [...others].some((address) => !this.#known.has(address));
    this.#intervalMs = isNews ? MIN_INTERVAL_MS : Math.min(2 * this.#intervalMs, MAX_INTERVAL_MS);
    this.#known = others;
    const { rng, clock } = this.#options;
    const usual = ANNOUNCE_EVERY_MS + rng() * ANNOUNCE_SPREAD_MS;
    const waitMs = others.size > 0 ? usual : Math.min(this.#retryMs, usual);
    this.#retryMs = others.size > 0 ? RETRY_MS : 2 * this.#retryMs;
    this.#lookUpAt(clock.now() + waitMs);
    // It changed while this lookup told of the former one.
    this.portChanged();
    this.#handler?.onStatus();
  }

  /** The earlier one counts when one is due already. */
  #lookUpAt(at: number): void {
    if (this.#timer !== undefined && this.#nextAt <= at) return;
    this.#timer?.cancel();
    this.#nextAt = at;
    this.#timer = this.#options.clock.schedule(asMillis(at), () => this.#lookUp());
  }
}
