/**
 * Peer sources: all that tell one torrent of peers. They outlive the step from a magnet to its torrent: who listens
 * to them changes, they do not begin again.
 */
import type { TrackerSource } from './discovery/tracker-source.js';
import type { PeerSource, PeerSourceHandler, TransferTotals } from './ports.js';
import type { TrackerSnapshot } from './snapshot.js';

/** What libtorrent tells trackers is left while it does not know: 0 would make it a seed. */
const UNKNOWN: TransferTotals = {
  uploadedBytes: 0,
  downloadedBytes: 0,
  leftBytes: 16 * 1024,
  isPartialSeed: false,
};

export class PeerSources implements PeerSource {
  /** Set by who knows. */
  totals: () => TransferTotals = () => UNKNOWN;
  readonly #trackers: TrackerSource | undefined;
  #public: readonly PeerSource[];
  #handler: PeerSourceHandler | undefined;

  /** @param make what there is; `others` are those that a private torrent must not use (BEP 27) */
  constructor(
    make: (totals: () => TransferTotals) => {
      trackers: TrackerSource | undefined;
      others: readonly PeerSource[];
    },
  ) {
    const { trackers, others } = make(() => this.totals());
    this.#trackers = trackers;
    this.#public = others;
  }

  get trackers(): TrackerSnapshot[] {
    return this.#trackers?.snapshot() ?? [];
  }

  /** Our address as a tracker saw it (BEP 24). */
  get externalIp(): string | null {
    return this.#trackers?.externalIp ?? null;
  }

  /** Another handler may take over later. */
  start(handler: PeerSourceHandler): void {
    const isRunning = this.#handler !== undefined;
    this.#handler = handler;
    if (isRunning) return;
    const forward: PeerSourceHandler = {
      onPeers: (peers, source, teller) => this.#handler?.onPeers(peers, source, teller),
      onStatus: () => this.#handler?.onStatus(),
    };
    for (const source of this.#all) source.start(forward);
  }

  completed(): void {
    for (const source of this.#all) source.completed();
  }

  wantPeers(): void {
    for (const source of this.#all) source.wantPeers();
  }

  portChanged(): void {
    for (const source of this.#all) source.portChanged();
  }

  async stop(withinMs: number): Promise<void> {
    await Promise.all(this.#all.map((source) => source.stop(withinMs)));
  }

  /** The torrent turned out to be private: from here on trackers only. */
  onlyTrackers(): void {
    for (const source of this.#public) void source.stop(0);
    this.#public = [];
  }

  get #all(): readonly PeerSource[] {
    return this.#trackers === undefined ? this.#public : [this.#trackers, ...this.#public];
  }
}
