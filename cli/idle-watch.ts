/**
 * Idle watch: whether a download has come to a standstill, for `--timeout`. A check of what is on disk goes its own
 * pace and counts as long as it moves.
 */
import type { TorrentPhase } from '../engine/index.js';

/** A slow disk may need this long for one large piece, between two signs of life of a check. */
const MIN_CHECK_IDLE_MS = 60_000;

/** What moves of a torrent. */
export interface Watched {
  readonly phase: TorrentPhase;
  readonly downloadedBytes: number;
  /** 0…1 */
  readonly checkedShare: number;
}

export class IdleWatch {
  readonly #timeoutMs: number;
  #before: readonly Watched[] = [];
  #movedAt: number;

  constructor(timeoutMs: number, nowMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#movedAt = nowMs;
  }

  /** @returns who keeps everybody waiting for too long, if somebody does */
  observe(nowMs: number, torrents: readonly Watched[]): 'peers' | 'disk' | undefined {
    if (torrents.some((torrent, i) => hasMoved(torrent, this.#before[i]))) this.#movedAt = nowMs;
    this.#before = torrents;
    const idleMs = nowMs - this.#movedAt;
    if (torrents.some(({ phase }) => phase === 'checking'))
      return idleMs >= Math.max(this.#timeoutMs, MIN_CHECK_IDLE_MS) ? 'disk' : undefined;
    return idleMs >= this.#timeoutMs ? 'peers' : undefined;
  }
}

const hasMoved = (now: Watched, before: Watched | undefined): boolean =>
  now.phase !== before?.phase ||
  now.downloadedBytes !== before.downloadedBytes ||
  now.checkedShare !== before.checkedShare;
