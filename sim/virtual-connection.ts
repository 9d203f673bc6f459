/**
 * Virtual connection: one end of a connection, the PeerConnection port on the virtual network. Blocks that the
 * kernel has room for count as flushed; what is beyond is in the application's hands.
 */
import type { Bitfield } from '../engine/policy/bitfield.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import {
  type CloseReason,
  type HandshakeIdentity,
  NO_HANDLER,
  type PeerConnection,
  type PeerHandler,
} from '../engine/ports.js';
import { BLOCK_BYTES, type PeerAddress, type PieceIndex } from '../engine/units.js';
import type { EventQueue } from './event-queue.js';
import { EVENT } from './events.js';
import {
  BITFIELD_HEADER_BYTES,
  BLOCK_HEADER_BYTES,
  EXTENDED_HANDSHAKE_BYTES,
  HAVE_BYTES,
  MESSAGE,
  type MessageKind,
  REQUEST_BYTES,
  STATE_BYTES,
} from './messages.js';
import type { Tale } from './tales.js';
import type { VirtualNetwork } from './virtual-network.js';
import { blockView, RunBytes } from './virtual-store.js';

/** Below this the owner is told that there is room again: as in wire/peer-connection.ts. */
const LOW_WATER_BYTES = 128 * 1024;

/** What the host that owns an end wants to know, and says. */
export interface ConnectionOwner {
  readonly identity: HandshakeIdentity;
  /** What it says it has, if that is not the truth. */
  readonly tale: Tale | undefined;
  onRequesting(connection: VirtualConnection, piece: PieceIndex, begin: number): void;
  onAnswered(connection: VirtualConnection): void;
  onSending(connection: VirtualConnection, piece: PieceIndex, begin: number): void;
  /** Whether the next block that it sends is corrupt. */
  corrupts(): boolean;
}

/** What connections share. */
export interface Wiring {
  readonly queue: EventQueue;
  readonly network: VirtualNetwork;
  readonly geometry: TorrentGeometry;
  /** How much of what is not sent yet the kernel takes, a connection. */
  readonly sendBufferBytes: number;
}

/** Frames that wait for the kernel to take them. */
interface Flush {
  /** Bytes handed over up to their end. */
  readonly at: number;
  readonly run: () => void;
  next: Flush | undefined;
}

export class VirtualConnection implements PeerConnection {
  // First what every message looks at: one line of cache.
  isClosed = false;
  readonly #wiring: Wiring;
  readonly #tale: Tale | undefined;
  readonly end: number;
  handler: PeerHandler = NO_HANDLER;
  readonly owner: ConnectionOwner;
  /** Requests sent and neither answered nor rejected. */
  unanswered = 0;
  /** The bitfield that it sent, for the other end to take when the message arrives. */
  #announced: Bitfield | undefined;
  #firstFlush: Flush | undefined;
  #lastFlush: Flush | undefined;
  #handedBytes = 0;
  #isFlushDue = false;
  #isDrained = true;
  other!: VirtualConnection;
  readonly remote: PeerAddress;
  readonly peerId: Uint8Array;
  readonly incoming: boolean;

  constructor(
    wiring: Wiring,
    end: number,
    owner: ConnectionOwner,
    remote: PeerAddress,
    remoteIdentity: HandshakeIdentity,
    incoming: boolean,
  ) {
    this.#wiring = wiring;
    this.#tale = owner.tale;
    this.end = end;
    this.owner = owner;
    this.remote = remote;
    this.peerId = remoteIdentity.peerId;
    this.incoming = incoming;
  }

  get fast(): boolean {
    return true;
  }

  get extended(): boolean {
    return true;
  }

  get encrypted(): boolean {
    return false;
  }

  // ─── What we say ───────────────────────────────────────────────────────────────────────────────────────

  choke(): void {
    this.#say(MESSAGE.choke, 0, 0, STATE_BYTES);
  }

  unchoke(): void {
    this.#say(MESSAGE.unchoke, 0, 0, STATE_BYTES);
  }

  interested(): void {
    this.#say(MESSAGE.interested, 0, 0, STATE_BYTES);
  }

  notInterested(): void {
    this.#say(MESSAGE.notInterested, 0, 0, STATE_BYTES);
  }

  have(piece: PieceIndex): void {
    if (this.#tale?.tells(piece) !== false) this.#say(MESSAGE.have, piece, 0, HAVE_BYTES);
  }

  bitfield(pieces: Bitfield): void {
    const told = this.#tale?.first(pieces) ?? pieces.copy();
    this.#announced = told;
    const isShort = told.isFull || told.count === 0;
    this.#say(
      MESSAGE.bitfield,
      0,
      0,
      isShort ? STATE_BYTES : BITFIELD_HEADER_BYTES + Math.ceil(pieces.size / 8),
    );
  }

  request(piece: PieceIndex, begin: number): void {
    if (this.isClosed) return;
    this.unanswered++;
    this.owner.onRequesting(this, piece, begin);
    this.#say(MESSAGE.request, piece, begin, REQUEST_BYTES);
  }

  cancel(piece: PieceIndex, begin: number): void {
    this.#say(MESSAGE.cancel, piece, begin, REQUEST_BYTES);
  }

  reject(piece: PieceIndex, begin: number): void {
    this.#say(MESSAGE.reject, piece, begin, REQUEST_BYTES);
  }

  sendFrames(frames: Uint8Array, onFlushed: () => void): void {
    if (!(frames instanceof RunBytes)) throw new TypeError('frames of another store');
    if (!this.isClosed) {
      const { network } = this.#wiring;
      const { piece, begin, blockBytes, blocks } = frames;
      const bytes = BLOCK_HEADER_BYTES + blockBytes;
      for (let i = 0; i < blocks; i++) {
        const at = begin + i * blockBytes;
        this.owner.onSending(this, piece, at);
        const kind = this.owner.corrupts() ? MESSAGE.corruptBlock : MESSAGE.block;
        network.sendBlock(this.end, kind, piece, at, bytes);
      }
      this.#handedBytes += blocks * bytes;
      if (this.bufferedBytes >= LOW_WATER_BYTES) this.#isDrained = false;
    }
    const flush: Flush = { at: this.#handedBytes, run: onFlushed, next: undefined };
    if (this.#lastFlush === undefined) this.#firstFlush = flush;
    else this.#lastFlush.next = flush;
    this.#lastFlush = flush;
    this.onSent();
  }

  extendedMessage(): void {}

  metadata(): void {}

  learnGeometry(): void {}

  uploadOnly(): void {}

  extendedHandshake(): void {
    this.#say(MESSAGE.extendedHandshake, 0, 0, EXTENDED_HANDSHAKE_BYTES);
  }

  get bufferedBytes(): number {
    if (this.isClosed) return 0;
    return Math.max(0, this.#wiring.network.queuedBytes(this.end) - this.#wiring.sendBufferBytes);
  }

  cork(): void {}

  uncork(): void {}

  close(reason: string): void {
    if (this.isClosed) return;
    this.#wiring.network.close(this.end);
    this.#wiring.network.sendMessage(this.end, MESSAGE.close, 0, 0, 0);
    this.#finish({ kind: 'local', text: reason });
  }

  // ─── What happens ──────────────────────────────────────────────────────────────────────────────────────

  onMessage(kind: MessageKind, piece: PieceIndex, begin: number): void {
    if (this.isClosed) return;
    const { handler } = this;
    const { geometry } = this.#wiring;
    switch (kind) {
      case MESSAGE.have:
        handler.onHave(piece);
        if (this.#tale?.echoes === true) this.have(piece);
        break;
      case MESSAGE.request:
        handler.onRequest(piece, begin, geometry.blockBytes(piece, begin / BLOCK_BYTES));
        break;
      case MESSAGE.block:
      case MESSAGE.corruptBlock: {
        this.#countAnswer();
        const length = geometry.blockBytes(piece, begin / BLOCK_BYTES);
        handler.onBlock(piece, begin, blockView(length, kind === MESSAGE.corruptBlock));
        break;
      }
      case MESSAGE.choke:
        handler.onChoke();
        break;
      case MESSAGE.unchoke:
        handler.onUnchoke();
        break;
      case MESSAGE.interested:
        handler.onInterested();
        break;
      case MESSAGE.notInterested:
        handler.onNotInterested();
        break;
      case MESSAGE.cancel:
        handler.onCancel(piece, begin, geometry.blockBytes(piece, begin / BLOCK_BYTES));
        break;
      case MESSAGE.reject:
        this.#countAnswer();
        handler.onReject(piece, begin, geometry.blockBytes(piece, begin / BLOCK_BYTES));
        break;
      case MESSAGE.bitfield: {
        const pieces = this.other.#announced;
        this.other.#announced = undefined;
        if (pieces !== undefined) handler.onBitfield(pieces);
        break;
      }
      case MESSAGE.extendedHandshake: {
        const { client, listenPort, requestQueue } = this.other.owner.identity.extendedHandshake;
        handler.onExtendedHandshake({ client, listenPort, requestQueue, extensions: new Set() });
        break;
      }
      case MESSAGE.close:
        this.#wiring.network.close(this.end);
        this.#finish({ kind: 'remote', text: 'closed by the peer' });
        break;
    }
    this.handler.onReadEnd();
  }

  /** Something of ours went through the link, or was handed over. */
  onSent(): void {
    if (this.#isFlushDue || !this.#canFlush()) return;
    this.#isFlushDue = true;
    const { queue } = this.#wiring;
    queue.schedule(queue.alloc(EVENT.flushed, this.end, 0, 0, 0, 0), queue.now);
  }

  onFlushed(): void {
    this.#isFlushDue = false;
    while (this.#canFlush()) {
      const { run, next } = this.#firstFlush!;
      this.#firstFlush = next;
      if (next === undefined) this.#lastFlush = undefined;
      run();
    }
    if (this.#isDrained || this.bufferedBytes >= LOW_WATER_BYTES) return;
    this.#isDrained = true;
    this.handler.onDrain();
  }

  #canFlush(): boolean {
    const first = this.#firstFlush;
    if (first === undefined) return false;
    const { network, sendBufferBytes } = this.#wiring;
    return this.isClosed || this.#handedBytes - network.queuedBytes(this.end) + sendBufferBytes >= first.at;
  }

  #countAnswer(): void {
    this.unanswered--;
    this.owner.onAnswered(this);
  }

  #say(kind: MessageKind, piece: number, begin: number, bytes: number): void {
    if (!this.isClosed) this.#wiring.network.sendMessage(this.end, kind, piece, begin, bytes);
  }

  #finish(reason: CloseReason): void {
    this.isClosed = true;
    const { handler } = this;
    this.handler = NO_HANDLER;
    handler.onClose(reason);
    this.onSent();
  }
}
