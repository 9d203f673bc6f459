/** Host: one peer of the simulated swarm: the engine's Swarm on virtual ports, and what is counted of it. */
import { Bitfield } from '../engine/policy/bitfield.js';
import { ReadingWindows } from '../engine/policy/reading-windows.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Clock, HandshakeIdentity, PeerDialer, Rng } from '../engine/ports.js';
import { Peer } from '../engine/swarm/peer.js';
import { Swarm } from '../engine/swarm/swarm.js';
import { MAX_QUEUED_REQUESTS } from '../engine/swarm/upload-queue.js';
import { asMillis, asPiece, BLOCK_BYTES, type PeerAddress, type PieceIndex } from '../engine/units.js';
import type { Behaviour, Viewing } from './behaviour.js';
import type { Checks } from './checks.js';
import type { Tale } from './tales.js';
import { Viewer } from './viewer.js';
import type { ConnectionOwner, VirtualConnection } from './virtual-connection.js';
import { VirtualStore } from './virtual-store.js';

/** The engine's defaults: 32 MiB of memory for pieces under way, 80 peers a torrent, no limits of rate. */
const ARENA_BYTES = 32 * 1024 * 1024;
const MAX_PEERS = 80;
/** SHA-1 of a piece of 256 KiB, and a write that the system takes into memory. */
const VERIFY_MS = 2;
const LISTEN_PORT = 6881;

export interface HostParts {
  readonly index: number;
  readonly group: string;
  readonly behaviour: Behaviour;
  readonly isSeed: boolean;
  readonly isReachable: boolean;
  readonly geometry: TorrentGeometry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly checks: Checks;
  readonly dialerOf: (host: Host) => PeerDialer;
  wantPeers(host: Host): void;
  onFinished(host: Host): void;
  onEveryBlockSent(host: Host): void;
}

export class Host implements ConnectionOwner {
  readonly index: number;
  readonly group: string;
  readonly behaviour: Behaviour;
  readonly isSeed: boolean;
  readonly isReachable: boolean;
  readonly address: PeerAddress;
  readonly identity: HandshakeIdentity;
  readonly swarm: Swarm;
  readonly joinedAt: number;
  /** Who plays while it downloads. */
  readonly viewer: Viewer | undefined;
  isOnline = true;
  finishedAt: number | undefined;
  /** What it had uploaded when it finished. */
  uploadedAtFinish = 0;
  /** When it had sent every block once, a seed only. */
  firstCopyAt: number | undefined;
  readonly #parts: HostParts;
  readonly #store: VirtualStore;
  /** By block: how often it was sent. A seed's only. */
  readonly #sent: Uint16Array | undefined;
  #blocksSent = 0;
  #distinctSent = 0;
  /** Blocks that it had sent when it had sent every block once. */
  #sentAtFirstCopy: number | undefined;

  constructor(parts: HostParts) {
    const { index, geometry, clock, isSeed, behaviour } = parts;
    this.#parts = parts;
    this.index = index;
    this.group = parts.group;
    this.behaviour = behaviour;
    this.isSeed = isSeed;
    this.isReachable = parts.isReachable;
    this.joinedAt = clock.now();
    this.address = addressOf(index);
    this.identity = {
      infoHash: '00'.repeat(20),
      peerId: peerIdOf(index),
      geometry,
      extendedHandshake: {
        client: behaviour.name,
        listenPort: LISTEN_PORT,
        requestQueue: MAX_QUEUED_REQUESTS,
        extensions: [],
      },
    };
    const blocks = geometry.pieceCount * Math.ceil(geometry.pieceLength / BLOCK_BYTES);
    this.#sent = isSeed ? new Uint16Array(blocks) : undefined;
    const slots = Math.max(1, Math.floor(ARENA_BYTES / geometry.pieceLength));
    this.#store = new VirtualStore(geometry, clock, parts.checks, slots, VERIFY_MS, isSeed);
    const picker = behaviour.picker?.(geometry, parts.rng);
    const choker = behaviour.choker?.(parts.rng, () => this.swarm.state);
    this.swarm = new Swarm({
      geometry,
      have: isSeed ? Bitfield.full(geometry.pieceCount) : new Bitfield(geometry.pieceCount),
      wanted: Bitfield.full(geometry.pieceCount),
      store: this.#store,
      dialer: parts.dialerOf(this),
      identity: this.identity,
      clock,
      rng: parts.rng,
      observer: {
        onPieceVerified: (piece) => this.viewer?.onPiece(piece),
        onPieceCorrupt() {},
        onPeerConnected() {},
        onPeerClosed() {},
        onPeerBanned() {},
        onComplete: () => this.#onComplete(),
        onFailed: (error) => parts.checks.fail('a store failed', error.message),
      },
      maxPeers: MAX_PEERS,
      downloadBuckets: [],
      uploadBuckets: [],
      wantPeers: () => parts.wantPeers(this),
      ...(picker === undefined ? {} : { picker }),
      ...(choker === undefined ? {} : { choker }),
      ...(behaviour.superSeed === undefined ? {} : { superSeed: behaviour.superSeed }),
    });
    const { viewing } = behaviour;
    if (behaviour.sequential === true || viewing?.order === 'sequential') this.swarm.setSequential(true);
    this.viewer = viewing === undefined || isSeed ? undefined : this.#viewerOf(viewing);
    if (behaviour.rechokesEveryMs !== undefined) this.#rechokeEvery(behaviour.rechokesEveryMs);
  }

  #viewerOf({ order, kbit, windowPieces = 0 }: Viewing): Viewer {
    const { geometry, clock } = this.#parts;
    const windows = order === 'window' ? new ReadingWindows<Viewer>(this.swarm, windowPieces) : undefined;
    return new Viewer({ geometry, clock, kbit, windows, has: (piece) => this.have.get(piece) });
  }

  #rechokeEvery(ms: number): void {
    const { clock } = this.#parts;
    const at = asMillis(clock.now() + ms);
    clock.schedule(at, () => {
      if (!this.isOnline) return;
      this.swarm.state.timers.setIfEarlier('rechoke', at);
      this.#rechokeEvery(ms);
    });
  }

  get have(): Bitfield {
    return this.swarm.state.have;
  }

  get isFinished(): boolean {
    return this.isSeed || this.finishedAt !== undefined;
  }

  /** Blocks sent beyond one of each, when one of each had been sent; so far, before that. */
  get duplicatesSent(): number {
    return (this.#sentAtFirstCopy ?? this.#blocksSent) - this.#distinctSent;
  }

  leave(): void {
    if (!this.isOnline) return;
    this.isOnline = false;
    this.swarm.stop();
  }

  /** What can be checked at any time between two events. */
  audit(): void {
    const { checks } = this.#parts;
    const { peers, scheduler } = this.swarm.state;
    for (const { id, pipeline, connection } of peers.values()) {
      const asked = scheduler.outstanding(id);
      if (!checks.holds(pipeline.outstanding === asked))
        checks.fail(
          'pipeline and ledger disagree about what is outstanding',
          `host ${this.index}, ${connection.remote.host}: ${pipeline.outstanding} and ${asked}`,
        );
    }
  }

  // ─── From its connections ──────────────────────────────────────────────────────────────────────────────

  onRequesting(connection: VirtualConnection, piece: PieceIndex, begin: number): void {
    const { checks } = this.#parts;
    if (!checks.holds(!this.#store.holds(piece, begin)))
      checks.fail('a block is asked for that is here', `host ${this.index}, ${piece}:${begin}`);
    // Its session is the handler. A limit that shrank below what was asked before is no fault, one more request is.
    const { handler } = connection;
    if (!(handler instanceof Peer)) return;
    const asked = this.swarm.state.scheduler.outstanding(handler.id);
    const { limit } = handler.pipeline;
    if (!checks.holds(asked <= limit))
      checks.fail(
        'more is asked of a peer than its pipeline allows',
        `host ${this.index}, ${connection.remote.host}: ${asked} of ${limit}`,
      );
  }

  onAnswered(connection: VirtualConnection): void {
    if (connection.unanswered < 0)
      this.#parts.checks.fail('an answer comes that nobody asked for', `host ${this.index}`);
  }

  onSending(_connection: VirtualConnection, piece: PieceIndex, begin: number): void {
    this.#blocksSent++;
    const sent = this.#sent;
    if (sent === undefined) return;
    const perPiece = sent.length / this.#parts.geometry.pieceCount;
    if (sent[piece * perPiece + begin / BLOCK_BYTES]!++ > 0) return;
    if (++this.#distinctSent < totalBlocks(this.#parts.geometry)) return;
    this.#sentAtFirstCopy = this.#blocksSent;
    this.firstCopyAt = this.#parts.clock.now();
    this.#parts.onEveryBlockSent(this);
  }

  get tale(): Tale | undefined {
    return this.behaviour.tale;
  }

  corrupts(): boolean {
    const { corruptShare } = this.behaviour;
    return corruptShare !== undefined && this.#parts.rng() < corruptShare;
  }

  #onComplete(): void {
    if (this.finishedAt !== undefined) this.#parts.checks.fail('a peer finishes twice', `host ${this.index}`);
    this.finishedAt = this.#parts.clock.now();
    this.uploadedAtFinish = this.swarm.totals.uploadedBytes;
    this.#parts.onFinished(this);
  }
}

export function totalBlocks(geometry: TorrentGeometry): number {
  let blocks = 0;
  for (let piece = 0; piece < geometry.pieceCount; piece++) blocks += geometry.blockCount(asPiece(piece));
  return blocks;
}

/** A network of its own for each: nobody crowds out anybody. */
const addressOf = (index: number): PeerAddress => ({
  host: `${10 + (index >>> 16)}.${(index >>> 8) & 255}.${index & 255}.1`,
  port: LISTEN_PORT,
});

function peerIdOf(index: number): Uint8Array {
  const id = new Uint8Array(20);
  new DataView(id.buffer).setUint32(16, index);
  return id;
}
