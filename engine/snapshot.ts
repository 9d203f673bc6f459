/**
 * Snapshot: what the engine shows of itself. Plain, serialisable data: the dashboard, the live view and
 * `--json` draw nothing else, so they can sit in another process.
 *
 * Strings marked untrusted come from files, peers or trackers; whoever prints them passes them through
 * `printable()` (untrusted-text.ts) first.
 */
import type { ErrorCode } from './errors.js';
import type { Reachability } from './policy/reachability.js';
import type { CloseReason, PeerSourceName } from './ports.js';
import type { MappingFailure, MappingProtocol, Transport } from './units.js';

export type TorrentPhase =
  | 'metadata' // a magnet: peers are looked for that have what it names
  | 'checking' // reading resume data or hashing what is on disk
  | 'downloading'
  | 'seeding' // has everything wanted and serves it
  | 'stopping'
  | 'stopped'
  | 'failed';

export interface EngineSnapshot {
  /** Milliseconds since the engine was made. */
  readonly uptimeMs: number;
  readonly downloadBytesPerSecond: number;
  readonly uploadBytesPerSecond: number;
  /** What the user allowed over all torrents; 0 is without limit. */
  readonly limits: { readonly downloadBytesPerSecond: number; readonly uploadBytesPerSecond: number };
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly peerCount: number;
  readonly halfOpenCount: number;
  readonly arena: { readonly usedBytes: number; readonly totalBytes: number };
  /** Null where sockets are bound to no interface or address in particular. */
  readonly binding: BindingSnapshot | null;
  readonly portMapping: PortMappingSnapshot;
  readonly reachability: Reachability;
  /** Null where the option turns it off. */
  readonly dht: DhtSnapshot | null;
  readonly torrents: readonly TorrentSnapshot[];
  /** The latest lines, oldest first; bounded. */
  readonly log: readonly LogLine[];
}

export type { Reachability };

/** The one interface or address that everything is sent from. */
export interface BindingSnapshot {
  /** What the user named. */
  readonly target: string;
  /** While it is lost nothing is sent. */
  readonly state: 'bound' | 'lost';
  /** Addresses that sockets are bound to now: at most one of each family. */
  readonly hosts: readonly string[];
  /** The kernel keeps what is sent on the interface; otherwise the routes do, as far as we see. */
  readonly pinned: boolean;
  /** Why it is lost; empty while it is not. */
  readonly message: string;
}

/** What the router does for us. */
export interface PortMappingSnapshot {
  readonly state: 'off' | 'searching' | 'mapped' | 'failed';
  /** How, while mapped. */
  readonly protocol: MappingProtocol | null;
  /** Its address on our network. */
  readonly gateway: string | null;
  /** Ours on that network. */
  readonly localHost: string | null;
  /** The router's own on the other side, as it says. */
  readonly externalHost: string | null;
  readonly mappings: readonly PortMapping[];
  /** Why not, while failed; for programs and for people. Untrusted. */
  readonly failure: MappingFailure | null;
  readonly message: string;
}

/** The router was not asked. */
export const NO_PORT_MAPPING: PortMappingSnapshot = {
  state: 'off',
  protocol: null,
  gateway: null,
  localHost: null,
  externalHost: null,
  mappings: [],
  failure: null,
  message: '',
};

export interface PortMapping {
  readonly transport: Transport;
  readonly internalPort: number;
  readonly externalPort: number;
  /** How long the router keeps it unless it is renewed; 0 is for ever. */
  readonly leaseSeconds: number;
}

export interface LogLine {
  readonly atMs: number;
  readonly level: 'info' | 'warn' | 'error';
  /** Untrusted. */
  readonly text: string;
}

export interface TorrentSnapshot {
  readonly infoHash: string;
  /** Untrusted. */
  readonly name: string;
  readonly phase: TorrentPhase;
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } | null;
  /** Of everything in the torrent. */
  readonly totalBytes: number;
  /** Of the files chosen. */
  readonly wantedBytes: number;
  /** Verified and wanted. */
  readonly haveBytes: number;
  /** Share of the check that is done, 0…1, while `checking`. */
  readonly checkedShare: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly havePieces: number;
  /** One PIECE_STATE a piece; for the piece map. */
  readonly pieceStates: Uint8Array;
  /** How many connected peers have each piece, capped at 255. */
  readonly pieceAvailability: Uint8Array;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  /** Received and thrown away: duplicates, unasked, of corrupt pieces. */
  readonly wastedBytes: number;
  readonly corruptPieces: number;
  readonly downloadBytesPerSecond: number;
  readonly uploadBytesPerSecond: number;
  /** Seconds until done at the present rate; null when unknown. */
  readonly etaSeconds: number | null;
  readonly connectedPeers: number;
  readonly connectedSeeds: number;
  readonly candidatePeers: number;
  readonly bannedPeers: number;
  readonly peers: readonly PeerSnapshot[];
  readonly trackers: readonly TrackerSnapshot[];
  readonly files: readonly FileSnapshot[];
  /** While `metadata`: peers that say they have it, and how much of it is here, 0…1. */
  readonly metadata?: { readonly holders: number; readonly share: number };
}

/** Values of `TorrentSnapshot.pieceStates`. */
export const PIECE_STATE = { missing: 0, requested: 1, verifying: 2, have: 3, unwanted: 4 } as const;

export interface PeerSnapshot {
  readonly host: string;
  readonly port: number;
  /** Untrusted. */
  readonly client: string;
  readonly source: PeerSourceName;
  readonly incoming: boolean;
  /** Everything is RC4; a handshake alone that was is not enough. */
  readonly encrypted: boolean;
  readonly downloadBytesPerSecond: number;
  readonly uploadBytesPerSecond: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  /** Share of the torrent that the peer has, 0…1. */
  readonly progress: number;
  readonly amChoking: boolean;
  readonly amInterested: boolean;
  readonly peerChoking: boolean;
  readonly peerInterested: boolean;
  /** Unchoked by chance, not by merit. */
  readonly optimistic: boolean;
  /** Blocks asked of it and not yet here. */
  readonly outstandingRequests: number;
  readonly requestLimit: number;
  /** Its requests that we have yet to answer. */
  readonly queuedUploads: number;
}

export interface TrackerSnapshot {
  /** Untrusted. */
  readonly url: string;
  readonly tier: number;
  readonly state: 'idle' | 'announcing' | 'working' | 'failed';
  /** Untrusted: its failure reason or warning, or our reason. */
  readonly message: string;
  readonly seeders: number | null;
  readonly leechers: number | null;
  readonly peersReceived: number;
  readonly nextAnnounceInSeconds: number | null;
}

export interface FileSnapshot {
  /** Its place in the torrent: padding files (BEP 47) have one too and are not shown. */
  readonly index: number;
  /** Relative, `/`-separated. Untrusted. */
  readonly path: string;
  readonly lengthBytes: number;
  readonly haveBytes: number;
  readonly wanted: boolean;
}

/** Public events of a torrent; each is also one line of `--json`. */
export type TorrentEvent =
  | { readonly type: 'checked'; readonly haveBytes: number; readonly totalBytes: number }
  | { readonly type: 'piece'; readonly piece: number }
  | { readonly type: 'piece-failed'; readonly piece: number }
  | {
      readonly type: 'peer-connected';
      readonly host: string;
      readonly port: number;
      readonly source: PeerSourceName;
    }
  | {
      readonly type: 'peer-disconnected';
      readonly host: string;
      readonly port: number;
      readonly reason: CloseReason;
    }
  | { readonly type: 'peer-banned'; readonly host: string; readonly port: number; readonly reason: string }
  | { readonly type: 'peers-found'; readonly source: PeerSourceName; readonly count: number }
  | {
      readonly type: 'tracker';
      readonly url: string;
      readonly state: TrackerSnapshot['state'];
      readonly message: string;
    }
  /** What a magnet names is known. `name` is untrusted. */
  | { readonly type: 'metadata'; readonly name: string; readonly totalBytes: number }
  | { readonly type: 'complete'; readonly haveBytes: number }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string };

/** The DHT node, for the dashboard and `--json`. */
export interface DhtSnapshot {
  /** `joining`: asking for the first nodes; `offline`: nobody answers. */
  readonly state: 'off' | 'joining' | 'ready' | 'offline';
  /** Nodes in the routing table. */
  readonly nodes4: number;
  readonly nodes6: number;
  /** 0: no such socket. */
  readonly port4: number;
  readonly port6: number;
  /** Our addresses as other nodes see them; null when not known. */
  readonly externalHost4: string | null;
  readonly externalHost6: string | null;
  /** It answers nobody, for nobody can reach it (BEP 43). */
  readonly readOnly: boolean;
  readonly lookups: number;
  readonly queriesSent: number;
  readonly datagramsReceived: number;
  readonly datagramsDropped: number;
  /** What others left with us. */
  readonly storedInfoHashes: number;
  readonly storedPeers: number;
  readonly storedItems: number;
}
