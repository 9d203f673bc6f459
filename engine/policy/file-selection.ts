/** File selection: which files of a torrent are wanted, and the pieces and bytes that follow from it. */
import { asPiece } from '../units.js';
import { Bitfield } from './bitfield.js';
import type { FileLayout } from './file-layout.js';
import type { TorrentGeometry } from './torrent-geometry.js';

export class FileSelection {
  /** Pieces that hold a byte of a wanted file. */
  readonly pieces: Bitfield;
  /** Bytes of the wanted files, padding left out. */
  readonly bytes: number;
  readonly #geometry: TorrentGeometry;

  /** @param files wanted or not, in torrent order; all when left out */
  constructor(
    readonly layout: FileLayout,
    geometry: TorrentGeometry,
    readonly files: readonly boolean[] = layout.files.map(() => true),
  ) {
    this.#geometry = geometry;
    this.pieces = new Bitfield(geometry.pieceCount);
    let bytes = 0;
    layout.files.forEach(({ lengthBytes, padding }, file) => {
      if (!files[file] || padding || lengthBytes === 0) return;
      bytes += lengthBytes;
      const offset = layout.offsetOf(file);
      const last = Math.floor((offset + lengthBytes - 1) / geometry.pieceLength);
      for (let piece = Math.floor(offset / geometry.pieceLength); piece <= last; piece++) {
        this.pieces.set(asPiece(piece));
      }
    });
    this.bytes = bytes;
  }

  /** Whether the file is wanted, or shares a piece with one that is: then it comes to exist too. */
  touches(file: number): boolean {
    if (this.files[file]) return true;
    const { lengthBytes = 0 } = this.layout.files[file] ?? {};
    if (lengthBytes === 0) return false;
    const offset = this.layout.offsetOf(file);
    const pieceAt = (byte: number) => asPiece(Math.floor(byte / this.#geometry.pieceLength));
    return this.pieces.get(pieceAt(offset)) || this.pieces.get(pieceAt(offset + lengthBytes - 1));
  }
}
