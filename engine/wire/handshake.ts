/**
 * Handshake: one attempt from an opened or accepted socket to an established connection, within deadlines
 * that a peer cannot stretch by sending byte after byte.
 */
import { type CloseReason, type HandshakeIdentity, NO_HANDLER, type PeerConnection } from '../ports.js';
import { asMillis, type Millis, type PeerAddress } from '../units.js';
import { GuardedWire } from './guarded-wire.js';
import { HandshakeReader } from './handshake-reader.js';
import type { Heartbeat, HeartbeatMember } from './heartbeat.js';
import { OutgoingBuffer } from './outgoing-buffer.js';
import { TcpPeerConnection } from './peer-connection.js';
import type { PeerSocket, SocketOwner } from './peer-socket.js';

/** From connected to the last byte of the peer's handshake. */
const HANDSHAKE_MS = 15_000;

export interface HandshakePlan {
  readonly remote: PeerAddress;
  readonly incoming: boolean;
  readonly heartbeat: Heartbeat;
  /** How long the other end may take to accept; undefined for a socket that is connected. */
  readonly connectMs?: number;
  /** Undefined: we do not have that torrent. */
  identityOf(infoHash: string): HandshakeIdentity | undefined;
  /** Exactly once, unless aborted. The owner sets the connection's handler during the call. */
  done(result: PeerConnection | CloseReason): void;
  /** Once, when a connection that `done` was given has closed. */
  onClosed(): void;
}

export class Handshake implements SocketOwner, HeartbeatMember {
  readonly #plan: HandshakePlan;
  readonly #reader = new HandshakeReader();
  #socket: PeerSocket | undefined;
  #out: OutgoingBuffer | undefined;
  #wire: GuardedWire | undefined;
  #identity: HandshakeIdentity | undefined;
  #deadline: Millis;
  #over = false;

  constructor(plan: HandshakePlan) {
    this.#plan = plan;
    this.#deadline = asMillis(plan.heartbeat.now() + (plan.connectMs ?? HANDSHAKE_MS));
    plan.heartbeat.add(this);
  }

  /** Call once, at once. An outgoing handshake says its part when the socket connects, which needs `identity`. */
  start(socket: PeerSocket, identity?: HandshakeIdentity): void {
    this.#socket = socket;
    this.#out = new OutgoingBuffer(socket.socket);
    this.#identity = identity;
  }

  abort(): void {
    this.#end();
  }

  onConnect(): void {
    this.#deadline = asMillis(this.#plan.heartbeat.now() + HANDSHAKE_MS);
    if (this.#identity !== undefined) this.#speak(this.#identity);
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#over) return;
    const taken = this.#reader.take(chunk);
    if (taken < 0) {
      this.#fail('violation', 'not a BitTorrent handshake (plaintext connections only)');
      return;
    }
    const infoHash = this.#reader.infoHash;
    if (infoHash === undefined) return;
    const identity = this.#identity ?? this.#plan.identityOf(infoHash);
    if (identity === undefined || identity.infoHash !== infoHash) {
      this.#fail('violation', `handshake for another torrent (${infoHash})`);
      return;
    }
    if (this.#wire === undefined) {
      this.#identity = identity;
      this.#speak(identity);
    }
    if (this.#reader.complete) this.#establish(identity, chunk.subarray(taken));
  }

  onGone(reason: CloseReason): void {
    this.#fail(reason.kind, reason.text);
  }

  onBeat(now: Millis): void {
    if (now < this.#deadline) return;
    this.#fail(
      'timeout',
      this.#wire === undefined && !this.#plan.incoming ? 'no connection' : 'no handshake',
    );
  }

  #speak(identity: HandshakeIdentity): void {
    const out = this.#out;
    if (out === undefined) return;
    const { remote, incoming } = this.#plan;
    this.#wire = new GuardedWire(incoming, identity, remote.host, (bytes) => out.put(bytes));
    this.#wire.handshake(identity.infoHash, identity.peerId, { fast: true });
  }

  #establish(identity: HandshakeIdentity, rest: Uint8Array): void {
    const [socket, out, wire] = [this.#socket, this.#out, this.#wire];
    if (socket === undefined || out === undefined || wire === undefined) return;
    const peerId = this.#reader.peerId;
    if (Buffer.compare(peerId, identity.peerId) === 0) {
      this.#fail('local', 'connected to ourselves');
      return;
    }
    this.#over = true;
    this.#plan.heartbeat.remove(this);
    wire.receive(this.#reader.bytes);
    const { remote, incoming, heartbeat } = this.#plan;
    const onClosed = (): void => this.#plan.onClosed();
    const connection = new TcpPeerConnection({
      socket,
      out,
      wire,
      remote,
      incoming,
      peerId,
      identity,
      heartbeat,
      onClosed,
    });
    this.#plan.done(connection);
    if (connection.handler === NO_HANDLER) connection.close('nobody wants this connection');
    else if (rest.length > 0) connection.onChunk(rest);
  }

  #fail(kind: CloseReason['kind'], text: string): void {
    if (this.#over) return;
    this.#end();
    this.#plan.done({ kind, text });
  }

  #end(): void {
    this.#over = true;
    this.#plan.heartbeat.remove(this);
    this.#socket?.destroy();
  }
}
