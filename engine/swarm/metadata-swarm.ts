/**
 * Metadata swarm: a magnet's swarm before there is anything but an info-hash. Meets peers, fetches the `info`
 * dictionary from several at once (BEP 9), and hands the connections over to the swarm that then begins.
 */

import { addressPrefix } from '../policy/address-prefix.js';
import { Bitfield } from '../policy/bitfield.js';
import { MetadataAssembly } from '../policy/metadata-assembly.js';
import type { PeerCandidates } from '../policy/peer-candidates.js';
import { isCrowding } from '../policy/turnover.js';
import {
  type Clock,
  type CloseReason,
  type ExtendedHandshake,
  type HandshakeIdentity,
  type MetadataMessage,
  NO_HANDLER,
  type PeerConnection,
  type PeerDialer,
  type PeerHandler,
  type PeerSourceName,
  type PexCodec,
  type TimerHandle,
} from '../ports.js';
import { addressKey, asMillis, type Millis, type PeerAddress } from '../units.js';
import { equalBytes } from './equal-bytes.js';
import { Hearsay } from './hearsay.js';

/** The dictionary is small: a few are enough, more are met in case that these have none or lie. */
const MAX_PEERS = 30;
const MAX_PENDING_DIALS = 30;
/** Whoever comes to us, again and again, must leave room for those that we dial. */
const MAX_INCOMING = 20;
/** The address is one of many: it gets two SYNs. */
const CONNECT_MS = 3_000;
const TICK_MS = 1_000;
const WANT_PEERS_MS = 15_000;
/** Who has given nothing for so long makes room when seats are scarce. */
const PATIENCE_MS = 10_000;
/** Who gives a little now and then keeps others out no longer than this. */
const TURN_MS = 60_000;
/** Of however many pieces there are. */
const NOTHING = new Bitfield(1);

/** A connection, and what it has said that the next owner has to know. */
export interface MetConnection {
  readonly connection: PeerConnection;
  readonly source: PeerSourceName;
  /** Tells it again. */
  replay(handler: PeerHandler): void;
}

export interface MetadataSwarmOptions {
  readonly dialer: PeerDialer;
  readonly identity: HandshakeIdentity;
  readonly candidates: PeerCandidates;
  readonly clock: Clock;
  /** Peers tell us of others with this on the wire (BEP 11). Default: they are not heeded. */
  readonly pex?: PexCodec;
  /** Whether these bytes are what the info-hash names. */
  isGood(bytes: Uint8Array): boolean;
  /** Peers told us of others (BEP 11). */
  onPeersExchanged?(count: number): void;
  /** A peer has a DHT node there. */
  onDhtNode(address: PeerAddress): void;
  onPeerConnected(address: PeerAddress, source: PeerSourceName): void;
  onPeerClosed(address: PeerAddress, reason: CloseReason): void;
  onPeerBanned(address: PeerAddress, reason: string): void;
  /** Once. */
  onMetadata(bytes: Uint8Array): void;
  wantPeers(): void;
}

export class MetadataSwarm {
  readonly #options: MetadataSwarmOptions;
  readonly #assembly: MetadataAssembly;
  readonly #peers = new Map<number, MetadataSession>();
  /** Dials under way, by address. */
  readonly #pending = new Map<string, { readonly address: PeerAddress; readonly abort: () => void }>();
  #lastId = 0;
  #timer: TimerHandle | undefined;
  #wantAt: Millis;
  #isTold = false;
  #isOver = false;

  constructor(options: MetadataSwarmOptions) {
    this.#options = options;
    this.#assembly = new MetadataAssembly((bytes) => options.isGood(bytes));
    this.#wantAt = options.clock.now();
    this.#tick();
  }

  get connections(): readonly Pick<MetConnection, 'connection' | 'source'>[] {
    return [...this.#peers.values()];
  }

  get candidateCount(): number {
    return this.#options.candidates.size;
  }

  /** How much of the dictionary is there, 0…1. */
  get share(): number {
    return this.#assembly.share;
  }

  /** Peers that have the dictionary, as far as can be told. */
  get holderCount(): number {
    return [...this.#peers.keys()].filter((id) => this.#assembly.isOfUse(id)).length;
  }

  /** @param teller who told of them, where it was a DHT node or a neighbour */
  onPeersFound(peers: readonly PeerAddress[], source: PeerSourceName, teller?: PeerAddress): void {
    const now = this.#options.clock.now();
    for (const address of peers) this.#options.candidates.add(now, address, source, teller);
    this.#fill();
  }

  onIncoming(connection: PeerConnection): void {
    if (this.#acceptsIncoming(connection)) this.#seat(connection, 'incoming');
    else connection.close('not needed');
  }

  /** Ends here; the connections go on, and are the caller's. Once. */
  release(): MetConnection[] {
    const met = [...this.#peers.values()];
    this.#end();
    for (const { connection } of met) connection.handler = NO_HANDLER;
    return met;
  }

  /** Closes every connection. Idempotent. */
  stop(): void {
    const { connections } = this;
    this.#end();
    for (const { connection } of connections) connection.close('stopped');
  }

  #end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    for (const { address, abort } of this.#pending.values()) {
      abort();
      this.#options.candidates.onAborted(this.#options.clock.now(), address);
    }
    this.#pending.clear();
    this.#peers.clear();
  }

  // ─── Peers ─────────────────────────────────────────────────────────────────────────────────────────────

  #fill(): void {
    const { candidates, clock, dialer, identity } = this.#options;
    const now = clock.now();
    while (!this.#isOver && this.#pending.size < MAX_PENDING_DIALS && this.#hasRoom(now)) {
      const candidate = candidates.next(now);
      if (candidate === undefined) return;
      const { address, source } = candidate;
      const key = addressKey(address);
      const done = (result: PeerConnection | CloseReason): void => {
        this.#pending.delete(key);
        if ('kind' in result && result.kind === 'self') candidates.exclude(address);
        else if ('kind' in result) candidates.onFailed(clock.now(), address);
        else if (this.#accepts(result)) {
          candidates.onConnected(clock.now(), address);
          this.#seat(result, source);
        } else {
          result.close('not needed');
          candidates.onClosed(clock.now(), address, false);
        }
        this.#fill();
      };
      const connectMs = source === 'user' ? undefined : CONNECT_MS;
      this.#pending.set(key, { address, abort: dialer.dial(address, identity, done, connectMs) });
    }
  }

  #accepts({ remote, peerId }: PeerConnection): boolean {
    if (this.#isOver || this.#options.candidates.isBanned(remote)) return false;
    for (const { connection } of this.#peers.values())
      if (connection.remote.host === remote.host && equalBytes(connection.peerId, peerId)) return false;
    return this.#peers.size < MAX_PEERS || this.#makeRoom();
  }

  #acceptsIncoming(connection: PeerConnection): boolean {
    const { host } = connection.remote;
    const sessions = [...this.#peers.values()];
    const near = sessions.filter(({ prefix }) => prefix === addressPrefix(host));
    if (isCrowding(host, near, MAX_PEERS) && !this.#makeRoom(near)) return false;
    const incoming = sessions.filter((each) => each.connection.incoming);
    if (incoming.length >= MAX_INCOMING && !this.#makeRoom(incoming)) return false;
    return this.#accepts(connection);
  }

  #hasRoom(now: Millis): boolean {
    return this.#peers.size < MAX_PEERS || [...this.#peers.values()].some((each) => this.#canGo(each, now));
  }

  #makeRoom(among: Iterable<MetadataSession> = this.#peers.values()): boolean {
    const now = this.#options.clock.now();
    let least: MetadataSession | undefined;
    for (const session of among) {
      if (!this.#canGo(session, now)) continue;
      if (least === undefined || session.given < least.given) least = session;
    }
    least?.connection.close('makes room for another');
    return least !== undefined;
  }

  /** Here for a while, and offers nothing or does not give it; or had its turn. */
  #canGo({ id, seatedAt }: MetadataSession, now: Millis): boolean {
    const hereMs = now - seatedAt;
    return hereMs >= TURN_MS || (hereMs >= PATIENCE_MS && !this.#assembly.isOfUse(id));
  }

  #onGossip({ connection, hearsay }: MetadataSession, payload: Uint8Array): void {
    const { candidates, clock, onPeersExchanged } = this.#options;
    const now = clock.now();
    const told = hearsay?.hear(now, connection.remote, payload);
    if (told === undefined) connection.close('floods peer exchange');
    else if (told.length > 0) {
      onPeersExchanged?.(told.length);
      for (const { host, port } of told) candidates.add(now, { host, port }, 'pex', connection.remote);
      this.#fill();
    }
  }

  #seat(connection: PeerConnection, source: PeerSourceName): void {
    const id = ++this.#lastId;
    const session: MetadataSession = new MetadataSession(id, connection, source, this.#options.clock.now(), {
      onOffer: (sizeBytes) => {
        if (this.#assembly.onPeer(id, sizeBytes)) this.#ask();
      },
      onMessage: (message) => this.#onMessage(id, session, message),
      onExtended: (name, payload) => {
        if (name === this.#options.pex?.name) this.#onGossip(session, payload);
      },
      onDhtPort: (port) => this.#options.onDhtNode({ host: connection.remote.host, port }),
      onClosed: (reason) => this.#onClosed(id, session, reason),
    });
    if (this.#options.pex !== undefined) session.hearsay = new Hearsay(this.#options.pex);
    this.#peers.set(id, session);
    connection.handler = session;
    if (connection.fast) connection.bitfield(NOTHING);
    this.#options.onPeerConnected(connection.remote, source);
  }

  #onClosed(id: number, { connection }: MetadataSession, reason: CloseReason): void {
    if (this.#isOver) return;
    this.#peers.delete(id);
    this.#assembly.onPeerGone(id);
    const { candidates, clock } = this.#options;
    if (!connection.incoming) {
      if (reason.kind === 'violation') candidates.onFailed(clock.now(), connection.remote);
      else candidates.onClosed(clock.now(), connection.remote, false);
    }
    this.#options.onPeerClosed(connection.remote, reason);
    this.#ask();
    this.#fill();
  }

  // ─── The dictionary ────────────────────────────────────────────────────────────────────────────────────

  #onMessage(id: number, session: MetadataSession, message: MetadataMessage): void {
    const { connection } = session;
    const { piece } = message;
    if (message.kind === 'data') {
      session.given++;
      const fault = this.#assembly.onData(id, piece, message.totalBytes, message.bytes);
      if (fault !== undefined) this.#ban(id, `sent ${fault}`);
    } else if (message.kind === 'reject') this.#assembly.onReject(id, piece, this.#options.clock.now());
    // Nobody can have it from us yet.
    else connection.metadata({ kind: 'reject', piece });
    for (const liar of this.#assembly.takeLiars()) this.#ban(liar, 'sent metadata that is not the torrent’s');
    const { done } = this.#assembly;
    if (done === undefined) this.#ask();
    else if (!this.#isOver && !this.#isTold) {
      this.#isTold = true;
      this.#options.onMetadata(done);
    }
  }

  #ask(): void {
    const now = this.#options.clock.now();
    for (const [id, { connection }] of this.#peers) {
      for (;;) {
        const piece = this.#assembly.next(id, now);
        if (piece === undefined) break;
        connection.metadata({ kind: 'request', piece });
      }
    }
  }

  #ban(id: number, reason: string): void {
    const session = this.#peers.get(id);
    if (session === undefined) return;
    const { remote } = session.connection;
    this.#options.candidates.ban(remote);
    this.#options.onPeerBanned(remote, reason);
    session.connection.close(reason);
  }

  #tick(): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#assembly.expire(now);
    this.#ask();
    this.#fill();
    if (now >= this.#wantAt) {
      this.#wantAt = asMillis(now + WANT_PEERS_MS);
      this.#options.wantPeers();
    }
    if (!this.#isOver) this.#timer = clock.schedule(asMillis(now + TICK_MS), () => this.#tick());
  }
}

interface SessionOwner {
  onOffer(sizeBytes: number): void;
  onMessage(message: MetadataMessage): void;
  onExtended(name: string, payload: Uint8Array): void;
  onDhtPort(port: number): void;
  onClosed(reason: CloseReason): void;
}

/** One connection: remembers what the swarm that comes after has to know. */
class MetadataSession implements PeerHandler, MetConnection {
  hearsay: Hearsay | undefined;
  /** Messages with a piece. */
  given = 0;
  readonly prefix: string;
  #handshake: ExtendedHandshake | undefined;
  #dhtPort: number | undefined;
  #isInterested = false;
  #isUnchoked = false;

  constructor(
    readonly id: number,
    readonly connection: PeerConnection,
    readonly source: PeerSourceName,
    readonly seatedAt: Millis,
    readonly owner: SessionOwner,
  ) {
    this.prefix = addressPrefix(connection.remote.host);
  }

  replay(handler: PeerHandler): void {
    if (this.#handshake !== undefined) handler.onExtendedHandshake(this.#handshake);
    if (this.#dhtPort !== undefined) handler.onDhtPort(this.#dhtPort);
    if (this.#isInterested) handler.onInterested();
    if (this.#isUnchoked) handler.onUnchoke();
  }

  onExtendedHandshake(handshake: ExtendedHandshake): void {
    this.#handshake = handshake;
    const { metadataSize, extensions } = handshake;
    if (metadataSize !== undefined && extensions.has('ut_metadata')) this.owner.onOffer(metadataSize);
  }

  onMetadata(message: MetadataMessage): void {
    this.owner.onMessage(message);
  }

  onExtended(name: string, payload: Uint8Array): void {
    this.owner.onExtended(name, payload);
  }

  onChoke(): void {
    this.#isUnchoked = false;
  }

  onUnchoke(): void {
    this.#isUnchoked = true;
  }

  onInterested(): void {
    this.#isInterested = true;
  }

  onNotInterested(): void {
    this.#isInterested = false;
  }

  onDhtPort(port: number): void {
    this.#dhtPort = port;
    this.owner.onDhtPort(port);
  }

  onClose(reason: CloseReason): void {
    this.owner.onClosed(reason);
  }

  // The connection keeps what it hears of pieces until their number is known.
  onHave(): void {}
  onBitfield(): void {}
  onRequest(): void {}
  onCancel(): void {}
  onReject(): void {}
  onBlock(): void {}
  onSuggest(): void {}
  onAllowedFast(): void {}
  onReadEnd(): void {}
  onDrain(): void {}
}
