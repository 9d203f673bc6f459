/** Frame layout: where the blocks of one piece lie among the headers of its `piece` messages (BEP 3). */

const BLOCK_BYTES = 16_384;
/** Length prefix, id, piece, begin. */
const HEADER_BYTES = 13;
const PIECE_ID = 7;

export class FrameLayout {
  readonly pieceCount: number;
  /** Of a whole piece. */
  readonly framesBytes: number;

  constructor(
    readonly totalBytes: number,
    readonly pieceLength: number,
  ) {
    this.pieceCount = Math.ceil(totalBytes / pieceLength);
    this.framesBytes = this.#framesBytes(pieceLength);
  }

  /** Wire bytes of one piece. */
  framesBytesOf(piece: number): number {
    return this.#framesBytes(this.#pieceBytes(piece));
  }

  /** Views of its blocks inside `frames`. */
  blocksOf(piece: number, frames: Uint8Array): Uint8Array[] {
    const blocks: Uint8Array[] = [];
    const pieceBytes = this.#pieceBytes(piece);
    for (let begin = 0, at = 0; begin < pieceBytes; begin += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, pieceBytes - begin);
      blocks.push(frames.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length));
      at += HEADER_BYTES + length;
    }
    return blocks;
  }

  writeHeaders(piece: number, frames: Uint8Array): void {
    const view = new DataView(frames.buffer, frames.byteOffset);
    const pieceBytes = this.#pieceBytes(piece);
    for (let begin = 0, at = 0; begin < pieceBytes; begin += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, pieceBytes - begin);
      view.setUint32(at, length + HEADER_BYTES - 4);
      view.setUint8(at + 4, PIECE_ID);
      view.setUint32(at + 5, piece);
      view.setUint32(at + 9, begin);
      at += HEADER_BYTES + length;
    }
  }

  #pieceBytes(piece: number): number {
    return Math.min(this.pieceLength, this.totalBytes - piece * this.pieceLength);
  }

  #framesBytes(pieceBytes: number): number {
    return pieceBytes + HEADER_BYTES * Math.ceil(pieceBytes / BLOCK_BYTES);
  }
}
