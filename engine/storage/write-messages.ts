/** Write messages: what the engine's thread and its write workers say to each other. */
import type { WriterTorrent } from './piece-writer.js';

export interface WorkerSetup {
  /** The arena. */
  readonly memory: SharedArrayBuffer;
}

/** Numbers only for a piece in the arena: an array of integers is the cheapest message that can be cloned. */
export type WriteJob = [
  torrent: number,
  piece: number,
  firstFd: number,
  lastFd: number,
  journalFd: number,
  /** 0, or the memory of a slot outside the arena. */
  memory: 0 | SharedArrayBuffer,
  ...runs: number[],
];

export type ToWorker =
  | WriteJob
  | { readonly open: number; readonly torrent: WriterTorrent }
  | { readonly close: number };

export const WRITTEN = 0;
export const UNJOURNALED = 1;
export const CORRUPT = 2;
export const FAILED = 3;

export type WriteAnswer = [
  torrent: number,
  piece: number,
  outcome: number,
  firstFd: number,
  lastFd: number,
  errno?: string,
  path?: string,
];
