/**
 * Swarm: one torrent's swarm. Builds its parts (connecting, choking, downloading, uploading, ...), seats the peers, and
 * routes to the parts what the store, the sources and the timers say; what peers say, peer-session.ts does.
 */
import type { SwarmError } from '../errors.js';
import type { Bitfield } from '../policy/bitfield.js';
import { BlockScheduler } from '../policy/block-scheduler.js';
import { Choker } from '../policy/choker.js';
import { Parting } from '../policy/parting.js';
import { PeerCandidates } from '../policy/peer-candidates.js';
import { PiecePicker } from '../policy/piece-picker.js';
import { RateMeter } from '../policy/rate-meter.js';
import { SmartBan } from '../policy/smart-ban.js';
import { SuperSeeder } from '../policy/super-seeder.js';
import type { TokenBucket } from '../policy/token-bucket.js';
import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import { UplinkEstimate } from '../policy/upload-slots.js';
import type {
  Clock,
  CloseReason,
  HandshakeIdentity,
  PeerConnection,
  PeerDialer,
  PeerSourceName,
  PexCodec,
  PieceStore,
  PieceStoreHandler,
  Rng,
} from '../ports.js';
import { addressKey, asPiece, type Millis, type PeerAddress, type PieceIndex } from '../units.js';
import { Choking } from './choking.js';
import { Connecting } from './connecting.js';
import { Downloading } from './downloading.js';
import { Gossip } from './gossip.js';
import { MetadataServing } from './metadata-serving.js';
import type { MetConnection } from './metadata-swarm.js';
import type { Peer } from './peer.js';
import { dropIfUseless, PeerSession, type SwarmParts } from './peer-session.js';
import { Seats } from './seats.js';
import { LEAST_PIECES, SuperSeeding, type SuperSeedMode } from './super-seeding.js';
import type { SwarmObserver, SwarmState, SwarmTotals } from './swarm-state.js';
import { type SwarmTimer, Timers } from './timers.js';
import { Uploading } from './uploading.js';

export interface SwarmOptions {
  readonly geometry: TorrentGeometry;
  /** Verified so far; the swarm owns it from now on. */
  readonly have: Bitfield;
  readonly wanted: Bitfield;
  readonly store: PieceStore;
  readonly dialer: PeerDialer;
  readonly identity: HandshakeIdentity;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly observer: SwarmObserver;
  readonly maxPeers: number;
  readonly downloadBuckets: readonly TokenBucket[];
  readonly uploadBuckets: readonly TokenBucket[];
  /** Tells peers of each other (BEP 11), with this on the wire. Never for private torrents. Default: no. */
  readonly pex?: PexCodec;
  /** See AddOptions; default `auto`. */
  readonly superSeed?: SuperSeedMode;
  /** The raw `info` dictionary, for who has a magnet only (BEP 9). */
  readonly metadata?: Uint8Array;
  /** Addresses that are known already. */
  readonly candidates?: PeerCandidates;
  /** More addresses would help. */
  wantPeers(): void;
  /** Other policies than ours, to be compared with them. */
  readonly picker?: PiecePicker;
  readonly choker?: Pick<Choker, 'rechoke'>;
}

export class Swarm implements PieceStoreHandler {
  readonly state: SwarmState;
  readonly #seats = new Seats();
  readonly #connecting: Connecting;
  readonly #parts: SwarmParts;
  /** Since the last piece came. */
  #parting: Parting | undefined;
  #stopped = false;

  constructor(options: SwarmOptions) {
    const { geometry, rng, clock, store, have, wanted } = options;
    const picker = options.picker ?? new PiecePicker(geometry, rng);
    for (let piece = 0; piece < geometry.pieceCount; piece++) {
      if (have.get(piece as PieceIndex)) picker.onPieceHave(piece as PieceIndex);
    }
    picker.setWanted(wanted);
    const scheduler = new BlockScheduler(geometry, picker, {
      beginPiece: (piece) => store.beginPiece(piece),
      paceMs: (seat) => this.#parts.downloading.paceMs(seat),
      now: () => clock.now(),
      onRequestDropped: (seat) => this.#parts.downloading.onRequestDropped(seat),
    });
    this.state = {
      geometry,
      have,
      wanted,
      peers: new Map(),
      picker,
      scheduler,
      store,
      timers: new Timers(clock, (due) => this.#run(due)),
      downloadBuckets: options.downloadBuckets,
      uploadBuckets: options.uploadBuckets,
      totals: { downloadedBytes: 0, uploadedBytes: 0, wastedBytes: 0, corruptPieces: 0 },
      downloadRate: new RateMeter(),
      uploadRate: new RateMeter(),
      uplink: new UplinkEstimate(),
      observer: options.observer,
      now: () => clock.now(),
      addressOf: (seat) => this.#seats.addressOf(seat),
      drop: (peer, reason) => peer.connection.close(reason),
      ban: (address, reason) => this.#ban(address, reason),
      failed: false,
      superSeeding: false,
    };
    const uploading = new Uploading(this.state);
    this.#parts = {
      state: this.state,
      choking: new Choking(this.state, options.choker ?? new Choker(rng), uploading),
      downloading: new Downloading(this.state, new SmartBan()),
      uploading,
      metadata: new MetadataServing(options.metadata ?? new Uint8Array(0), this.state),
      superSeeding: undefined,
      gossip: options.pex && this.#createGossip(options.pex),
      onClosed: (peer, reason) => this.#onClosed(peer, reason),
    };
    this.#connecting = new Connecting(this.state, {
      dialer: options.dialer,
      identity: options.identity,
      candidates: options.candidates ?? new PeerCandidates(rng),
      maxPeers: options.maxPeers,
      onConnected: (connection, source) => this.#seat(connection, source),
      wantPeers: options.wantPeers,
    });
    const { superSeed = 'auto' } = options;
    if (superSeed !== 'off' && have.isFull && geometry.pieceCount >= LEAST_PIECES) {
      const seeder = new SuperSeeder(geometry.pieceCount, rng);
      this.#parts.superSeeding = new SuperSeeding(this.state, seeder, superSeed);
      this.state.superSeeding = true;
    }
    store.handler = this;
  }

  // ─── From the outside ──────────────────────────────────────────────────────────────────────────────────

  get totals(): Readonly<SwarmTotals> {
    return this.state.totals;
  }

  /** Bytes of the torrent that are not verified, wanted or not. */
  get leftBytes(): number {
    const { geometry, have } = this.state;
    const last = asPiece(geometry.pieceCount - 1);
    const missing = geometry.pieceCount - have.count;
    if (missing === 0 || have.get(last)) return missing * geometry.pieceLength;
    return (missing - 1) * geometry.pieceLength + geometry.pieceBytes(last);
  }

  /** Not everything is here, and nothing more is wanted (BEP 21). Who has everything need not say so. */
  get isPartialSeed(): boolean {
    return this.state.picker.wantedLeft === 0 && !this.state.have.isFull;
  }

  /** We have everything since this session, and others would be stranded if we left now: for half a minute at most. */
  get isNeeded(): boolean {
    if (this.#parting === undefined) return false;
    const { peers, picker, totals, now } = this.state;
    const remaining = { peers: peers.values(), fewestCopies: () => picker.fewestCopies() };
    return this.#parting.isNeeded(now(), totals.uploadedBytes, remaining);
  }

  get candidateCount(): number {
    return this.#connecting.candidateCount;
  }

  get bannedCount(): number {
    return this.#connecting.bannedCount;
  }

  /** @param teller who told of them, where it was a peer, a DHT node or a neighbour */
  onPeersFound(peers: readonly PeerAddress[], source: PeerSourceName, teller?: PeerAddress): void {
    this.#connecting.onPeersFound(peers, source, teller);
  }

  /** Somebody connected to us and asked for this torrent. Closes the connection when it may not stay. */
  onIncoming(connection: PeerConnection): void {
    if (this.#connecting.accepts(connection)) this.#seat(connection, 'incoming');
    else connection.close('not needed');
  }

  /** A connection from the time before the metadata was known, over which we have said that we have nothing. */
  onMet(met: MetConnection): void {
    const { connection, source } = met;
    if (this.state.have.count > 0 || !this.#connecting.accepts(connection)) {
      connection.close('begins anew');
      if (!connection.incoming) this.#connecting.onAborted(connection.remote);
      return;
    }
    this.#take(connection, source);
    const { handler } = connection;
    connection.learnGeometry(this.state.geometry);
    // What it said of its pieces may have been a violation.
    if (connection.handler === handler) met.replay(handler);
  }

  /**
   * Where others see us, as far as that is certain: one address a family, the later one counts. What BEP 40 goes by.
   * A port of 0 is unknown.
   */
  setOurAddress(address: PeerAddress): void {
    this.#connecting.setOurAddress(address);
  }

  /** Pieces in order from `from` on, instead of rarest first. */
  setSequential(on: boolean, from?: PieceIndex): void {
    this.state.picker.setSequential(on, from);
  }

  /** The piece comes before those without a deadline or with a later one, until it is there. On the swarm's clock. */
  setDeadline(piece: PieceIndex, dueAt: Millis): void {
    this.state.scheduler.setDeadline(piece, dueAt);
    this.#parts.downloading.onPieceDeadline();
  }

  clearDeadline(piece: PieceIndex): void {
    this.state.scheduler.clearDeadline(piece);
  }

  /** Closes every connection; nothing is due any more. The store is its owner's to close. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#connecting.stop();
    this.state.timers.stop();
    for (const peer of [...this.state.peers.values()]) peer.connection.close('stopped');
  }

  // ─── From the store ────────────────────────────────────────────────────────────────────────────────────

  onPieceVerified(piece: PieceIndex): void {
    if (this.#stopped) return;
    this.#parts.downloading.onPieceVerified(piece);
    const { picker, totals, geometry } = this.state;
    if (picker.wantedLeft > 0) return;
    this.#parting ??= new Parting(this.state.now(), totals.uploadedBytes, geometry.pieceLength);
    this.#dropUseless();
    if (!this.isPartialSeed) return;
    for (const { connection } of this.state.peers.values()) connection.uploadOnly(true);
  }

  onPieceCorrupt(piece: PieceIndex): void {
    if (!this.#stopped) this.#parts.downloading.onPieceCorrupt(piece);
  }

  onFramesReady(piece: PieceIndex): void {
    if (!this.#stopped) this.#parts.uploading.onFramesReady(piece);
  }

  onSlotFree(): void {
    if (!this.#stopped) this.#parts.downloading.onSlotFree();
  }

  onStoreFailed(error: SwarmError): void {
    if (this.#stopped || this.state.failed) return;
    this.state.failed = true;
    this.state.observer.onFailed(error);
  }

  // ─── Peers ─────────────────────────────────────────────────────────────────────────────────────────────

  #seat(connection: PeerConnection, source: PeerSourceName): void {
    const { have } = this.state;
    const peer = this.#take(connection, source);
    if (this.#parts.superSeeding !== undefined) this.#parts.superSeeding.onSeated(peer);
    else if (have.count > 0 || connection.fast) connection.bitfield(have);
    if (this.isPartialSeed) connection.uploadOnly(true);
  }

  #take(connection: PeerConnection, source: PeerSourceName): Peer {
    const { geometry, scheduler, peers, observer } = this.state;
    const now = this.state.now();
    const seat = this.#seats.take(connection.remote, (id) => scheduler.isContributor(id));
    const peer = new PeerSession(
      { id: seat, connection, source, now, pieces: geometry.pieceCount },
      this.#parts,
    );
    peers.set(seat, peer);
    connection.handler = peer;
    observer.onPeerConnected(connection.remote, source);
    return peer;
  }

  #onClosed(peer: Peer, reason: CloseReason): void {
    peer.isGone = true;
    this.state.peers.delete(peer.id);
    this.#seats.leave(peer.id);
    this.#parts.uploading.onGone(peer);
    this.#parts.downloading.onGone(peer);
    this.#parts.choking.onGone(peer);
    this.#parts.superSeeding?.onGone(peer);
    this.#parts.gossip?.onGone(peer, reason);
    this.#connecting.onClosed(peer.listenAddress, reason, peer.downloadedBytes > 0);
    this.state.observer.onPeerClosed(peer.connection.remote, reason);
  }

  #dropUseless(): void {
    for (const peer of [...this.state.peers.values()]) dropIfUseless(this.state, peer);
  }

  #ban(address: PeerAddress, reason: string): void {
    // Other pieces of it may have been under way, and turn out corrupt too.
    if (this.#connecting.ban(address)) this.state.observer.onPeerBanned(address, reason);
    for (const peer of [...this.state.peers.values()]) {
      if (addressKey(peer.connection.remote) === addressKey(address)) this.state.drop(peer, reason);
    }
  }

  #createGossip(codec: PexCodec): Gossip {
    return new Gossip(this.state, {
      codec,
      onPeers: (peers, { connection: { remote } }) => {
        this.state.observer.onPeersExchanged?.(peers.length, remote);
        this.#connecting.onPeersFound(peers, 'pex', remote);
      },
    });
  }

  #superSeed(): void {
    if (this.#parts.superSeeding?.onCheck() !== false) return;
    this.#parts.superSeeding = undefined;
    this.state.superSeeding = false;
  }

  #run(due: SwarmTimer): void {
    if (due === 'rechoke') this.#parts.choking.onTimer();
    else if (due === 'uplink-idle') this.#parts.choking.onUplinkIdle();
    else if (due === 'connect') this.#connecting.fill();
    else if (due === 'check') this.#parts.downloading.onCheck();
    else if (due === 'download-tokens') this.#parts.downloading.onTokens();
    else if (due === 'super-seeding') this.#superSeed();
    else if (due === 'gossip') this.#parts.gossip?.onTimer();
    else this.#parts.uploading.onTokens();
  }
}
