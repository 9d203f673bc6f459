/**
 * Handshake: one attempt from an opened or accepted socket to an established connection, within deadlines
 * that a peer cannot stretch by sending byte after byte.
 */
import { randomBytes } from 'node:crypto';
import type { EncryptionMode } from '../options.js';
import { type CloseReason, type HandshakeIdentity, NO_HANDLER, type PeerConnection } from '../ports.js';
import { asMillis, type Millis, type PeerAddress } from '../units.js';
import { GuardedWire } from './guarded-wire.js';
import { HandshakeReader } from './handshake-reader.js';
import type { Heartbeat, HeartbeatMember } from './heartbeat.js';
import { MseHandshake, type MseResult, type ResponderMeans } from './mse-handshake.js';
import { OutgoingBuffer } from './outgoing-buffer.js';
import { TcpPeerConnection } from './peer-connection.js';
import type { PeerSocket, SocketOwner } from './peer-socket.js';

/** From connected to the last byte of the peer's handshake. */
const HANDSHAKE_MS = 15_000;
/**
 * Of it, for the first byte of who dials us, who speaks first: at a round trip of 2 s a first packet that is lost is sent
 * again after 6 s (RFC 6298).
 */
const FIRST_BYTE_MS = 8_000;
/** Of it, for the encrypted part where plaintext may follow: a peer that takes our key for the start of something long. */
const ENCRYPTED_PART_MS = 6_000;

/** The torrents that an accepted socket may be for. */
export interface KnownTorrents {
  /** Undefined: we do not have that torrent. */
  identityOf(infoHash: string): HandshakeIdentity | undefined;
  /** The same by what names it in an encrypted handshake (mse-keys.ts, torrentMark), as hex. */
  infoHashOf(mark: string): string | undefined;
  /** Once, when it has said anything. */
  onFirstBytes(): void;
}

export interface HandshakePlan {
  readonly remote: PeerAddress;
  /** Undefined: we dial. */
  readonly accepting?: KnownTorrents & {
    /** False: too many have been begun. */
    mayExchangeKeys(): boolean;
  };
  readonly heartbeat: Heartbeat;
  readonly encryption: EncryptionMode;
  /** How long the other end may take to accept; undefined for a socket that is connected. */
  readonly connectMs?: number;
  /** Exactly once, unless aborted. The owner sets the connection's handler during the call. */
  done(result: PeerConnection | CloseReason): void;
  /** In place of `done`: encryption was preferred, and the other end accepted the connection but does not do it. */
  onNotEncrypted?(): void;
  /** Once, when a connection that `done` was given has closed. */
  onClosed(): void;
}

export class Handshake implements SocketOwner, HeartbeatMember {
  readonly #plan: HandshakePlan;
  #reader = new HandshakeReader();
  #socket: PeerSocket | undefined;
  #out: OutgoingBuffer | undefined;
  #wire: GuardedWire | undefined;
  #identity: HandshakeIdentity | undefined;
  /** While it is under way. */
  #mse: MseHandshake | undefined;
  #mseResult: MseResult | undefined;
  #deadline: Millis;
  #isSelf = false;
  /** Nothing has come. */
  #isSilent = true;
  #over = false;

  constructor(plan: HandshakePlan) {
    this.#plan = plan;
    this.#deadline = asMillis(plan.heartbeat.now() + (plan.connectMs ?? FIRST_BYTE_MS));
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
    const { encryption, heartbeat } = this.#plan;
    const identity = this.#identity;
    this.#deadline = asMillis(heartbeat.now() + (encryption === 'prefer' ? ENCRYPTED_PART_MS : HANDSHAKE_MS));
    if (identity === undefined) return;
    this.#speak(identity);
    if (encryption === 'off') return;
    // Our handshake goes inside of the encrypted one, which saves a round trip.
    const initialPayload = this.#out?.takeGathered() ?? new Uint8Array(0);
    this.#mse = MseHandshake.initiate({ ...this.#means(), infoHash: identity.infoHash, initialPayload });
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#over || this.#isSelf) return;
    if (this.#isSilent) this.#onFirstBytes();
    if (this.#mse !== undefined) {
      this.#onEncrypted(this.#mse, chunk);
      return;
    }
    const taken = this.#reader.take(chunk);
    if (taken < 0) {
      this.#onOther(chunk);
      return;
    }
    const infoHash = this.#reader.infoHash;
    if (infoHash === undefined) return;
    if (this.#plan.encryption === 'require' && this.#mseResult === undefined) {
      this.#fail('violation', 'a plaintext handshake, and encryption is required');
      return;
    }
    const identity = this.#identity ?? this.#plan.accepting?.identityOf(infoHash);
    if (identity === undefined || infoHash !== (this.#mseResult?.infoHash ?? identity.infoHash)) {
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
    const connects = this.#wire === undefined && this.#plan.accepting === undefined;
    this.#fail('timeout', connects ? 'no connection' : 'no handshake');
  }

  #onFirstBytes(): void {
    const { accepting } = this.#plan;
    this.#isSilent = false;
    if (accepting === undefined) return;
    this.#deadline = asMillis(this.#deadline + HANDSHAKE_MS - FIRST_BYTE_MS);
    accepting.onFirstBytes();
  }

  /** What came is no plaintext handshake. */
  #onOther(chunk: Uint8Array): void {
    const { accepting, encryption } = this.#plan;
    if (accepting === undefined || encryption === 'off' || this.#mseResult !== undefined) {
      const only = encryption === 'off' ? ' (plaintext connections only)' : '';
      this.#fail('violation', `not a BitTorrent handshake${only}`);
      return;
    }
    const mse = MseHandshake.respond({ ...this.#means(), ...accepting });
    this.#mse = mse;
    mse.take(this.#reader.taken);
    this.#reader = new HandshakeReader();
    this.#onEncrypted(mse, chunk);
  }

  #onEncrypted(mse: MseHandshake, chunk: Uint8Array): void {
    const taken = mse.take(chunk);
    if (mse.fault !== undefined) {
      this.#fail('violation', `encrypted handshake: ${mse.fault}`);
      return;
    }
    const [result, socket, out] = [mse.result, this.#socket, this.#out];
    if (result === undefined || socket === undefined || out === undefined) return;
    this.#mse = undefined;
    this.#mseResult = result;
    // What a peer that encrypts may take is what is left of the whole.
    if (this.#plan.accepting === undefined && this.#plan.encryption === 'prefer')
      this.#deadline = asMillis(this.#deadline + HANDSHAKE_MS - ENCRYPTED_PART_MS);
    const rest = chunk.subarray(taken);
    if (result.receive !== undefined) socket.decryptWith(result.receive, rest);
    if (result.send !== undefined) out.encryptWith(result.send);
    socket.deliver(result.initialPayload);
    socket.deliver(rest);
  }

  #means(): Pick<ResponderMeans, 'random' | 'send' | 'payload'> {
    return {
      random: randomBytes,
      send: (...parts) => this.#socket?.socket.write(Buffer.concat(parts)),
      payload: this.#plan.encryption === 'require' ? 'rc4' : 'any',
    };
  }

  #speak(identity: HandshakeIdentity): void {
    const out = this.#out;
    if (out === undefined) return;
    const { remote, accepting } = this.#plan;
    this.#wire = new GuardedWire(accepting !== undefined, identity, remote.host, (bytes) => out.put(bytes));
    const dht = identity.dhtPort !== undefined;
    this.#wire.handshake(identity.infoHash, identity.peerId, { fast: true, dht });
  }

  #establish(identity: HandshakeIdentity, rest: Uint8Array): void {
    const [socket, out, wire] = [this.#socket, this.#out, this.#wire];
    if (socket === undefined || out === undefined || wire === undefined) return;
    const peerId = this.#reader.peerId;
    if (Buffer.compare(peerId, identity.peerId) === 0) {
      // Who dialled has to read our answer, to know that it must never dial there again, and hangs up then.
      if (this.#plan.accepting !== undefined) this.#isSelf = true;
      else this.#fail('self', 'connected to ourselves');
      return;
    }
    this.#over = true;
    this.#plan.heartbeat.remove(this);
    wire.receive(this.#reader.bytes);
    const { remote, accepting, heartbeat } = this.#plan;
    const onClosed = (): void => this.#plan.onClosed();
    const connection = new TcpPeerConnection({
      socket,
      out,
      wire,
      remote,
      incoming: accepting !== undefined,
      encrypted: this.#mseResult?.receive !== undefined,
      peerId,
      identity,
      heartbeat,
      onClosed,
    });
    this.#plan.done(connection);
    // After what the owner says first, which must be its pieces.
    const dhtPort = wire.peerExtensions.dht === true ? (identity.dhtPort?.() ?? 0) : 0;
    if (dhtPort > 0 && connection.handler !== NO_HANDLER) wire.port(dhtPort);
    if (connection.handler === NO_HANDLER) connection.close('nobody wants this connection');
    else if (rest.length > 0) connection.onChunk(rest);
  }

  #fail(kind: CloseReason['kind'], text: string): void {
    if (this.#over) return;
    this.#end();
    const { onNotEncrypted } = this.#plan;
    if (this.#mse !== undefined && this.#plan.encryption === 'prefer' && onNotEncrypted !== undefined)
      onNotEncrypted();
    else this.#plan.done({ kind, text });
  }

  #end(): void {
    this.#over = true;
    this.#plan.heartbeat.remove(this);
    this.#socket?.destroy();
  }
}
