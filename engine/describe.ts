/** Describe: what a torrent and its swarm look like from outside, as plain data. */
import type { Metainfo } from './metainfo/metainfo.js';
import type { FileSelection } from './policy/file-selection.js';
import { type FileSnapshot, type PeerSnapshot, PIECE_STATE, type TorrentSnapshot } from './snapshot.js';
import type { MetadataSwarm } from './swarm/metadata-swarm.js';
import type { Peer } from './swarm/peer.js';
import type { Swarm } from './swarm/swarm.js';
import type { SwarmState } from './swarm/swarm-state.js';
import { asPiece, type Millis, type PieceIndex } from './units.js';
import { clientName } from './wire/client-name.js';

/** Who it is, and who tells of its peers: as true of a magnet as of a torrent. */
type IdentityPart = 'infoHash' | 'name' | 'phase' | 'trackers';
/** What `TorrentSnapshot` holds once there is a swarm. */
type SwarmPart = Omit<
  TorrentSnapshot,
  IdentityPart | 'error' | 'totalBytes' | 'wantedBytes' | 'checkedShare' | 'pieceLength' | 'pieceCount'
>;

export function describeSwarm(
  metainfo: Metainfo,
  selection: FileSelection,
  swarm: Swarm,
  now: Millis,
): SwarmPart {
  const { state } = swarm;
  const files = describeFiles(metainfo, selection, state);
  const haveBytes = files.reduce((sum, file) => sum + (file.wanted ? file.haveBytes : 0), 0);
  const downloadBytesPerSecond = state.downloadRate.rate(now);
  const left = selection.bytes - haveBytes;
  return {
    haveBytes,
    havePieces: state.have.count,
    pieceStates: describePieces(state),
    pieceAvailability: state.picker.availability(),
    ...state.totals,
    downloadBytesPerSecond,
    uploadBytesPerSecond: state.uploadRate.rate(now),
    etaSeconds: left === 0 ? 0 : downloadBytesPerSecond > 0 ? left / downloadBytesPerSecond : null,
    connectedPeers: state.peers.size,
    connectedSeeds: [...state.peers.values()].filter((peer) => peer.isSeed).length,
    candidatePeers: swarm.candidateCount,
    bannedPeers: swarm.bannedCount,
    peers: [...state.peers.values()].map((peer) => describePeer(peer, now)),
    files,
  };
}

/** The same before there is a swarm: nothing yet. */
export function describeNoSwarm(metainfo: Metainfo, selection: FileSelection): SwarmPart {
  return {
    ...NO_SWARM,
    pieceStates: new Uint8Array(metainfo.pieceCount),
    pieceAvailability: new Uint8Array(metainfo.pieceCount),
    files: describeFiles(metainfo, selection, undefined),
  };
}

/** A torrent of which only its info-hash is known. */
export function describeMagnet(swarm: MetadataSwarm | undefined): Omit<TorrentSnapshot, IdentityPart> {
  const connections = swarm?.connections ?? [];
  return {
    ...NO_SWARM,
    error: null,
    totalBytes: 0,
    wantedBytes: 0,
    checkedShare: 0,
    pieceLength: 0,
    pieceCount: 0,
    connectedPeers: connections.length,
    candidatePeers: swarm?.candidateCount ?? 0,
    metadata: { holders: swarm?.holderCount ?? 0, share: swarm?.share ?? 0 },
    peers: connections.map(({ connection, source }) => ({
      ...STRANGER,
      host: connection.remote.host,
      port: connection.remote.port,
      client: clientName(connection.peerId),
      source,
      incoming: connection.incoming,
      encrypted: connection.encrypted,
    })),
  };
}

const NO_SWARM: SwarmPart = {
  haveBytes: 0,
  havePieces: 0,
  pieceStates: new Uint8Array(0),
  pieceAvailability: new Uint8Array(0),
  downloadedBytes: 0,
  uploadedBytes: 0,
  wastedBytes: 0,
  corruptPieces: 0,
  downloadBytesPerSecond: 0,
  uploadBytesPerSecond: 0,
  etaSeconds: null,
  connectedPeers: 0,
  connectedSeeds: 0,
  candidatePeers: 0,
  bannedPeers: 0,
  peers: [],
  files: [],
};

/** Nothing moves yet. */
const STRANGER = {
  downloadBytesPerSecond: 0,
  uploadBytesPerSecond: 0,
  downloadedBytes: 0,
  uploadedBytes: 0,
  progress: 0,
  amChoking: true,
  amInterested: false,
  peerChoking: true,
  peerInterested: false,
  optimistic: false,
  outstandingRequests: 0,
  requestLimit: 0,
  queuedUploads: 0,
} as const;

function describePeer(peer: Peer, now: Millis): PeerSnapshot {
  return {
    host: peer.connection.remote.host,
    port: peer.connection.remote.port,
    client: peer.client || clientName(peer.connection.peerId),
    source: peer.source,
    incoming: peer.connection.incoming,
    encrypted: peer.connection.encrypted,
    downloadBytesPerSecond: peer.contribution.recentRate(now),
    uploadBytesPerSecond: peer.uploadRate.rate(now),
    downloadedBytes: peer.downloadedBytes,
    uploadedBytes: peer.uploadedBytes,
    progress: peer.has.size === 0 ? 1 : peer.has.count / peer.has.size,
    amChoking: peer.amChoking,
    amInterested: peer.amInterested,
    peerChoking: peer.peerChoking,
    peerInterested: peer.peerInterested,
    optimistic: peer.optimistic,
    outstandingRequests: peer.pipeline.outstanding,
    requestLimit: peer.pipeline.limit,
    queuedUploads: peer.uploads.size,
  };
}

/** One PIECE_STATE a piece. */
function describePieces(state: SwarmState): Uint8Array {
  const states = new Uint8Array(state.geometry.pieceCount);
  for (let index = 0; index < states.length; index++) states[index] = stateOf(state, asPiece(index));
  return states;
}

function stateOf(state: SwarmState, piece: PieceIndex): number {
  if (state.have.get(piece)) return PIECE_STATE.have;
  if (state.scheduler.isComplete(piece)) return PIECE_STATE.verifying;
  if (state.scheduler.isBegun(piece)) return PIECE_STATE.requested;
  return state.wanted.get(piece) ? PIECE_STATE.missing : PIECE_STATE.unwanted;
}

function describeFiles(
  metainfo: Metainfo,
  selection: FileSelection,
  state: SwarmState | undefined,
): FileSnapshot[] {
  return metainfo.files.flatMap((file, index) => {
    if (file.padding) return [];
    const offset = selection.layout.offsetOf(index);
    const haveBytes = state === undefined ? 0 : verifiedBytes(state, offset, file.lengthBytes);
    return {
      index,
      path: file.diskPath,
      lengthBytes: file.lengthBytes,
      haveBytes,
      wanted: selection.files[index]!,
    };
  });
}

/** Verified bytes among [offset, offset + length) of the torrent. */
function verifiedBytes(state: SwarmState, offset: number, length: number): number {
  if (state.have.isFull) return length;
  const { pieceLength } = state.geometry;
  const end = offset + length;
  let bytes = 0;
  for (let index = Math.floor(offset / pieceLength); index * pieceLength < end; index++) {
    if (!state.have.get(asPiece(index))) continue;
    bytes += Math.min(end, (index + 1) * pieceLength) - Math.max(offset, index * pieceLength);
  }
  return bytes;
}
