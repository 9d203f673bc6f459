/** All that the dashboard knows of the engine: its snapshot and the sanitiser for foreign text. */
export type {
  EngineSnapshot,
  FileSnapshot,
  LogLine,
  PeerSnapshot,
  TorrentPhase,
  TorrentSnapshot,
  TrackerSnapshot,
} from '../engine/snapshot.js';
export { PIECE_STATE } from '../engine/snapshot.js';
export { cellWidth, printable } from '../engine/untrusted-text.js';
