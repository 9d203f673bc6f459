/** Swarm state: what the parts of one torrent's swarm share. Each field has one writer, named beside it. */
import type { SwarmError } from '../errors.js';
import type { Bitfield } from '../policy/bitfield.js';
import type { BlockScheduler } from '../policy/block-scheduler.js';
import type { PiecePicker } from '../policy/piece-picker.js';
import type { RateMeter } from '../policy/rate-meter.js';
import type { TokenBucket } from '../policy/token-bucket.js';
import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { UplinkEstimate } from '../policy/upload-slots.js';
import type { CloseReason, PeerSourceName, PieceStore } from '../ports.js';
import type { Millis, PeerAddress, PieceIndex } from '../units.js';
import type { Peer } from './peer.js';
import type { Timers } from './timers.js';

/** What the swarm tells its owner. Called from inside the swarm: the owner does no heavy work here. */
export interface SwarmObserver {
  onPieceVerified(piece: PieceIndex): void;
  onPieceCorrupt(piece: PieceIndex): void;
  /** Peers told us of others (BEP 11). */
  onPeersExchanged?(count: number, toldBy: PeerAddress): void;
  /** A peer has a DHT node there. */
  onDhtNode?(address: PeerAddress): void;
  /** A peer sees us there. */
  onSeenAs?(from: PeerAddress, host: string): void;
  onPeerConnected(address: PeerAddress, source: PeerSourceName): void;
  onPeerClosed(address: PeerAddress, reason: CloseReason): void;
  onPeerBanned(address: PeerAddress, reason: string): void;
  /** Every wanted piece is verified. */
  onComplete(): void;
  /** The disk failed; nothing more is fetched or served. */
  onFailed(error: SwarmError): void;
}

export interface SwarmState {
  readonly geometry: TorrentGeometry;
  /** Verified pieces. Writer: downloading. */
  readonly have: Bitfield;
  /** Pieces of the chosen files. */
  readonly wanted: Bitfield;
  /** By id. Writer: swarm. */
  readonly peers: Map<number, Peer>;
  readonly picker: PiecePicker;
  readonly scheduler: BlockScheduler;
  readonly store: PieceStore;
  readonly timers: Timers;
  /** This torrent's and the engine's. */
  readonly downloadBuckets: readonly TokenBucket[];
  readonly uploadBuckets: readonly TokenBucket[];
  readonly totals: SwarmTotals;
  /** Payload of the whole swarm. Writers: downloading and uploading. */
  readonly downloadRate: RateMeter;
  readonly uploadRate: RateMeter;
  /** Writer: uploading. */
  readonly uplink: UplinkEstimate;
  readonly observer: SwarmObserver;
  now(): Millis;
  /** Closes a connection; its `onClose` does the rest. */
  drop(peer: Peer, reason: string): void;
  /** Who sits, or sat last, in a seat. */
  addressOf(seat: number): PeerAddress;
  /** Closes every connection from there and refuses it from now on. */
  ban(address: PeerAddress, reason: string): void;
  /** Writer: swarm. After a storage fault nothing is asked, stored or served. */
  failed: boolean;
  /** We show our pieces one by one. Written by Swarm. */
  superSeeding: boolean;
}

/** Why a connection was closed though nothing is wrong with the peer: others may have use for it (BEP 11). */
export const PARTED = {
  bothSeeds: 'both have everything',
  neitherWants: 'it wants nothing either',
  forAnother: 'makes room for another',
} as const;

/** Payload bytes of this session. Writers: downloading and uploading. */
export interface SwarmTotals {
  downloadedBytes: number;
  uploadedBytes: number;
  wastedBytes: number;
  corruptPieces: number;
}
