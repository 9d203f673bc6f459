/**
 * Disk store: the PieceStore of one torrent on real files. Pieces are gathered in the arena, hashed and written by
 * the workers, and served through the read cache; this class only keeps who is where.
 *
 * Invariant: a piece under way has exactly one slot, and a slot is given back exactly once.
 */
import { SwarmError, storageError } from '../errors.js';
import type { Bitfield } from '../policy/bitfield.js';
import { FileLayout } from '../policy/file-layout.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { Frames, PieceStore, PieceStoreHandler } from '../ports.js';
import type { PieceIndex } from '../units.js';
import { type Arena, type ArenaShare, type ArenaSlot, copyIntoSlot, hashSlot } from './arena.js';
import { FileReader } from './file-reader.js';
import type { OpenFiles } from './open-files.js';
import { PieceServer } from './piece-server.js';
import type { WriterTorrent } from './piece-writer.js';
import type { ReadCache } from './read-cache.js';
import { CORRUPT, FAILED, UNJOURNALED, type WriteAnswer } from './write-messages.js';
import type { WriteClient, WriteWorkers } from './write-workers.js';

/** What the torrents of an engine share. */
export interface StorageParts {
  readonly arena: Arena;
  readonly cache: ReadCache;
  readonly openFiles: OpenFiles;
  readonly workers: WriteWorkers;
}

interface PieceUnderWay {
  readonly slot: ArenaSlot;
  state: 'begun' | 'finishing' | 'corrupt';
  /** Pinned descriptors of its first and last file; -1: none. */
  firstFd: number;
  lastFd: number;
}

const NO_HANDLER: PieceStoreHandler = {
  onPieceVerified: () => {},
  onPieceCorrupt: () => {},
  onFramesReady: () => {},
  onSlotFree: () => {},
  onStoreFailed: () => {},
};

export class DiskStore implements PieceStore, WriteClient {
  handler: PieceStoreHandler = NO_HANDLER;
  /** Called once, when the resume file cannot be written any more. */
  onJournalFailed: () => void = () => {};
  /** Verified pieces. */
  readonly have: Bitfield;
  readonly #geometry: TorrentGeometry;
  readonly #layout: FileLayout;
  readonly #torrent: WriterTorrent;
  readonly #parts: StorageParts;
  readonly #share: ArenaShare;
  readonly #server: PieceServer;
  readonly #workerId: number;
  readonly #fileKey: number;
  readonly #underWay = new Map<PieceIndex, PieceUnderWay>();
  #finishing = 0;
  #journalFd: number;
  readonly #isReadOnly: boolean;
  #failure: SwarmError | undefined;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  /** `have` is kept up to date. `journalFd` -1: no resume file; the caller closes it, after `close`. */
  constructor(
    torrent: WriterTorrent,
    have: Bitfield,
    parts: StorageParts,
    options: { journalFd: number; readOnly: boolean },
  ) {
    this.have = have;
    this.#torrent = torrent;
    this.#parts = parts;
    this.#layout = new FileLayout(torrent.files);
    this.#geometry = new TorrentGeometry(torrent.pieceLength, this.#layout.totalBytes);
    this.#journalFd = options.journalFd;
    this.#isReadOnly = options.readOnly;
    const slotBytes = Math.min(torrent.pieceLength, this.#layout.totalBytes);
    this.#share = parts.arena.open(slotBytes, () => {
      if (this.#isUsable) this.handler.onSlotFree();
    });
    this.#workerId = parts.workers.register(torrent, this);
    this.#fileKey = parts.openFiles.reserveKeys(torrent.files.length);
    const reader = new FileReader(torrent.root, torrent.files, this.#layout, parts.openFiles, this.#fileKey);
    this.#server = new PieceServer(this.#geometry, have, reader, parts.cache, {
      onFramesReady: (piece) => {
        if (this.#isUsable) this.handler.onFramesReady(piece);
      },
      onReadFailed: (error) => this.#fail(storageError(error, torrent.root)),
    });
  }

  // ─── Downloading ───────────────────────────────────────────────────────────────────────────────────────

  beginPiece(piece: PieceIndex): boolean {
    if (!this.#isUsable || this.#isReadOnly || this.#underWay.has(piece)) return false;
    const slot = this.#share.take();
    if (slot === undefined) return false;
    this.#underWay.set(piece, { slot, state: 'begun', firstFd: -1, lastFd: -1 });
    return true;
  }

  putBlock(piece: PieceIndex, begin: number, block: Uint8Array): void {
    const underWay = this.#underWay.get(piece);
    if (underWay?.state !== 'begun' || block.length === 0) return;
    this.#assertInside(piece, begin, block.length);
    copyIntoSlot(underWay.slot, begin, block);
  }

  finishPiece(piece: PieceIndex): void {
    const underWay = this.#underWay.get(piece);
    if (underWay?.state !== 'begun') return;
    underWay.state = 'finishing';
    this.#finishing++;
    const { first, last } = this.#edgeFiles(piece);
    const { openFiles, workers } = this.#parts;
    if (first >= 0) underWay.firstFd = openFiles.pin(this.#fileKey + first, true);
    if (last >= 0) underWay.lastFd = openFiles.pin(this.#fileKey + last, true);
    const { memory, runs } = underWay.slot;
    workers.submit([
      this.#workerId,
      piece,
      underWay.firstFd,
      underWay.lastFd,
      this.#journalFd,
      memory ?? 0,
      ...runs,
    ]);
  }

  abandonPiece(piece: PieceIndex): void {
    const underWay = this.#underWay.get(piece);
    if (underWay === undefined || underWay.state === 'finishing') return;
    this.#underWay.delete(piece);
    this.#share.give(underWay.slot);
  }

  blockDigest(piece: PieceIndex, begin: number, length: number): string {
    const underWay = this.#underWay.get(piece);
    if (underWay === undefined || underWay.state === 'finishing') return '';
    this.#assertInside(piece, begin, length);
    const { bytes, runs } = underWay.slot;
    return hashSlot(bytes, runs, begin, length).toString('hex');
  }

  /** From the workers. */
  onAnswer([, index, outcome, firstFd, lastFd, errno, path]: WriteAnswer): void {
    const piece = index as PieceIndex;
    const underWay = this.#underWay.get(piece);
    if (underWay?.state !== 'finishing') return;
    this.#finishing--;
    this.#keepFiles(piece, underWay, outcome, firstFd, lastFd);
    if (outcome === CORRUPT && this.#isUsable) {
      underWay.state = 'corrupt';
      this.handler.onPieceCorrupt(piece);
    } else {
      this.#underWay.delete(piece);
      this.#share.give(underWay.slot);
    }
    if (outcome === FAILED) this.#fail(writeFault(errno ?? '', path ?? this.#torrent.root));
    if (outcome === UNJOURNALED) this.#stopJournal();
    if (outcome !== CORRUPT && outcome !== FAILED) {
      this.have.set(piece);
      if (this.#isUsable) this.handler.onPieceVerified(piece);
    }
    if (this.#finishing === 0) this.#onIdle?.();
  }

  onWorkersFailed(error: SwarmError): void {
    this.#finishing = 0;
    this.#fail(error);
    this.#onIdle?.();
  }

  // ─── Uploading and reading ─────────────────────────────────────────────────────────────────────────────

  frames(piece: PieceIndex, begin: number, blockBytes: number, blocks: number): Frames | undefined {
    return this.#isUsable ? this.#server.frames(piece, begin, blockBytes, blocks) : undefined;
  }

  /** Verified bytes, while the rest is still on its way. @throws SwarmError when some of them are not there yet */
  async readRange(offset: number, length: number): Promise<Uint8Array> {
    if (!this.#isUsable) throw this.#failure ?? new SwarmError('CLOSED', 'the torrent is closed');
    return this.#server.range(offset, length);
  }

  // ─── The end ───────────────────────────────────────────────────────────────────────────────────────────

  /** Takes no more; resolves when no worker has a piece of this torrent and no read is under way. Once. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dropBegun();
    if (this.#finishing > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    const { workers, openFiles } = this.#parts;
    workers.unregister(this.#workerId);
    await this.#server.close();
    openFiles.dropKeys(this.#fileKey, this.#torrent.files.length);
    this.#share.close();
  }

  get #isUsable(): boolean {
    return !this.#isClosed && this.#failure === undefined;
  }

  /** First and last stored file of a piece; `last` is -1 when it is the first. */
  #edgeFiles(piece: PieceIndex): { first: number; last: number } {
    let first = -1;
    let last = -1;
    this.#layout.forEachSpan(this.#geometry.pieceOffset(piece), this.#geometry.pieceBytes(piece), (file) => {
      if (this.#torrent.files[file]?.padding) return;
      if (first < 0) first = file;
      else last = file;
    });
    return { first, last };
  }

  /** Gives pinned descriptors back and takes over those the worker opened. */
  #keepFiles(
    piece: PieceIndex,
    underWay: PieceUnderWay,
    outcome: number,
    firstFd: number,
    lastFd: number,
  ): void {
    const { openFiles } = this.#parts;
    const { first, last } = this.#edgeFiles(piece);
    const settle = (file: number, pinnedFd: number, answeredFd: number): void => {
      const key = this.#fileKey + file;
      if (pinnedFd >= 0) openFiles.unpin(key, pinnedFd);
      else if (answeredFd >= 0 && outcome !== FAILED)
        openFiles.unpin(key, openFiles.adopt(key, answeredFd, true));
    };
    settle(first, underWay.firstFd, firstFd);
    settle(last, underWay.lastFd, lastFd);
    underWay.firstFd = -1;
    underWay.lastFd = -1;
  }

  #stopJournal(): void {
    if (this.#journalFd < 0) return;
    this.#journalFd = -1;
    this.onJournalFailed();
  }

  #fail(error: SwarmError): void {
    if (!this.#isUsable) return;
    this.#failure = error;
    this.#dropBegun();
    this.handler.onStoreFailed(error);
  }

  #dropBegun(): void {
    for (const [piece, { state, slot }] of this.#underWay) {
      if (state === 'finishing') continue;
      this.#underWay.delete(piece);
      this.#share.give(slot);
    }
  }

  #assertInside(piece: PieceIndex, begin: number, length: number): void {
    const end = begin + length;
    if (begin >= 0 && end <= this.#geometry.pieceBytes(piece)) return;
    throw new RangeError(`[${begin}, ${end}) is outside piece ${piece}`);
  }
}

function writeFault(errno: string, path: string): SwarmError {
  const fault = Object.assign(new Error(errno), { code: errno });
  return storageError(fault, path);
}
