/**
 * Piece frames: the layout of ready-made `piece` messages (BEP 3) of one stretch of a piece, cut at BLOCK_BYTES, and
 * copies of it that are cut otherwise.
 */
import { BLOCK_BYTES } from '../units.js';

/** `<u32 length><u8 7><u32 piece><u32 begin>` */
const HEADER_BYTES = 13;
const PIECE_MESSAGE = 7;
/** What a whole block takes. */
export const FRAME_BYTES = HEADER_BYTES + BLOCK_BYTES;

/** Bytes of the messages that carry `length` bytes. */
export const framesBytes = (length: number): number =>
  length + HEADER_BYTES * Math.ceil(length / BLOCK_BYTES);

/** Writes the headers for [begin, begin + length) of `piece`; what they head goes where framePayloads says. */
export function writeFrameHeaders(frames: Buffer, piece: number, begin: number, length: number): void {
  let at = 0;
  for (let done = 0; done < length; done += BLOCK_BYTES) {
    const blockBytes = Math.min(BLOCK_BYTES, length - done);
    writeHeader(frames, at, piece, begin + done, blockBytes);
    at += HEADER_BYTES + blockBytes;
  }
}

/** The gaps between the headers for [from, from + length) of the stretch's bytes, in order. */
export function framePayloads(frames: Buffer, from: number, length: number): Buffer[] {
  const gaps: Buffer[] = [];
  for (let at = from; at < from + length; ) {
    const block = Math.floor(at / BLOCK_BYTES);
    const end = Math.min((block + 1) * BLOCK_BYTES, from + length);
    const shift = HEADER_BYTES * (block + 1);
    gaps.push(frames.subarray(shift + at, shift + end));
    at = end;
  }
  return gaps;
}

/** Messages of `blockBytes` each for [begin, begin + blocks × blockBytes) of `piece`, out of the stretch at `from`. */
export function copyFrames(
  frames: Buffer,
  from: number,
  piece: number,
  begin: number,
  blockBytes: number,
  blocks: number,
): Buffer {
  const copy = Buffer.allocUnsafe(blocks * (HEADER_BYTES + blockBytes));
  let at = 0;
  for (let block = 0; block < blocks; block++) {
    const blockBegin = begin + block * blockBytes;
    writeHeader(copy, at, piece, blockBegin, blockBytes);
    at += HEADER_BYTES;
    for (const part of framePayloads(frames, blockBegin - from, blockBytes)) at += part.copy(copy, at);
  }
  return copy;
}

function writeHeader(frames: Buffer, at: number, piece: number, begin: number, blockBytes: number): void {
  frames.writeUInt32BE(9 + blockBytes, at);
  frames[at + 4] = PIECE_MESSAGE;
  frames.writeUInt32BE(piece, at + 5);
  frames.writeUInt32BE(begin, at + 9);
}
