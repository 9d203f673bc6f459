/** Peer connection: one established TCP connection, from the end of its handshake to its close. */
import { Bitfield, forEachSet } from '../policy/bitfield.js';
import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import {
  type CloseReason,
  type ExtendedHandshake,
  type HandshakeIdentity,
  type MetadataMessage,
  NO_HANDLER,
  type PeerConnection,
  type PeerHandler,
} from '../ports.js';
import { asPiece, type Millis, type PeerAddress, type PieceIndex } from '../units.js';
import { FrameReader, type FrameTarget } from './frame-reader.js';
import type { GuardedWire, GuardedWireSink } from './guarded-wire.js';
import type { Heartbeat, HeartbeatMember } from './heartbeat.js';
import { MESSAGE } from './messages.js';
import { decodeMetadataMessage, encodeMetadataMessage, METADATA_EXTENSION } from './metadata-messages.js';
import type { OutgoingBuffer } from './outgoing-buffer.js';
import type { PeerSocket, SocketOwner } from './peer-socket.js';

/** BEP 3: peers close after two silent minutes. */
const KEEP_ALIVE_MS = 100_000;
/** One keep-alive of the peer may be late. */
const IDLE_MS = 180_000;
/** A peer that takes none of our bytes for this long is gone, or holds our upload buffers on purpose: up to 768 KiB. */
const SEND_STALL_MS = 60_000;
/** While we owe a peer this much control (answers to its own requests, mostly), we read no more of its requests. */
const STOP_READING_BYTES = 64 * 1024;
/** Owing this much control closes: more than answers to one full read (peer-socket.ts) on top of the mark above. */
const MAX_CONTROL_BYTES = 1024 * 1024;
/** Below this there is room to send: enough to keep the kernel busy until the owner comes back with more. */
const LOW_WATER_BYTES = 128 * 1024;

/** The parts of a connection that its handshake leaves behind. */
export interface Established {
  readonly socket: PeerSocket;
  readonly out: OutgoingBuffer;
  readonly wire: GuardedWire;
  readonly remote: PeerAddress;
  readonly incoming: boolean;
  /** The payload is RC4. */
  readonly encrypted: boolean;
  readonly peerId: Uint8Array;
  readonly identity: HandshakeIdentity;
  readonly heartbeat: Heartbeat;
  /** After the handler's `onClose`; for whoever counts connections. */
  readonly onClosed: () => void;
}

export class TcpPeerConnection
  implements PeerConnection, SocketOwner, FrameTarget, GuardedWireSink, HeartbeatMember
{
  handler: PeerHandler = NO_HANDLER;
  readonly remote: PeerAddress;
  readonly incoming: boolean;
  readonly peerId: Uint8Array;
  readonly fast: boolean;
  readonly extended: boolean;
  readonly encrypted: boolean;
  readonly #parts: Established;
  readonly #reader: FrameReader;
  #pieceCount: number;
  #bitfieldBytes: number;
  #closed = false;
  #paused = false;
  #piecesKnown = false;
  #received = false;
  #receivedAt: Millis;
  #sentBytes = 0;
  #sentAt: Millis;
  #flushed = false;
  #queueBytes = 0;
  #flushedAt: Millis;

  constructor(parts: Established) {
    this.#parts = parts;
    this.remote = parts.remote;
    this.incoming = parts.incoming;
    this.encrypted = parts.encrypted;
    this.peerId = parts.peerId;
    this.fast = parts.wire.hasFast;
    this.extended = parts.wire.peerExtensions.extended === true;
    const { geometry } = parts.identity;
    const pieceCount = geometry?.pieceCount ?? 0;
    this.#pieceCount = pieceCount;
    this.#bitfieldBytes = Math.ceil(pieceCount / 8);
    this.#reader = new FrameReader(this, geometry);
    this.#receivedAt = this.#sentAt = this.#flushedAt = parts.heartbeat.now();
    this.#listen(parts.wire);
    parts.out.onFlushed = () => this.#onFlushed();
    parts.socket.owner = this;
    parts.heartbeat.add(this);
  }

  #listen(wire: GuardedWire): void {
    wire.sink = this;
    wire.on('choke', () => this.handler.onChoke());
    wire.on('unchoke', () => this.handler.onUnchoke());
    wire.on('interested', () => this.handler.onInterested());
    wire.on('uninterested', () => this.handler.onNotInterested());
    wire.on('have', (piece) => {
      this.#piecesKnown = true;
      this.handler.onHave(asPiece(piece));
    });
    wire.on('have-all', () => this.#onPieces(Bitfield.full(this.#pieceCount)));
    wire.on('have-none', () => this.#onPieces(new Bitfield(this.#pieceCount)));
    wire.on('suggest', (piece) => this.handler.onSuggest(asPiece(piece)));
    wire.on('allowed-fast', (piece) => this.handler.onAllowedFast(asPiece(piece)));
    wire.on('port', (port) => {
      if (port > 0) this.handler.onDhtPort(port);
    });
  }

  // ─── What arrives ────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  onChunk(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#received = true;
    const { out } = this.#parts;
    out.cork(); // what one chunk makes us say is one write
    const fault = this.#reader.read(chunk);
    if (fault === undefined && !this.#closed) this.handler.onReadEnd();
    out.uncork();
    if (fault !== undefined) this.onViolation(fault);
    else if (!this.#paused && out.controlBytes > STOP_READING_BYTES + this.#bitfieldBytes) this.#pause();
  }

  onControlFrame(frame: Uint8Array): void {
    this.#parts.wire.receive(frame);
  }

  onBitfieldBytes(bits: Uint8Array): void {
    const pieces = Bitfield.fromWire(bits, this.#pieceCount);
    if (pieces === undefined) this.onViolation('a bitfield with spare bits set');
    else this.#onPieces(pieces);
  }

  /** What comes after the first is news of more pieces. */
  #onPieces(pieces: Bitfield): void {
    if (this.#piecesKnown) forEachSet(pieces, (piece) => this.handler.onHave(piece));
    else this.handler.onBitfield(pieces);
    this.#piecesKnown = true;
  }

  onExtendedHandshake(handshake: ExtendedHandshake): void {
    this.handler.onExtendedHandshake(handshake);
  }

  onExtended(name: string, payload: Uint8Array): void {
    if (name !== METADATA_EXTENSION) {
      this.handler.onExtended(name, payload);
      return;
    }
    const message = decodeMetadataMessage(payload);
    if (typeof message === 'string') this.onViolation(`sent metadata that is not usable: ${message}`);
    else if (message !== undefined) this.handler.onMetadata(message);
  }

  onViolation(text: string): void {
    this.#finish({ kind: 'violation', text });
  }

  onGone(reason: CloseReason): void {
    this.#finish(reason);
  }

  // ─── What we say ─────────────────────────────────────────────────────────────────────────────────────

  choke(): void {
    if (!this.#closed) this.#parts.wire.choke();
  }

  unchoke(): void {
    if (!this.#closed) this.#parts.wire.unchoke();
  }

  interested(): void {
    if (!this.#closed) this.#parts.wire.interested();
  }

  notInterested(): void {
    if (!this.#closed) this.#parts.wire.uninterested();
  }

  have(piece: PieceIndex): void {
    if (this.#maySend()) this.#parts.out.putIndex(MESSAGE.have, piece);
  }

  bitfield(pieces: Bitfield): void {
    if (this.#closed) return;
    const { wire } = this.#parts;
    if (this.fast && pieces.isFull) wire.haveAll();
    else if (this.fast && pieces.count === 0) wire.haveNone();
    else if (pieces.count > 0) wire.bitfield(pieces.toWire());
  }

  request(piece: PieceIndex, begin: number, length: number): void {
    if (this.#maySend()) this.#parts.out.putBlockName(MESSAGE.request, piece, begin, length);
  }

  cancel(piece: PieceIndex, begin: number, length: number): void {
    if (this.#maySend()) this.#parts.out.putBlockName(MESSAGE.cancel, piece, begin, length);
  }

  reject(piece: PieceIndex, begin: number, length: number): void {
    if (this.fast && this.#maySend()) this.#parts.out.putBlockName(MESSAGE.reject, piece, begin, length);
  }

  sendFrames(frames: Uint8Array, onFlushed: () => void): void {
    if (this.#closed) process.nextTick(onFlushed);
    else this.#parts.out.putFrames(frames, onFlushed);
  }

  extendedMessage(name: string, payload: Uint8Array): void {
    const { wire } = this.#parts;
    const id = Object.hasOwn(wire.peerExtendedMapping, name) ? wire.peerExtendedMapping[name] : undefined;
    if (id !== undefined && id > 0 && this.#maySend()) wire.extended(id, payload);
  }

  metadata(message: MetadataMessage): void {
    this.extendedMessage(METADATA_EXTENSION, encodeMetadataMessage(message));
  }

  learnGeometry(geometry: TorrentGeometry): void {
    if (this.#closed) return;
    const { pieceCount } = geometry;
    this.#pieceCount = pieceCount;
    this.#bitfieldBytes = Math.ceil(pieceCount / 8);
    const fault = this.#reader.learn(geometry);
    if (fault !== undefined) this.onViolation(fault);
  }

  uploadOnly(on: boolean): void {
    if (this.extended && this.#maySend()) this.#parts.wire.sayUploadOnly(on);
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : this.#parts.out.bufferedBytes;
  }

  cork(): void {
    this.#parts.out.cork();
  }

  uncork(): void {
    this.#parts.out.uncork();
  }

  close(reason: string): void {
    this.#finish({ kind: 'local', text: reason });
  }

  // ─── Limits and deadlines ────────────────────────────────────────────────────────────────────────────

  onBeat(now: Millis): void {
    this.#reader.onBeat();
    const { out, wire, socket } = this.#parts;
    if (this.#received) {
      this.#received = false;
      this.#receivedAt = now;
    }
    const queueBytes = socket.writeQueueBytes;
    if (this.#flushed || out.bufferedBytes === 0 || queueBytes !== this.#queueBytes) {
      this.#flushed = false;
      this.#queueBytes = queueBytes;
      this.#flushedAt = now;
    }
    if (now - this.#receivedAt > IDLE_MS) {
      this.#finish({ kind: 'timeout', text: `nothing received for ${IDLE_MS / 1000} s` });
      return;
    }
    if (now - this.#flushedAt > SEND_STALL_MS) {
      this.#finish({ kind: 'timeout', text: `took nothing from us for ${SEND_STALL_MS / 1000} s` });
      return;
    }
    if (out.sentBytes !== this.#sentBytes) {
      this.#sentBytes = out.sentBytes;
      this.#sentAt = now;
    } else if (now - this.#sentAt >= KEEP_ALIVE_MS && out.bufferedBytes === 0) {
      wire.keepAlive();
    }
  }

  #maySend(): boolean {
    if (this.#closed) return false;
    if (this.#parts.out.controlBytes <= MAX_CONTROL_BYTES + this.#bitfieldBytes) return true;
    this.onViolation('does not read what we have to tell it');
    return false;
  }

  #pause(): void {
    this.#paused = true;
    this.#parts.socket.socket.pause();
  }

  #onFlushed(): void {
    if (this.#closed) return;
    this.#flushed = true;
    const { out, socket } = this.#parts;
    if (this.#paused && out.controlBytes <= STOP_READING_BYTES / 2) {
      this.#paused = false;
      socket.socket.resume();
    }
    if (out.bufferedBytes < LOW_WATER_BYTES) this.handler.onDrain();
  }

  #finish(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.stop();
    this.#parts.heartbeat.remove(this);
    this.#parts.socket.destroy();
    const handler = this.handler;
    this.handler = NO_HANDLER;
    handler.onClose(reason);
    this.#parts.onClosed();
  }
}
