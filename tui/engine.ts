/** All that the dashboard knows of the engine: its snapshot and the sanitiser for foreign text. */
export type {
  EngineSnapshot,
  FileSnapshot,
  LogLine,
  PeerSnapshot,
  TorrentPhase,
  TorrentSnapshot,
  TrackerSnapshot,
} from '../engine/index.js';
export { cellWidth, PIECE_STATE, printable } from '../engine/index.js';
