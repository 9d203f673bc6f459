/**
 * Metadata fetch: a magnet on its way to becoming a torrent. Finds peers by every source there is, and fetches the
 * `info` dictionary from them, or from the state folder when it was fetched before. `Engine.add` then goes on with
 * the sources and connections that it has.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { describeMagnet } from './describe.js';
import type { Resolve } from './discovery/resolve.js';
import { SwarmError, toSwarmError } from './errors.js';
import { metainfoOf } from './metainfo/from-magnet.js';
import type { Magnet } from './metainfo/magnet.js';
import type { Metainfo } from './metainfo/metainfo.js';
import type { PeerSources } from './peer-sources.js';
import { MAX_METADATA_BYTES } from './policy/metadata-assembly.js';
import { PeerCandidates } from './policy/peer-candidates.js';
import type { Clock, HandshakeIdentity, PeerDialer, PexCodec, Rng } from './ports.js';
import type { PeerListener } from './reach/listener.js';
import type { TorrentEvent, TorrentSnapshot } from './snapshot.js';
import { loadMetadata, saveMetadata } from './storage/metadata-file.js';
import { MetadataSwarm, type MetConnection } from './swarm/metadata-swarm.js';
import { TorrentEvents } from './torrent-events.js';
import type { InfoHash, PeerAddress } from './units.js';

export interface FetchOptions {
  /** Peers to try at once, beside those that the link names. */
  readonly peers?: readonly PeerAddress[];
}

/** What the engine lends to each fetch. */
export interface FetchHost {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly dialer: PeerDialer;
  readonly listener: PeerListener;
  readonly stateDir: string;
  readonly identity: HandshakeIdentity;
  /** Undefined where peers are not told of each other. */
  readonly pex: PexCodec | undefined;
  readonly sources: PeerSources;
  readonly resolve: Resolve;
  /** A peer has a DHT node. */
  onDhtNode(address: PeerAddress, by: 'neighbour' | 'stranger'): void;
  log(level: 'info' | 'warn' | 'error', text: string): void;
  onClosed(fetch: MetadataFetch): void;
}

/** What the torrent goes on with. */
export interface Met {
  readonly sources: PeerSources;
  /** Announce URLs that the sources know. */
  readonly trackers: readonly string[];
  readonly candidates: PeerCandidates;
  /** The peers, which are met and kept until then. Once. */
  takeConnections(): MetConnection[];
}

/** A link may name many hosts; who wants more has better sources. */
const MAX_NAMED_PEERS = 20;
const GOODBYE_MS = 2_000;

export class MetadataFetch {
  /**
   * Resolves with what the link names. Rejects with a SwarmError: CLOSED when stopped or added before, TORRENT_… when
   * what the info-hash names is no torrent that can be used.
   */
  readonly metainfo: Promise<Metainfo>;
  readonly #magnet: Magnet;
  readonly #host: FetchHost;
  readonly #events: TorrentEvents;
  readonly #candidates: PeerCandidates;
  readonly #abortNames = new AbortController();
  /** Peers that the link names, as far as their names are resolved. */
  readonly #named: PeerAddress[] = [];
  #onNamed = (peers: readonly PeerAddress[]): void => this.#swarm?.onPeersFound(peers, 'user');
  #settle!: { resolve(metainfo: Metainfo): void; reject(error: SwarmError): void };
  #swarm: MetadataSwarm | undefined;
  #isHandedOver = false;
  #stopped: Promise<void> | undefined;

  /** Use `Engine.fetchMetadata`. */
  constructor(magnet: Magnet, options: FetchOptions, host: FetchHost) {
    this.#magnet = magnet;
    this.#host = host;
    this.#events = new TorrentEvents((text) => host.log('error', text));
    this.#candidates = new PeerCandidates(host.rng);
    this.metainfo = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for it has the snapshot.
    this.metainfo.catch(() => {});
    void this.#start(options.peers ?? []);
  }

  get infoHash(): InfoHash {
    return this.#magnet.infoHash;
  }

  /** Calls `listener` for everything that happens from now on. @returns stops that */
  onEvent(listener: (event: TorrentEvent) => void): () => void {
    return this.#events.on(listener);
  }

  /** The world may reach us at another port. */
  portChanged(): void {
    this.#host.sources.portChanged();
  }

  /** Asks for further peers now, as far as those who know of some allow it. */
  wantPeers(): void {
    this.#host.sources.wantPeers();
  }

  /** Plain data for a display: a torrent of which nothing but the name is known. */
  snapshot(): TorrentSnapshot {
    const { infoHash, name } = this.#magnet;
    return {
      ...describeMagnet(this.#swarm),
      infoHash,
      name: name ?? infoHash,
      phase: 'metadata',
      trackers: this.#host.sources.trackers,
    };
  }

  /** Says goodbye to trackers and peers. Idempotent; never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * For the torrent that begins now: it owns all of this from here on. Undefined when the fetch was stopped.
   * @param onNamed takes the peers that the link names, now and when their names are resolved
   */
  handOver(onNamed: (peers: readonly PeerAddress[]) => void): Met | undefined {
    if (this.#stopped !== undefined) return undefined;
    this.#isHandedOver = true;
    this.#onNamed = onNamed;
    onNamed(this.#named);
    this.#host.onClosed(this);
    this.#settle.reject(new SwarmError('CLOSED', 'the torrent was added'));
    return {
      sources: this.#host.sources,
      trackers: this.#magnet.trackers,
      candidates: this.#candidates,
      takeConnections: () => this.#swarm?.release() ?? [],
    };
  }

  async #start(peers: readonly PeerAddress[]): Promise<void> {
    const { stateDir } = this.#host;
    const kept = await loadMetadata(stateDir, this.infoHash, MAX_METADATA_BYTES);
    if (this.#stopped !== undefined || this.#isHandedOver) return;
    this.#join(peers);
    this.#meetNamed();
    if (kept !== undefined && this.#isGood(kept)) this.#finish(kept);
  }

  #join(peers: readonly PeerAddress[]): void {
    const { clock, dialer, identity, listener, log, pex, sources } = this.#host;
    const events = this.#events;
    const swarm = new MetadataSwarm({
      dialer,
      identity,
      candidates: this.#candidates,
      clock,
      isGood: (bytes) => this.#isGood(bytes),
      ...(pex === undefined ? {} : { pex }),
      onMetadata: (bytes) => void this.#keep(bytes),
      onPeersExchanged: (count) => events.emit({ type: 'peers-found', source: 'pex', count }),
      wantPeers: () => sources.wantPeers(),
      onDhtNode: (address) => this.#host.onDhtNode(address, 'stranger'),
      onPeerConnected: (address, source) => events.emit({ type: 'peer-connected', ...address, source }),
      onPeerClosed: (address, reason) => events.emit({ type: 'peer-disconnected', ...address, reason }),
      onPeerBanned: (address, reason) => {
        log('warn', `banned ${address.host}: ${reason}`);
        events.emit({ type: 'peer-banned', ...address, reason });
      },
    });
    this.#swarm = swarm;
    listener.register(identity, (connection) => swarm.onIncoming(connection));
    swarm.onPeersFound(peers, 'user');
    sources.start({
      onPeers: (found, source, teller) => {
        events.emit({ type: 'peers-found', source, count: found.length });
        swarm.onPeersFound(found, source, teller);
        // Clients have their DHT node on the port of their peers.
        if (source === 'lsd') for (const address of found) this.#host.onDhtNode(address, 'neighbour');
      },
      onStatus: () => events.tellTrackers(sources.trackers),
    });
  }

  /** `x.pe`: names among them become all of their addresses. */
  #meetNamed(): void {
    const { resolve } = this.#host;
    for (const { host, port } of this.#magnet.peers.slice(0, MAX_NAMED_PEERS)) {
      if (isIP(host) !== 0) this.#meet([{ host, port }]);
      else
        resolve(host, this.#abortNames.signal).then(
          (hosts) => this.#meet(hosts.map((each) => ({ host: each, port }))),
          (error: unknown) => this.#host.log('warn', `peer of the link: ${toSwarmError(error).message}`),
        );
    }
  }

  #meet(named: readonly PeerAddress[]): void {
    this.#named.push(...named);
    this.#onNamed(named);
  }

  #isGood(bytes: Uint8Array): boolean {
    return createHash('sha1').update(bytes).digest('hex') === this.infoHash;
  }

  async #keep(bytes: Uint8Array): Promise<void> {
    try {
      await saveMetadata(this.#host.stateDir, this.infoHash, bytes);
    } catch (error) {
      this.#host.log('warn', `the metadata is not kept for the next start: ${(error as Error).message}`);
    }
    if (this.#stopped === undefined) this.#finish(bytes);
  }

  #finish(bytes: Uint8Array): void {
    try {
      const metainfo = metainfoOf(this.#magnet, bytes);
      this.#events.emit({ type: 'metadata', name: metainfo.name, totalBytes: metainfo.totalBytes });
      this.#settle.resolve(metainfo);
    } catch (thrown) {
      const error = toSwarmError(thrown);
      this.#host.log('error', error.message);
      this.#settle.reject(error);
      void this.stop();
    }
  }

  async #stop(): Promise<void> {
    if (this.#isHandedOver) return;
    this.#abortNames.abort();
    this.#host.listener.unregister(this.infoHash);
    this.#swarm?.stop();
    this.#settle.reject(new SwarmError('CLOSED', 'the fetch was stopped'));
    await this.#host.sources.stop(GOODBYE_MS);
    this.#host.onClosed(this);
  }
}
