/** Piece server: hands out a torrent's verified bytes, as wire frames to peers and as plain ranges to readers. */
import { SwarmError } from '../errors.js';
import type { Bitfield } from '../policy/bitfield.js';
import type { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { Frames } from '../ports.js';
import { BLOCK_BYTES, type PieceIndex } from '../units.js';
import type { FileReader } from './file-reader.js';
import { copyFrames, FRAME_BYTES, framePayloads, framesBytes, writeFrameHeaders } from './piece-frames.js';
import type { ExtentRange, ExtentReader, ReadCache } from './read-cache.js';

/**
 * What the read cache reads at once. Seeding 1 GiB costs 0.9 CPU s at 256 KiB, 0.7 at 512 KiB: each read is a trip
 * to the thread pool and back. More would let a peer that asks for single blocks make us read much for little.
 */
const EXTENT_BYTES = 512 * 1024;
/**
 * What an odd request that lies across the end of an extent is served from: a block on either side of it. The smallest
 * cache does not hold two extents at once.
 */
const SEAM_BYTES = 2 * BLOCK_BYTES;

export interface PieceServerHandler {
  /** Frames of this piece may be asked for again. */
  onFramesReady(piece: PieceIndex): void;
  onReadFailed(error: unknown): void;
}

export class PieceServer implements ExtentReader {
  readonly #geometry: TorrentGeometry;
  readonly #have: Bitfield;
  readonly #reader: FileReader;
  readonly #cache: ReadCache;
  readonly #handler: PieceServerHandler;
  readonly #extentsPerPiece: number;
  readonly #firstKey: number;
  /** Pieces asked for while the queue of the read cache was full. */
  readonly #refused = new Set<PieceIndex>();

  /** `have`: the verified pieces, kept up to date by its owner. */
  constructor(
    geometry: TorrentGeometry,
    have: Bitfield,
    reader: FileReader,
    cache: ReadCache,
    handler: PieceServerHandler,
  ) {
    this.#geometry = geometry;
    this.#have = have;
    this.#reader = reader;
    this.#cache = cache;
    this.#handler = handler;
    this.#extentsPerPiece = Math.ceil(geometry.pieceLength / EXTENT_BYTES);
    this.#firstKey = cache.reserveKeys(2 * geometry.pieceCount * this.#extentsPerPiece);
  }

  /** See PieceStore.frames. Undefined for ever when the request is not inside a verified piece. */
  frames(piece: PieceIndex, begin: number, blockBytes: number, blocks: number): Frames | undefined {
    const pieceBytes = this.#geometry.pieceBytes(piece);
    if (!this.#have.get(piece) || begin < 0 || blocks < 1 || blockBytes < 1) return undefined;
    if (blockBytes > BLOCK_BYTES || begin + blockBytes > pieceBytes) return undefined;
    const isWhole = blockBytes === BLOCK_BYTES || begin + blockBytes === pieceBytes;
    if (begin % BLOCK_BYTES !== 0 || !isWhole) return this.#oddFrames(piece, begin, blockBytes, blocks);

    const extent = Math.floor(begin / EXTENT_BYTES);
    const extentBegin = extent * EXTENT_BYTES;
    const extentEnd = Math.min(extentBegin + EXTENT_BYTES, pieceBytes);
    const count = Math.min(blocks, Math.max(1, Math.floor((extentEnd - begin) / blockBytes)));
    const from = ((begin - extentBegin) / BLOCK_BYTES) * FRAME_BYTES;
    const to = from + count * framesBytes(blockBytes);
    const key = this.#key(piece, extent);
    const frames = this.#cache.get(key, from, to, count);
    if (frames === undefined) this.#request(key, piece, extentBegin, extentEnd - extentBegin);
    return frames;
  }

  /** @throws SwarmError INPUT_INVALID when a byte of it is not verified yet, STORAGE_… when it cannot be read */
  async range(offset: number, length: number): Promise<Uint8Array> {
    this.#assertVerified(offset, length);
    const bytes = Buffer.allocUnsafe(length);
    await this.#reader.read(offset, length, (at, part) => [bytes.subarray(at, at + part)]);
    return bytes;
  }

  /** Resolves when nothing is being read. Frames that are out stay valid until released. */
  async close(): Promise<void> {
    this.#cache.drop(this);
    await this.#reader.close();
  }

  readExtent({ piece, begin, length }: ExtentRange, frames: Buffer): Promise<void> {
    writeFrameHeaders(frames, piece, begin, length);
    const offset = this.#geometry.pieceOffset(piece as PieceIndex) + begin;
    return this.#reader.read(offset, length, (at, part) => framePayloads(frames, at, part));
  }

  onExtentReady({ piece }: ExtentRange): void {
    this.#handler.onFramesReady(piece as PieceIndex);
  }

  onExtentFailed(error: unknown): void {
    this.#handler.onReadFailed(error);
  }

  onQueueRoom(): void {
    const pieces = [...this.#refused];
    this.#refused.clear();
    for (const piece of pieces) this.#handler.onFramesReady(piece);
  }

  /**
   * Requests off the grid are copied out of what is read for the others: with entries of their own, one peer could
   * make millions of them.
   */
  #oddFrames(piece: PieceIndex, begin: number, blockBytes: number, blocks: number): Frames | undefined {
    const pieceBytes = this.#geometry.pieceBytes(piece);
    const extent = Math.floor(begin / EXTENT_BYTES);
    const border = (extent + 1) * EXTENT_BYTES;
    const isSeam = begin + blockBytes > border;
    const from = isSeam ? border - SEAM_BYTES / 2 : extent * EXTENT_BYTES;
    const to = Math.min(from + (isSeam ? SEAM_BYTES : EXTENT_BYTES), pieceBytes);
    const key = this.#key(piece, extent) + (isSeam ? this.#geometry.pieceCount * this.#extentsPerPiece : 0);
    const frames = this.#cache.peek(key);
    if (frames === undefined) {
      this.#request(key, piece, from, to - from);
      return undefined;
    }
    const count = Math.min(blocks, Math.floor((to - begin) / blockBytes));
    const bytes = copyFrames(frames, from, piece, begin, blockBytes, count);
    return { bytes, blocks: count, release: () => {} };
  }

  #key(piece: PieceIndex, extent: number): number {
    return this.#firstKey + piece * this.#extentsPerPiece + extent;
  }

  #request(key: number, piece: PieceIndex, begin: number, length: number): void {
    if (!this.#cache.request(this, key, { piece, begin, length })) this.#refused.add(piece);
  }

  #assertVerified(offset: number, length: number): void {
    const { totalBytes, pieceLength } = this.#geometry;
    const isWhole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (!isWhole || offset < 0 || length < 0 || offset + length > totalBytes) {
      throw new SwarmError('INPUT_INVALID', `cannot read ${length} bytes at ${offset} of ${totalBytes}`, {
        offset,
        length,
      });
    }
    for (let piece = Math.floor(offset / pieceLength); piece * pieceLength < offset + length; piece++) {
      if (this.#have.get(piece as PieceIndex)) continue;
      throw new SwarmError('INPUT_INVALID', `piece ${piece} is not verified yet`, { piece });
    }
  }
}
