/** Viewer: plays the content of a peer while it downloads, at a steady rate, and counts how often it had to wait. */
import type { ReadingWindows } from '../engine/policy/reading-windows.js';
import type { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { Clock } from '../engine/ports.js';
import { asMillis, asPiece, type PieceIndex } from '../engine/units.js';

/** It begins with so much in store. */
const START_MS = 10_000;

export interface ViewerParts {
  readonly geometry: TorrentGeometry;
  readonly clock: Clock;
  /** What it plays a second. */
  readonly kbit: number;
  /** Undefined for one that leaves the order to chance or to the torrent's. */
  readonly windows: ReadingWindows<Viewer> | undefined;
  readonly has: (piece: PieceIndex) => boolean;
}

export class Viewer {
  readonly #parts: ViewerParts;
  readonly #joinedAt: number;
  readonly #pieceMs: number;
  /** The piece that is played next. */
  #next = 0;
  #waitsSince: number;
  /** How long it took until it began to play. */
  startMs: number | undefined;
  /** Pieces that were not there when their turn came, and how long it waited for them. */
  missed = 0;
  stalledMs = 0;

  constructor(parts: ViewerParts) {
    this.#parts = parts;
    this.#joinedAt = parts.clock.now();
    this.#waitsSince = this.#joinedAt;
    this.#pieceMs = (parts.geometry.pieceLength * 8 * 1000) / 1024 / parts.kbit;
    this.#look();
  }

  /** Share of the pieces that were there in time. */
  get onTime(): number {
    return 1 - this.missed / this.#parts.geometry.pieceCount;
  }

  onPiece(piece: PieceIndex): void {
    const now = this.#parts.clock.now();
    if (this.startMs === undefined) {
      const needed = Math.min(Math.ceil(START_MS / this.#pieceMs), this.#parts.geometry.pieceCount);
      for (let index = 0; index < needed; index++) if (!this.#parts.has(asPiece(index))) return;
      this.startMs = now - this.#joinedAt;
      this.#play();
    } else if (piece === this.#next && this.#waitsSince >= 0) {
      this.stalledMs += now - this.#waitsSince;
      this.#play();
    }
  }

  /** The next piece is there. */
  #play(): void {
    const { clock, geometry, has } = this.#parts;
    this.#waitsSince = -1;
    this.#next++;
    if (this.#next === geometry.pieceCount) return;
    this.#look();
    clock.schedule(asMillis(clock.now() + this.#pieceMs), () => {
      if (has(asPiece(this.#next))) {
        this.#play();
        return;
      }
      this.missed++;
      this.#waitsSince = clock.now();
    });
  }

  /** Tells what is due when: the next piece when the one that plays has ended, or now. */
  #look(): void {
    const { clock, geometry, windows } = this.#parts;
    const dueAt = asMillis(clock.now() + (this.#waitsSince < 0 ? this.#pieceMs : 0));
    windows?.move(this, asPiece(this.#next), geometry.pieceCount, dueAt, this.#pieceMs);
  }
}
