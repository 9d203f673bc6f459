/** Torrent geometry: how one torrent's bytes are cut into pieces, and pieces into blocks (BEP 3). */
import { asPiece, BLOCK_BYTES, type PieceIndex } from '../units.js';

export class TorrentGeometry {
  readonly pieceCount: number;

  /** `pieceLength` ≥ 1 and `totalBytes` ≥ 0, both whole: the torrent parser has checked them. */
  constructor(
    readonly pieceLength: number,
    readonly totalBytes: number,
  ) {
    this.pieceCount = Math.ceil(totalBytes / pieceLength);
  }

  /** The edge check: undefined unless `index` names a piece of this torrent. */
  piece(index: number): PieceIndex | undefined {
    return Number.isInteger(index) && index >= 0 && index < this.pieceCount ? asPiece(index) : undefined;
  }

  /** Offset of the piece's first byte in the torrent. */
  pieceOffset(piece: PieceIndex): number {
    return piece * this.pieceLength;
  }

  /** `pieceLength`, except for the last piece. */
  pieceBytes(piece: PieceIndex): number {
    return piece === this.pieceCount - 1 ? this.totalBytes - piece * this.pieceLength : this.pieceLength;
  }

  blockCount(piece: PieceIndex): number {
    return Math.ceil(this.pieceBytes(piece) / BLOCK_BYTES);
  }

  /** `BLOCK_BYTES`, except for the last block of a piece. */
  blockBytes(piece: PieceIndex, block: number): number {
    return Math.min(BLOCK_BYTES, this.pieceBytes(piece) - block * BLOCK_BYTES);
  }
}
