/** Peer session: a peer that takes what its connection says, and routes it to the parts of the swarm. */
import type { Bitfield } from '../policy/bitfield.js';
import type { CloseReason, ExtendedHandshake, MetadataMessage, PeerHandler } from '../ports.js';
import type { PieceIndex } from '../units.js';
import type { Choking } from './choking.js';
import type { Downloading } from './downloading.js';
import type { Gossip } from './gossip.js';
import type { MetadataServing } from './metadata-serving.js';
import { type NewPeer, Peer } from './peer.js';
import type { SuperSeeding } from './super-seeding.js';
import { PARTED, type SwarmState } from './swarm-state.js';
import type { Uploading } from './uploading.js';

export interface SwarmParts {
  readonly state: SwarmState;
  readonly choking: Choking;
  readonly downloading: Downloading;
  readonly uploading: Uploading;
  readonly metadata: MetadataServing;
  /** While we show our pieces one by one. */
  superSeeding: SuperSeeding | undefined;
  /** Undefined where peers are not told of each other. */
  readonly gossip: Gossip | undefined;
  onClosed(peer: Peer, reason: CloseReason): void;
}

export class PeerSession extends Peer implements PeerHandler {
  readonly #parts: SwarmParts;

  constructor(peer: NewPeer, parts: SwarmParts) {
    super(peer);
    this.#parts = parts;
  }

  onChoke(): void {
    this.#parts.downloading.onChoke(this);
  }

  onUnchoke(): void {
    this.#parts.downloading.onUnchoke(this);
  }

  onInterested(): void {
    this.#parts.choking.onInterested(this);
    this.#parts.superSeeding?.onInterest(this);
  }

  onNotInterested(): void {
    this.#parts.choking.onNotInterested(this);
    this.#parts.superSeeding?.onInterest(this);
  }

  onHave(piece: PieceIndex): void {
    const { downloading, superSeeding, state } = this.#parts;
    if (!downloading.onHave(this, piece)) return;
    superSeeding?.onHave(this, piece);
    if (!this.isSeed) return;
    superSeeding?.settle();
    dropIfUseless(state, this);
  }

  onBitfield(pieces: Bitfield): void {
    const { downloading, superSeeding, state } = this.#parts;
    downloading.onBitfield(this, pieces);
    superSeeding?.onBitfield(this, pieces);
    superSeeding?.settle();
    dropIfUseless(state, this);
  }

  onRequest(piece: PieceIndex, begin: number, length: number): void {
    this.#parts.superSeeding?.onRequest(this, piece);
    this.#parts.uploading.onRequest(this, piece, begin, length);
  }

  onCancel(piece: PieceIndex, begin: number, length: number): void {
    this.#parts.uploading.onCancel(this, piece, begin, length);
  }

  onReject(piece: PieceIndex, begin: number): void {
    this.#parts.downloading.onReject(this, piece, begin);
  }

  onBlock(piece: PieceIndex, begin: number, block: Uint8Array): void {
    this.#parts.downloading.onBlock(this, piece, begin, block);
  }

  onSuggest(): void {}

  onAllowedFast(piece: PieceIndex): void {
    this.#parts.downloading.onAllowedFast(this, piece);
  }

  onExtendedHandshake(handshake: ExtendedHandshake): void {
    const { client, requestQueue, listenPort, uploadOnly, prefersEncryption, yourIp } = handshake;
    const { remote } = this.connection;
    if (yourIp !== undefined) this.#parts.state.observer.onSeenAs?.(remote, yourIp);
    // A later handshake may say only what is new.
    if (handshake.extensions.size > 0) this.extensions = handshake.extensions;
    this.prefersEncryption = prefersEncryption ?? this.prefersEncryption;
    if (client !== undefined && this.client === '') {
      this.client = client;
      this.#parts.superSeeding?.onClient(this);
    }
    if (requestQueue !== undefined) this.pipeline.setPeerQueue(requestQueue);
    if (listenPort !== undefined) this.listenAddress ??= { host: remote.host, port: listenPort };
    this.uploadOnly = uploadOnly ?? this.uploadOnly;
    this.#parts.gossip?.onExtendedHandshake(this);
    if (uploadOnly !== undefined) dropIfUseless(this.#parts.state, this);
  }

  onExtended(name: string, payload: Uint8Array): void {
    this.#parts.gossip?.onMessage(this, name, payload);
  }

  onMetadata(message: MetadataMessage): void {
    this.#parts.metadata.onMessage(this, message);
  }

  onDhtPort(port: number): void {
    const { host } = this.connection.remote;
    this.#parts.state.observer.onDhtNode?.({ host, port });
  }

  onReadEnd(): void {
    this.#parts.downloading.onReadEnd(this);
    this.#parts.superSeeding?.settle();
    // Whom we choke we owe nothing: that is most, and told by what is at hand already.
    if (!this.amChoking) this.#parts.uploading.pump(this);
  }

  onDrain(): void {
    this.#parts.uploading.pump(this);
  }

  onClose(reason: CloseReason): void {
    this.#parts.onClosed(this, reason);
  }
}

/** Two that want nothing (any more) have nothing to say to each other. */
export function dropIfUseless(state: SwarmState, peer: Peer): void {
  if (state.picker.wantedLeft > 0) return;
  if (peer.isSeed) state.drop(peer, PARTED.bothSeeds);
  else if (peer.uploadOnly) state.drop(peer, PARTED.neitherWants);
}
