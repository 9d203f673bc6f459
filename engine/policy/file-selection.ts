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

  /** @param files wanted or not, in torrent order; all when left out */
  constructor(
    readonly layout: FileLayout,
    geometry: TorrentGeometry,
    readonly files: readonly boolean[] = layout.files.map(() => true),
  ) {
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
}
