/**
 * Ports: every interface that crosses a layer. `swarm/` and `policy/` know the world only through these;
 * `engine/engine.ts` fills them with sockets, disks and clocks, the simulator with virtual ones.
 *
 * Handlers are plain slots called directly, never events: one owner listens, and the data path allocates nothing.
 */

import type { SwarmError } from './errors.js';
import type { Bitfield } from './policy/bitfield.js';
import type { PexMessage, PexPeer } from './policy/pex-diff.js';
import type { TorrentGeometry } from './policy/torrent-geometry.js';
import type { Millis, PeerAddress, PeerSourceName, PieceIndex, Rng } from './units.js';

export type { PeerSourceName, PexMessage, PexPeer, Rng };

export interface Clock {
  /** Monotonic. */
  now(): Millis;
  /** Calls `run` once, at or after `at`. */
  schedule(at: Millis, run: () => void): TimerHandle;
}

export interface TimerHandle {
  cancel(): void;
}

// ─── A peer ──────────────────────────────────────────────────────────────────────────────────────────────

/** What one established connection tells its owner. Indices and lengths are already checked against the torrent. */
export interface PeerHandler {
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  onHave(piece: PieceIndex): void;
  /** At most once, before any `onHave`; have-all and have-none (BEP 6) arrive as full and empty bitfields. The callee owns `pieces`. */
  onBitfield(pieces: Bitfield): void;
  onRequest(piece: PieceIndex, begin: number, length: number): void;
  onCancel(piece: PieceIndex, begin: number, length: number): void;
  /** Only with the fast extension (BEP 6). */
  onReject(piece: PieceIndex, begin: number, length: number): void;
  /** `block` is a view that is valid during the call only. Whether we asked for it is the callee's to know. */
  onBlock(piece: PieceIndex, begin: number, block: Uint8Array): void;
  onSuggest(piece: PieceIndex): void;
  onAllowedFast(piece: PieceIndex): void;
  onExtendedHandshake(handshake: ExtendedHandshake): void;
  /** A BEP 10 message for an extension that we announced under `name`. `payload` is valid during the call only. */
  onExtended(name: string, payload: Uint8Array): void;
  /** `bytes` are valid during the call only. */
  onMetadata(message: MetadataMessage): void;
  /** BEP 5 `port`: the peer's DHT node listens there. */
  onDhtPort(port: number): void;
  /** What arrived together has been told: the moment to answer it together. */
  onReadEnd(): void;
  /** `bufferedBytes` fell below the low-water mark: there is room to send. */
  onDrain(): void;
  /** Last call ever. */
  onClose(reason: CloseReason): void;
}

/** Stands in until the owner sets its own, and after the last call. */
export const NO_HANDLER: PeerHandler = {
  onChoke() {},
  onUnchoke() {},
  onInterested() {},
  onNotInterested() {},
  onHave() {},
  onBitfield() {},
  onRequest() {},
  onCancel() {},
  onReject() {},
  onBlock() {},
  onReadEnd() {},
  onSuggest() {},
  onAllowedFast() {},
  onExtendedHandshake() {},
  onExtended() {},
  onMetadata() {},
  onDhtPort() {},
  onDrain() {},
  onClose() {},
};

/** BEP 9: a piece is 16 KiB of the `info` dictionary. */
export type MetadataMessage =
  | { readonly kind: 'request' | 'reject'; readonly piece: number }
  | {
      readonly kind: 'data';
      readonly piece: number;
      readonly totalBytes: number;
      readonly bytes: Uint8Array;
    };

/** Why a connection ended. `violation` is a peer that broke the protocol; `self` is us at the other end. */
export interface CloseReason {
  readonly kind: 'local' | 'remote' | 'timeout' | 'violation' | 'network' | 'self';
  /** For people and logs; may hold text from the peer. */
  readonly text: string;
}

/** The parts of a peer's BEP 10 handshake that we use; every field is bounded and optional. */
export interface ExtendedHandshake {
  /** `v`: untrusted text, at most 128 characters. */
  readonly client?: string;
  /** `reqq`: how many requests it queues. */
  readonly requestQueue?: number;
  /** `p`: its listening port. */
  readonly listenPort?: number;
  /** `yourip`: our address as it sees it. */
  readonly yourIp?: string;
  readonly metadataSize?: number;
  /** `upload_only` (BEP 21). */
  readonly uploadOnly?: boolean;
  /** `e`: it would rather be connected to encrypted. */
  readonly prefersEncryption?: boolean;
  /** Names of the extensions it takes. */
  readonly extensions: ReadonlySet<string>;
}

/** One established, handshaken connection. Sends never throw; after `close` they do nothing. */
export interface PeerConnection {
  readonly remote: PeerAddress;
  readonly incoming: boolean;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Both ends speak BEP 6. */
  readonly fast: boolean;
  /** The peer speaks BEP 10. */
  readonly extended: boolean;
  /** Everything is RC4; a handshake alone that was is not enough. */
  readonly encrypted: boolean;
  handler: PeerHandler;

  choke(): void;
  unchoke(): void;
  interested(): void;
  notInterested(): void;
  have(piece: PieceIndex): void;
  /** Must be the first message: a bitfield, or have-all / have-none where both ends are fast. */
  bitfield(pieces: Bitfield): void;
  request(piece: PieceIndex, begin: number, length: number): void;
  cancel(piece: PieceIndex, begin: number, length: number): void;
  /** Does nothing without the fast extension. */
  reject(piece: PieceIndex, begin: number, length: number): void;
  /**
   * Sends ready-made `piece` messages as they are (see PieceStore.frames). `onFlushed` is called exactly once:
   * when the bytes are with the kernel or the connection is closed; `frames` must not change before.
   */
  sendFrames(frames: Uint8Array, onFlushed: () => void): void;
  extendedMessage(name: string, payload: Uint8Array): void;
  /** Does nothing when the peer does not take them. */
  metadata(message: MetadataMessage): void;
  /** The metadata is known now: what the peer said about its pieces before is told, checked, to `handler`. */
  learnGeometry(geometry: TorrentGeometry): void;
  /** Says that we want nothing more, or do again (BEP 21). Does nothing where the peer does not speak BEP 10. */
  uploadOnly(on: boolean): void;
  /** Bytes handed to us and not yet to the kernel. */
  readonly bufferedBytes: number;
  /** Between the two, small sends are gathered into one write. Nests. */
  cork(): void;
  uncork(): void;
  close(reason: string): void;
}

/** What every handshake of one torrent needs. */
export interface HandshakeIdentity {
  readonly infoHash: string;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Undefined until the metadata is known; so long the peer's pieces are kept for `learnGeometry`, and nothing moves. */
  readonly geometry: TorrentGeometry | undefined;
  /** Where our DHT node listens, which we tell peers that have one (BEP 5); 0: we have none, or not for this torrent. */
  dhtPort?(): number;
  /** BEP 10 fields and extension names that we announce. */
  readonly extendedHandshake: LocalExtendedHandshake;
}

interface LocalExtendedHandshake {
  readonly client: string;
  /** By which peers reach us; 0: they do not. Read for each handshake, as the router may begin to forward another. */
  readonly listenPort: number;
  readonly requestQueue: number;
  readonly metadataSize?: number;
  readonly uploadOnly?: boolean;
  /** Extensions that we take, in the order of their ids (1, 2, …). */
  readonly extensions: readonly string[];
}

/** Opens connections. The engine-wide limits (half-open, total) live behind it. */
export interface PeerDialer {
  /**
   * Connects and shakes hands; `done` is called exactly once, never during the call, unless aborted first.
   * @param connectMs how long the other end may take to accept; default: until the system has tried thrice
   * @returns aborts the attempt
   */
  dial(
    address: PeerAddress,
    identity: HandshakeIdentity,
    done: (result: PeerConnection | CloseReason) => void,
    connectMs?: number,
  ): () => void;
}

// ─── Storage ─────────────────────────────────────────────────────────────────────────────────────────────

/** What a torrent's store tells the swarm, later and never during a call into the store. */
export interface PieceStoreHandler {
  /** The piece is hashed, good, and written; it may be advertised and served. Its slot is free again. */
  onPieceVerified(piece: PieceIndex): void;
  /** The piece is hashed and bad. Its blocks stay readable through `blockDigest` until `abandonPiece`. */
  onPieceCorrupt(piece: PieceIndex): void;
  /** `frames` for this piece may be asked again. */
  onFramesReady(piece: PieceIndex): void;
  /** A slot became free after `beginPiece` had said no. */
  onSlotFree(): void;
  /** The disk failed. Nothing verified is lost; the store takes no more pieces. */
  onStoreFailed(error: SwarmError): void;
}

/** Ready-made wire bytes: `blocks` whole `piece` messages back to back, pinned until released. */
export interface Frames {
  readonly bytes: Uint8Array;
  readonly blocks: number;
  /** Exactly once, when the bytes are no longer needed. */
  release(): void;
}

/**
 * One torrent's pieces. Blocks are gathered in a shared memory arena with a bounded number of slots, which is
 * the memory bound and the back-pressure; whole pieces are hashed and written by workers.
 * A piece is either absent, begun (has a slot), finishing (with a worker), corrupt (awaiting abandon) or verified.
 */
export interface PieceStore {
  handler: PieceStoreHandler;
  /** Takes a slot for `piece`. False: the arena is full; `onSlotFree` will follow. */
  beginPiece(piece: PieceIndex): boolean;
  /** Copies `block` into the begun piece. */
  putBlock(piece: PieceIndex, begin: number, block: Uint8Array): void;
  /** Every block is in: hash it, and write it if good. */
  finishPiece(piece: PieceIndex): void;
  /** Gives the slot of a begun or corrupt piece back. */
  abandonPiece(piece: PieceIndex): void;
  /** A short digest of one block of a begun or corrupt piece, for blame. */
  blockDigest(piece: PieceIndex, begin: number, length: number): string;
  /**
   * `piece` messages for `blocks` requests of `blockBytes` each, back to back from `begin`, of a verified piece.
   * May cover fewer than asked, at least one. Undefined: not in memory, being read; `onFramesReady(piece)` follows.
   * Requests on the grid of `BLOCK_BYTES` are cheap, others (any begin, up to `BLOCK_BYTES`) are copied.
   */
  frames(piece: PieceIndex, begin: number, blockBytes: number, blocks: number): Frames | undefined;
}

// ─── Peer exchange ───────────────────────────────────────────────────────────────────────────────────────

/** The payload of `ut_pex` (BEP 11). */
export interface PexCodec {
  /** Of the extension, as in `extensions`. */
  readonly name: string;
  encode(message: PexMessage): Uint8Array;
  /** Addresses are literal and have a port > 0; nothing else is promised. A text says why it cannot be read. */
  decode(payload: Uint8Array): PexMessage | string;
}

// ─── Finding peers ───────────────────────────────────────────────────────────────────────────────────────

/** What a source of peers tells the torrent. Addresses are syntactically valid and have a port > 0; nothing else is promised. */
export interface PeerSourceHandler {
  /** @param teller who told of them where anybody may: a DHT node, a neighbour */
  onPeers(peers: readonly PeerAddress[], source: PeerSourceName, teller?: PeerAddress): void;
  /** Something the user should see changed. */
  onStatus(): void;
}

/** Transfer totals of this session, as trackers want them (BEP 3). */
export interface TransferTotals {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly leftBytes: number;
  /** Something is left, and nothing more is wanted (BEP 21). */
  readonly isPartialSeed: boolean;
}

export interface PeerSource {
  start(handler: PeerSourceHandler): void;
  /** The download just finished. */
  completed(): void;
  /** More peers are wanted now; the source keeps its own limits. */
  wantPeers(): void;
  /** The world may reach us at another port: whoever was told of the former one is to be told. */
  portChanged(): void;
  /** Says goodbye; resolves when said or after `withinMs`. Idempotent. */
  stop(withinMs: number): Promise<void>;
}
