/**
 * Torrent: one torrent of an engine, from the check of what is on disk to the goodbye to its trackers. Puts a
 * swarm on a store, a dialer, a listener and its trackers, and tells the outside what happens.
 */
import { Readable } from 'node:stream';
import { describeNoSwarm, describeSwarm } from './describe.js';
import { SwarmError, toSwarmError } from './errors.js';
import type { FileClaims } from './file-claims.js';
import type { Met } from './metadata-fetch.js';
import type { Metainfo } from './metainfo/metainfo.js';
import type { PeerSources } from './peer-sources.js';
import { FileLayout } from './policy/file-layout.js';
import { FileSelection } from './policy/file-selection.js';
import { ReadingWindows, windowLength } from './policy/reading-windows.js';
import { TokenBucket } from './policy/token-bucket.js';
import { TorrentGeometry } from './policy/torrent-geometry.js';
import type {
  Clock,
  HandshakeIdentity,
  PeerDialer,
  PeerSourceHandler,
  PexCodec,
  Rng,
  TransferTotals,
} from './ports.js';
import type { PeerListener } from './reach/listener.js';
import type { TorrentEvent, TorrentPhase, TorrentSnapshot } from './snapshot.js';
import type { OpenTorrentStore, Storage } from './storage/storage.js';
import { Swarm } from './swarm/swarm.js';
import type { SwarmObserver } from './swarm/swarm-state.js';
import { TorrentEvents } from './torrent-events.js';
import { TorrentReader } from './torrent-reader.js';
import type { Millis, PeerAddress } from './units.js';

export interface AddOptions {
  /** Folder that receives (or holds) the torrent's file or folder. Default: the working directory. */
  readonly out?: string;
  /** Which files are wanted, in torrent order; default all. */
  readonly wantedFiles?: readonly boolean[];
  /** Fetch pieces in the order of their index. Default false: rarest first. */
  readonly sequential?: boolean;
  /** `full` writes zeros first, so that a lack of space shows before the download. Default `sparse`. */
  readonly preallocate?: 'sparse' | 'full';
  /**
   * How a complete torrent begins: showing its pieces one by one (BEP 16) until all were seen at others (`auto`,
   * the default), for ever (`on`), or everything at once (`off`).
   */
  readonly superSeed?: 'auto' | 'on' | 'off';
  /** Peers to try at once. */
  readonly peers?: readonly PeerAddress[];
  /** Announce URLs in front of the torrent's own. */
  readonly trackers?: readonly string[];
  /** Bytes a second for this torrent; 0 is without limit. Default 0. */
  readonly downloadBytesPerSecond?: number;
  readonly uploadBytesPerSecond?: number;
  /** Never create or write a file: serve what is there. Default false. */
  readonly readOnly?: boolean;
  /** The files were hashed a moment ago and are complete: skip the check. Default false. */
  readonly assumeComplete?: boolean;
}

/** What the engine lends to each of its torrents. */
export interface TorrentHost {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly storage: Storage;
  readonly dialer: PeerDialer;
  readonly listener: PeerListener;
  readonly fileClaims: FileClaims;
  readonly maxPeersPerTorrent: number;
  readonly downloadBucket: TokenBucket;
  readonly uploadBucket: TokenBucket;
  identityOf(metainfo: Metainfo): HandshakeIdentity;
  /** Undefined where peers are not told of each other. */
  pexOf(metainfo: Metainfo): PexCodec | undefined;
  /** @param more announce URLs in front of the torrent's own */
  sourcesOf(metainfo: Metainfo, more: readonly string[]): PeerSources;
  /** Somebody connected to us from there. */
  onIncoming(host: string): void;
  /** @param host our address as `from` sees it */
  onSeenAs(from: string, host: string): void;
  /** A peer has a DHT node. */
  onDhtNode(address: PeerAddress, by: 'neighbour' | 'stranger'): void;
  /** Where others see us, as far as they agree; at most one a family. */
  ourAddresses(): readonly PeerAddress[];
  log(level: 'info' | 'warn' | 'error', text: string): void;
  onClosed(torrent: Torrent): void;
}

/** How long trackers may take to hear goodbye. */
const GOODBYE_MS = 2_000;
/** A reader's time for a piece, while nothing comes. */
const MAX_MS_PER_PIECE = 10_000;

const NOTHING = new Uint8Array(0);

export class Torrent {
  /** Resolves when everything wanted is verified on disk; rejects with a SwarmError when it cannot be. */
  readonly completed: Promise<void>;
  readonly #host: TorrentHost;
  readonly #options: AddOptions;
  readonly #geometry: TorrentGeometry;
  readonly #selection: FileSelection;
  readonly #events: TorrentEvents;
  readonly #reader: TorrentReader;
  readonly #abortCheck = new AbortController();
  readonly #started: Promise<void>;
  #settle!: { resolve(): void; reject(error: SwarmError): void };
  /** The user's, until there is a swarm to try them. */
  readonly #peersToTry: PeerAddress[];
  /** From the time when there was a magnet only. */
  #met: Met | undefined;
  #phase: TorrentPhase = 'checking';
  #error: SwarmError | null = null;
  #checkedShare = 0;
  #files: OpenTorrentStore | undefined;
  #swarm: Swarm | undefined;
  #windows: ReadingWindows<object> | undefined;
  #sources: PeerSources | undefined;
  #stopped: Promise<void> | undefined;

  /** Use `Engine.add`. @throws SwarmError STORAGE_IN_USE */
  constructor(
    readonly metainfo: Metainfo,
    options: AddOptions,
    host: TorrentHost,
  ) {
    this.#host = host;
    this.#options = options;
    this.#events = new TorrentEvents((text) => host.log('error', text));
    this.#peersToTry = [...(options.peers ?? [])];
    this.#geometry = new TorrentGeometry(metainfo.pieceLength, metainfo.totalBytes);
    this.#selection = new FileSelection(new FileLayout(metainfo.files), this.#geometry, options.wantedFiles);
    host.fileClaims.take({
      infoHash: metainfo.infoHash,
      folder: options.out ?? '.',
      diskPaths: metainfo.files.flatMap(({ padding, diskPath }, file) =>
        !padding && this.#selection.touches(file) ? diskPath : [],
      ),
      writes: !options.readOnly,
    });
    this.#reader = new TorrentReader(this.#geometry, {
      onReading: (reader, next, end) => {
        const now = host.clock.now();
        this.#windows?.move(reader, next, end, now, this.#msPerPiece(now));
      },
      onDone: (reader) => this.#windows?.leave(reader),
    });
    this.completed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for it has `onEvent` and the snapshot.
    this.completed.catch(() => {});
    this.#started = this.#start().catch((thrown: unknown) => this.#fail(toSwarmError(thrown)));
  }

  get phase(): TorrentPhase {
    return this.#phase;
  }

  /** Why it failed; null unless `phase` is `failed`. */
  get error(): SwarmError | null {
    return this.#error;
  }

  /** Bytes of the files chosen. */
  get wantedBytes(): number {
    return this.#selection.bytes;
  }

  /** Payload of this session. */
  get transferred(): { readonly downloadedBytes: number; readonly uploadedBytes: number } {
    return this.#swarm?.totals ?? { downloadedBytes: 0, uploadedBytes: 0 };
  }

  /**
   * Complete since this session, and who leaves now strands others: hardly any of them has a piece that all lack. For
   * half a minute at most.
   */
  get isNeeded(): boolean {
    return this.#phase === 'seeding' && this.#swarm?.isNeeded === true;
  }

  /** Calls `listener` for everything that happens from now on. @returns stops that */
  onEvent(listener: (event: TorrentEvent) => void): () => void {
    return this.#events.on(listener);
  }

  /** Goes on with what the fetch of the metadata has met. At once after the constructor. */
  goOnWith(met: Met): void {
    const { metainfo } = this;
    const options = this.#options;
    const urls = [...(options.trackers ?? []), ...metainfo.trackers.flat()];
    if (metainfo.private) {
      // Who told of them may have been nobody that a private torrent asks (BEP 27).
      this.#host.listener.unregister(metainfo.infoHash);
      for (const { connection } of met.takeConnections()) connection.close('begins anew');
    } else this.#met = met;
    if (!metainfo.private && urls.every((url) => met.trackers.includes(url))) this.#sources = met.sources;
    else void met.sources.stop(GOODBYE_MS);
  }

  /** Tries these peers, as soon as the check is done. */
  addPeers(peers: readonly PeerAddress[]): void {
    if (this.#swarm === undefined) this.#peersToTry.push(...peers);
    else this.#swarm.onPeersFound(peers, 'user');
  }

  /** The world may reach us at another port. */
  portChanged(): void {
    this.#sources?.portChanged();
  }

  /** Asks for further peers now, as far as those who know of some allow it. */
  wantPeers(): void {
    this.#sources?.wantPeers();
  }

  /** Plain data for a display; costs a pass over the pieces. */
  snapshot(): TorrentSnapshot {
    const { metainfo } = this;
    const error = this.#error;
    return {
      infoHash: metainfo.infoHash,
      name: metainfo.name,
      phase: this.#phase,
      error: error && {
        code: error.code,
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
      totalBytes: metainfo.totalBytes,
      wantedBytes: this.wantedBytes,
      checkedShare: this.#checkedShare,
      pieceLength: metainfo.pieceLength,
      pieceCount: metainfo.pieceCount,
      trackers: this.#sources?.trackers ?? [],
      ...(this.#swarm === undefined
        ? describeNoSwarm(metainfo, this.#selection)
        : describeSwarm(metainfo, this.#selection, this.#swarm, this.#host.clock.now())),
    };
  }

  /**
   * The verified bytes of one file, waiting for those that are not there yet. While a stream is open, the pieces
   * next to where it reads are fetched in order and before all others; several streams share what comes.
   * @param file its place in `metainfo.files`
   * @param range first byte and the byte after the last; default the whole file
   */
  createReadStream(file: number, range: { start?: number; end?: number } = {}): Readable {
    const entry = this.metainfo.files[file];
    if (entry === undefined || !this.#selection.files[file]) {
      throw new SwarmError('USAGE_INVALID_OPTION', `file ${file} is not among the files chosen`, { file });
    }
    const { start = 0, end = entry.lengthBytes } = range;
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start) {
      throw new SwarmError('USAGE_INVALID_OPTION', `no range of a file: ${start} to ${end}`, { start, end });
    }
    const base = this.#selection.layout.offsetOf(file);
    const opened = this.#started.then(() => this.#files);
    const bytes = this.#reader.read(opened, base + start, base + Math.min(end, entry.lengthBytes));
    return Readable.from(bytes, { objectMode: false });
  }

  /**
   * Says goodbye to trackers and peers, waits for pieces that are being written, and writes resume data.
   * What is verified stays. Idempotent; never rejects.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const { metainfo } = this;
    const files = await this.#host.storage.openTorrent(metainfo, this.#options.out ?? '.', {
      wantedFiles: this.#selection.files,
      readOnly: this.#options.readOnly ?? false,
      assumeComplete: this.#options.assumeComplete ?? false,
      preallocate: this.#options.preallocate ?? 'sparse',
      signal: this.#abortCheck.signal,
      onCheckProgress: (share) => {
        this.#checkedShare = share;
      },
    });
    this.#files = files;
    if (this.#stopped !== undefined) return;
    this.#checkedShare = 1;
    this.#phase = 'downloading';
    this.#swarm = this.#createSwarm(files);
    this.#windows = new ReadingWindows(this.#swarm, windowLength(this.metainfo.pieceLength));
    const { haveBytes } = this.snapshot();
    this.#events.emit({ type: 'checked', haveBytes, totalBytes: this.#selection.bytes });
    if (this.#swarm.state.picker.wantedLeft === 0) this.#complete();
    // Who listens may have stopped us.
    if (this.#stopped === undefined) this.#join(this.#swarm);
  }

  #createSwarm(files: OpenTorrentStore): Swarm {
    const host = this.#host;
    const met = this.#met;
    const pex = host.pexOf(this.metainfo);
    const upload = new TokenBucket(this.#options.uploadBytesPerSecond ?? 0);
    const swarm = new Swarm({
      geometry: this.#geometry,
      have: files.have,
      wanted: this.#selection.pieces,
      store: files.store,
      dialer: host.dialer,
      identity: host.identityOf(this.metainfo),
      clock: host.clock,
      rng: host.rng,
      observer: this.#observer(),
      maxPeers: host.maxPeersPerTorrent,
      downloadBuckets: [new TokenBucket(this.#options.downloadBytesPerSecond ?? 0), host.downloadBucket],
      uploadBuckets: [upload, host.uploadBucket],
      superSeed: this.#options.superSeed ?? 'auto',
      metadata: this.metainfo.private ? NOTHING : this.metainfo.rawInfo,
      ...(met === undefined ? {} : { candidates: met.candidates }),
      ...(pex === undefined ? {} : { pex }),
      wantPeers: () => this.#sources?.wantPeers(),
    });
    swarm.setSequential(this.#options.sequential ?? false);
    return swarm;
  }

  /** A reader reads as fast as the swarm sends: to be due sooner would only make blocks late that are not. */
  #msPerPiece(now: Millis): number {
    const bytesPerSecond = this.#swarm?.state.downloadRate.rate(now) ?? 0;
    return Math.min(MAX_MS_PER_PIECE, (1000 * this.#geometry.pieceLength) / bytesPerSecond);
  }

  /** Meets the peers: ours to dial, those who dial us, and the trackers'. */
  #join(swarm: Swarm): void {
    const host = this.#host;
    const { metainfo } = this;
    host.listener.register(host.identityOf(metainfo), (connection) => swarm.onIncoming(connection));
    for (const met of this.#met?.takeConnections() ?? []) swarm.onMet(met);
    // Dials that were under way ended with that: their addresses are due again.
    swarm.onPeersFound(this.#peersToTry.splice(0), 'user');
    this.#sources ??= host.sourcesOf(metainfo, this.#options.trackers ?? []);
    this.#sources.totals = () => totalsOf(swarm);
    this.#sources.start(this.#sourceHandler(swarm));
  }

  #sourceHandler(swarm: Swarm): PeerSourceHandler {
    const host = this.#host;
    return {
      onPeers: (peers, source, teller) => {
        this.#events.emit({ type: 'peers-found', source, count: peers.length });
        swarm.onPeersFound(peers, source, teller);
        // Clients have their DHT node on the port of their peers.
        if (source === 'lsd') for (const address of peers) host.onDhtNode(address, 'neighbour');
      },
      onStatus: () => this.#events.tellTrackers(this.#sources?.trackers ?? []),
    };
  }

  #observer(): SwarmObserver {
    return {
      onPieceVerified: (piece) => {
        this.#reader.onPiece(piece);
        this.#events.emit({ type: 'piece', piece });
      },
      onPieceCorrupt: (piece) => this.#events.emit({ type: 'piece-failed', piece }),
      onPeersExchanged: (count) => this.#events.emit({ type: 'peers-found', source: 'pex', count }),
      onDhtNode: (address) => {
        if (!this.metainfo.private) this.#host.onDhtNode(address, 'stranger');
      },
      onSeenAs: ({ host: from }, host) => {
        this.#host.onSeenAs(from, host);
        for (const address of this.#host.ourAddresses()) this.#swarm?.setOurAddress(address);
      },
      onPeerConnected: (address, source) => {
        if (source === 'incoming') this.#host.onIncoming(address.host);
        this.#events.emit({ type: 'peer-connected', ...address, source });
      },
      onPeerClosed: (address, reason) => this.#events.emit({ type: 'peer-disconnected', ...address, reason }),
      onPeerBanned: (address, reason) => {
        this.#host.log('warn', `banned ${address.host}: ${reason}`);
        this.#events.emit({ type: 'peer-banned', ...address, reason });
      },
      onComplete: () => this.#complete(),
      onFailed: (error) => this.#fail(error),
    };
  }

  #complete(): void {
    if (this.#phase !== 'downloading') return;
    this.#phase = 'seeding';
    // What was complete at the start is no download (BEP 3).
    if (this.#files?.have.isFull && this.transferred.downloadedBytes > 0) this.#sources?.completed();
    this.#events.emit({ type: 'complete', haveBytes: this.#selection.bytes });
    this.#settle.resolve();
  }

  #fail(error: SwarmError): void {
    if (this.#phase === 'failed' || this.#phase === 'stopping' || this.#phase === 'stopped') return;
    this.#phase = 'failed';
    this.#error = error;
    this.#host.log('error', error.message);
    this.#leave(error);
    void this.#sources?.stop(GOODBYE_MS);
    void this.#files?.close();
    this.#events.emit({ type: 'error', code: error.code, message: error.message });
    this.#settle.reject(error);
  }

  /** No more peers; who waits for a piece learns why it will not come. */
  #leave(error: SwarmError): void {
    this.#host.listener.unregister(this.metainfo.infoHash);
    this.#swarm?.stop();
    for (const { connection } of this.#met?.takeConnections() ?? []) connection.close('stopped');
    this.#reader.close(error);
  }

  async #stop(): Promise<void> {
    if (this.#phase !== 'failed') this.#phase = 'stopping';
    this.#abortCheck.abort();
    const closed = new SwarmError('CLOSED', 'the torrent was stopped');
    this.#leave(closed);
    await this.#started;
    const stopped = [this.#sources?.stop(GOODBYE_MS), this.#files?.close()];
    for (const outcome of await Promise.allSettled(stopped)) {
      if (outcome.status === 'rejected') this.#host.log('warn', toSwarmError(outcome.reason).message);
    }
    if (this.#phase === 'stopping') this.#phase = 'stopped';
    this.#settle.reject(closed);
    this.#host.fileClaims.release(this.metainfo.infoHash);
    this.#host.onClosed(this);
  }
}

/** As trackers want them. */
function totalsOf({ totals, leftBytes, isPartialSeed }: Swarm): TransferTotals {
  const { uploadedBytes, downloadedBytes } = totals;
  // Of everything: who chose some files only is no seed (BEP 21).
  return { uploadedBytes, downloadedBytes, leftBytes, isPartialSeed };
}
