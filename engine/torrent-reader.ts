/** Torrent reader: verified bytes in order, waiting for pieces that are not there yet. */
import type { SwarmError } from './errors.js';
import type { TorrentGeometry } from './policy/torrent-geometry.js';
import type { OpenTorrentStore } from './storage/storage.js';
import { asPiece, type PieceIndex } from './units.js';

/** Bytes of one read. */
const READ_BYTES = 256 * 1024;

/** Somebody who reads; what is told of where it is. */
export interface ReadObserver {
  /** It comes to `next`, and reads until before `end`. */
  onReading(reader: object, next: PieceIndex, end: number): void;
  onDone(reader: object): void;
}

interface Waiter {
  resolve(): void;
  reject(error: SwarmError): void;
}

export class TorrentReader {
  readonly #geometry: TorrentGeometry;
  readonly #observer: ReadObserver;
  readonly #waiting = new Map<PieceIndex, Waiter[]>();
  #closed: SwarmError | undefined;

  constructor(geometry: TorrentGeometry, observer: ReadObserver) {
    this.#geometry = geometry;
    this.#observer = observer;
  }

  /** The bytes [from, to) of the torrent. @throws SwarmError once closed, or when the disk fails */
  async *read(
    opened: Promise<OpenTorrentStore | undefined>,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array> {
    const files = await opened;
    const { pieceLength } = this.#geometry;
    const reader = {};
    const end = Math.ceil(to / pieceLength);
    let told = -1;
    try {
      for (let at = from; at < to; ) {
        const piece = asPiece(Math.floor(at / pieceLength));
        if (piece !== told) this.#observer.onReading(reader, piece, end);
        told = piece;
        while (files?.have.get(piece) !== true) await this.#wait(piece);
        const pieceEnd = this.#geometry.pieceOffset(piece) + this.#geometry.pieceBytes(piece);
        const bytes = await files.readRange(at, Math.min(READ_BYTES, pieceEnd - at, to - at));
        at += bytes.length;
        yield bytes;
      }
    } finally {
      this.#observer.onDone(reader);
    }
  }

  onPiece(piece: PieceIndex): void {
    for (const { resolve } of this.#waiting.get(piece) ?? []) resolve();
    this.#waiting.delete(piece);
  }

  /** Whoever waits for a piece learns why it will not come. */
  close(error: SwarmError): void {
    this.#closed ??= error;
    for (const waiters of this.#waiting.values()) for (const { reject } of waiters) reject(error);
    this.#waiting.clear();
  }

  #wait(piece: PieceIndex): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(piece);
      if (waiters === undefined) this.#waiting.set(piece, [{ resolve, reject }]);
      else waiters.push({ resolve, reject });
    });
  }
}
