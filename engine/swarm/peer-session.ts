/** Peer session: routes what one connection says to the parts of the swarm. */
import type { Bitfield } from '../policy/bitfield.js';
import type { CloseReason, ExtendedHandshake, MetadataMessage, PeerHandler } from '../ports.js';
import type { PieceIndex } from '../units.js';
import type { Choking } from './choking.js';
import type { Downloading } from './downloading.js';
import type { Gossip } from './gossip.js';
import type { MetadataServing } from './metadata-serving.js';
import type { Peer } from './peer.js';
import type { SuperSeeding } from './super-seeding.js';
import type { SwarmState } from './swarm-state.js';
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

export class PeerSession implements PeerHandler {
  readonly #peer: Peer;
  readonly #parts: SwarmParts;

  constructor(peer: Peer, parts: SwarmParts) {
    this.#peer = peer;
    this.#parts = parts;
  }

  onChoke(): void {
    this.#parts.downloading.onChoke(this.#peer);
  }

  onUnchoke(): void {
    this.#parts.downloading.onUnchoke(this.#peer);
  }

  onInterested(): void {
    this.#parts.choking.onInterested(this.#peer);
    this.#parts.superSeeding?.onInterest(this.#peer);
  }

  onNotInterested(): void {
    this.#parts.choking.onNotInterested(this.#peer);
    this.#parts.superSeeding?.onInterest(this.#peer);
  }

  onHave(piece: PieceIndex): void {
    const { downloading, superSeeding, state } = this.#parts;
    downloading.onHave(this.#peer, piece);
    superSeeding?.onHave(this.#peer, piece);
    if (this.#peer.isSeed) dropIfUseless(state, this.#peer);
  }

  onBitfield(pieces: Bitfield): void {
    const { downloading, superSeeding, state } = this.#parts;
    downloading.onBitfield(this.#peer, pieces);
    superSeeding?.onBitfield(this.#peer, pieces);
    dropIfUseless(state, this.#peer);
  }

  onRequest(piece: PieceIndex, begin: number, length: number): void {
    this.#parts.superSeeding?.onRequest(this.#peer, piece);
    this.#parts.uploading.onRequest(this.#peer, piece, begin, length);
  }

  onCancel(piece: PieceIndex, begin: number, length: number): void {
    this.#parts.uploading.onCancel(this.#peer, piece, begin, length);
  }

  onReject(piece: PieceIndex, begin: number): void {
    this.#parts.downloading.onReject(this.#peer, piece, begin);
  }

  onBlock(piece: PieceIndex, begin: number, block: Uint8Array): void {
    this.#parts.downloading.onBlock(this.#peer, piece, begin, block);
  }

  onSuggest(): void {}

  onAllowedFast(piece: PieceIndex): void {
    this.#parts.downloading.onAllowedFast(this.#peer, piece);
  }

  onExtendedHandshake(handshake: ExtendedHandshake): void {
    const { client, requestQueue, listenPort, uploadOnly, prefersEncryption, yourIp } = handshake;
    const peer = this.#peer;
    const { remote } = peer.connection;
    if (yourIp !== undefined) this.#parts.state.observer.onSeenAs?.(remote, yourIp);
    // A later handshake may say only what is new.
    if (handshake.extensions.size > 0) peer.extensions = handshake.extensions;
    peer.prefersEncryption = prefersEncryption ?? peer.prefersEncryption;
    if (client !== undefined && peer.client === '') {
      peer.client = client;
      this.#parts.superSeeding?.onClient(peer);
    }
    if (requestQueue !== undefined) peer.pipeline.setPeerQueue(requestQueue);
    if (listenPort !== undefined) peer.listenAddress ??= { host: remote.host, port: listenPort };
    peer.uploadOnly = uploadOnly ?? peer.uploadOnly;
    this.#parts.gossip?.onExtendedHandshake(peer);
    if (uploadOnly !== undefined) dropIfUseless(this.#parts.state, peer);
  }

  onExtended(name: string, payload: Uint8Array): void {
    this.#parts.gossip?.onMessage(this.#peer, name, payload);
  }

  onMetadata(message: MetadataMessage): void {
    this.#parts.metadata.onMessage(this.#peer, message);
  }

  onDhtPort(port: number): void {
    const { host } = this.#peer.connection.remote;
    this.#parts.state.observer.onDhtNode?.({ host, port });
  }

  onReadEnd(): void {
    this.#parts.downloading.onReadEnd(this.#peer);
    this.#parts.uploading.pump(this.#peer);
  }

  onDrain(): void {
    this.#parts.uploading.pump(this.#peer);
  }

  onClose(reason: CloseReason): void {
    this.#parts.onClosed(this.#peer, reason);
  }
}

/** Two that want nothing (any more) have nothing to say to each other. */
export function dropIfUseless(state: SwarmState, peer: Peer): void {
  if (state.picker.wantedLeft > 0) return;
  if (peer.isSeed) state.drop(peer, 'both have everything');
  else if (peer.uploadOnly) state.drop(peer, 'it wants nothing either');
}
