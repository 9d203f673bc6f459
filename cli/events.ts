/** Events: every line that --json can print. docs/json-events.md explains them to users. */
import type { Finding, Verdict } from '../engine/diagnose.js';
import type {
  BindingSnapshot,
  EngineSnapshot,
  Magnet,
  TorrentDescription,
  TorrentEvent,
  TorrentPhase,
  VerifiedFile,
} from '../engine/index.js';
import type { RunningTracker } from '../tracker/index.js';

/** One a piece is for programs that link the library; `progress` sums them up. */
type ToldTorrentEvent = Exclude<TorrentEvent, { readonly type: 'piece' }>;
type OfTorrent<Event> = Event extends unknown ? Event & { readonly infoHash: string } : never;

export interface TorrentProgress {
  readonly infoHash: string;
  readonly phase: TorrentPhase;
  readonly haveBytes: number;
  readonly wantedBytes: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
  readonly wastedBytes: number;
  readonly etaSeconds: number | null;
}

export interface CopyProgress {
  readonly name: string;
  readonly haveBytes: number;
  readonly downloadedBytes: number;
  readonly uploadedBytes: number;
}

type TrackerStats = ReturnType<RunningTracker['stats']>;

export type CommandEvent =
  // Any command.
  | {
      readonly type: 'error';
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly source?: string;
    }
  | { readonly type: 'interrupted'; readonly message: string }
  | { readonly type: 'hashing'; readonly doneBytes: number; readonly totalBytes: number }
  // get and seed.
  | ({ readonly type: 'binding' } & BindingSnapshot)
  | ({ readonly type: 'reachability' } & EngineSnapshot['reachability'])
  | { readonly type: 'searching'; readonly infoHash: string; readonly name: string | null }
  | OfTorrent<ToldTorrentEvent>
  | {
      readonly type: 'added';
      readonly infoHash: string;
      readonly name: string;
      readonly totalBytes: number;
      readonly pieceCount: number;
      readonly fileCount: number;
    }
  | {
      readonly type: 'progress';
      readonly downloadBytesPerSecond: number;
      readonly uploadBytesPerSecond: number;
      readonly peers: number;
      readonly torrents: readonly TorrentProgress[];
    }
  | {
      readonly type: 'seeding';
      readonly infoHash: string;
      readonly name: string;
      readonly magnet: string;
      readonly totalBytes: number;
      readonly port: number | null;
    }
  | {
      readonly type: 'summary';
      readonly infoHash: string;
      readonly name: string;
      readonly phase: TorrentPhase;
      readonly haveBytes: number;
      readonly wantedBytes: number;
      readonly downloadedBytes: number;
      readonly uploadedBytes: number;
      readonly ratio: number | null;
      readonly seconds: number;
    }
  // create, info, verify.
  | {
      readonly type: 'created';
      readonly file: string;
      readonly infoHash: string;
      readonly name: string;
      readonly magnet: string;
      readonly totalBytes: number;
      readonly pieceCount: number;
      readonly pieceLength: number;
    }
  | ({ readonly type: 'torrent' } & TorrentDescription)
  | ({ readonly type: 'magnet' } & Magnet)
  | {
      readonly type: 'file';
      readonly index: number;
      readonly path: string;
      readonly verdict: VerifiedFile['verdict'];
      readonly lengthBytes: number;
      readonly actualBytes: number | null;
    }
  | {
      readonly type: 'verified';
      readonly complete: boolean;
      readonly infoHash: string;
      readonly pieceCount: number;
      readonly goodPieces: number;
      readonly badPieces: readonly number[];
    }
  // tracker.
  | ({ readonly type: 'listening'; readonly urls: readonly string[] } & Pick<RunningTracker, 'http' | 'udp'>)
  | ({ readonly type: 'stats' } & TrackerStats)
  | ({ readonly type: 'stopped' } & TrackerStats)
  // doctor.
  | ({ readonly type: 'finding' } & Finding)
  | ({ readonly type: 'diagnosis' } & Readonly<Record<Verdict, number>>)
  // demo.
  | { readonly type: 'demo-progress'; readonly copies: readonly CopyProgress[] }
  | {
      readonly type: 'demo-complete';
      readonly seconds: number;
      readonly copies: number;
      readonly sentBySeedBytes: number;
      readonly sentByLeechersBytes: number;
    };
