/**
 * Open torrent: from a torrent and a folder to a store that knows which pieces are there. Believes the resume
 * file as far as the files bear it out, hashes what is in doubt, and leaves a checkpoint on the way in and out.
 *
 * Pieces that reach into files that are not wanted are written there too, so those neighbours come to exist,
 * sparse, with the shared bytes only.
 */
import { toSwarmError } from '../errors.js';
import { hashPieces } from '../metainfo/hash-pieces.js';
import type { Metainfo } from '../metainfo/metainfo.js';
import { Bitfield } from '../policy/bitfield.js';
import { FileLayout } from '../policy/file-layout.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { PieceStore } from '../ports.js';
import { asPiece, type PieceIndex } from '../units.js';
import { DiskStore, type StorageParts } from './disk-store.js';
import { FileFacts } from './file-facts.js';
import type { WriterTorrent } from './piece-writer.js';
import { ResumeFile, readBootId } from './resume-file.js';
import type { Resume } from './resume-lines.js';
import { type Verdict, verdictOf, verdictWithoutResume } from './resume-verdict.js';
import { lookAtFiles, makeSkeleton, openRoot, preallocate } from './torrent-files.js';

export interface OpenTorrentOptions {
  /** One a file. Default: all. Unwanted files are not made, but for the bytes of pieces they share with wanted ones. */
  readonly wantedFiles?: readonly boolean[];
  /** `full` writes zeros first, so that a full disk shows at once. Default `sparse`. */
  readonly preallocate?: 'sparse' | 'full';
  readonly signal?: AbortSignal;
  /** Share that is done, 0 to 1: first of the bytes to preallocate, then, anew, of the bytes in doubt to hash. */
  readonly onCheckProgress?: (share: number) => void;
  /** The files were hashed a moment ago: whatever is long enough is believed. */
  readonly assumeComplete?: boolean;
  /** Only serve what is there: no file or folder is made or written below the root, `beginPiece` says no. */
  readonly readOnly?: boolean;
}

export interface OpenTorrentStore {
  readonly store: PieceStore;
  /** Pieces that are verified now; the caller's to keep. */
  readonly have: Bitfield;
  /** Verified bytes from `offset` of the torrent. @throws SwarmError when a piece of them is not verified yet */
  readRange(offset: number, length: number): Promise<Uint8Array>;
  /** Waits for pieces that are with the workers, writes resume data, closes the files. Never rejects. Idempotent. */
  close(): Promise<void>;
}

export interface ResumeSettings {
  readonly stateDir: string;
  readonly onWarning: (text: string) => void;
}

export async function openTorrentStore(
  metainfo: Metainfo,
  givenRoot: string,
  options: OpenTorrentOptions,
  parts: StorageParts,
  { stateDir, onWarning }: ResumeSettings,
): Promise<OpenTorrentStore> {
  const { signal, readOnly = false } = options;
  const { files } = metainfo;
  const isWanted = (file: number): boolean => options.wantedFiles?.[file] ?? true;
  signal?.throwIfAborted();
  const root = await openRoot(givenRoot, !readOnly);
  const facts = FileFacts.ofFiles(files.length);
  await lookAtFiles(root, files, facts);

  const bootId = await readBootId();
  const resume = new ResumeFile(stateDir, metainfo.infoHash, root, bootId);
  const told = options.assumeComplete ? undefined : await resume.read(files.length);
  const verdict = judge(metainfo, facts, told, bootId, options.assumeComplete ?? false);
  if (!readOnly) {
    await makeSkeleton(root, files, isWanted, touchedFiles(metainfo, isWanted), facts);
    if (options.preallocate === 'full')
      await preallocate(root, files, isWanted, signal, options.onCheckProgress);
    // Making files changed what is known of them.
    await lookAtFiles(root, files, facts);
  }
  await check(metainfo, root, verdict, options);

  const warn = (error: unknown): void =>
    onWarning(`no resume data can be written below ${stateDir}: ${toSwarmError(error).message}`);
  // What was hashed a moment ago and cannot change here will be hashed again before the next time.
  const leavesResume = !(readOnly && options.assumeComplete);
  if (leavesResume) await resume.begin(verdict.have, facts).catch(warn);
  const store = new DiskStore(writerTorrent(metainfo, root, facts), verdict.have, parts, {
    journalFd: resume.fd,
    readOnly,
  });
  let discarding: Promise<void> | undefined;
  store.onJournalFailed = () => {
    warn(new Error('a line could not be appended'));
    discarding = resume.discard();
  };
  if (!readOnly && !verdict.have.isFull) parts.workers.warm();

  let closing: Promise<void> | undefined;
  return {
    store,
    have: verdict.have.copy(),
    readRange: (offset, length) => store.readRange(offset, length),
    close: () => {
      closing ??= store
        .close()
        .then(() => discarding)
        .then(() => (leavesResume ? resume.end(store.have, facts).catch(warn) : undefined));
      return closing;
    },
  };
}

function judge(
  metainfo: Metainfo,
  facts: FileFacts,
  told: Resume | undefined,
  bootId: string,
  assumeComplete: boolean,
): Verdict {
  const torrent = {
    geometry: new TorrentGeometry(metainfo.pieceLength, metainfo.totalBytes),
    layout: new FileLayout(metainfo.files),
  };
  if (told !== undefined) return verdictOf(told, torrent, facts, bootId);
  const { have, doubtful } = verdictWithoutResume(torrent, facts);
  return assumeComplete ? { have: doubtful, doubtful: have } : { have, doubtful };
}

/** Whether a piece with a byte of a wanted file has a byte of this one too. */
function touchedFiles(metainfo: Metainfo, isWanted: (file: number) => boolean): (file: number) => boolean {
  const layout = new FileLayout(metainfo.files);
  const edgePieces = (file: number): [first: number, last: number] => {
    const start = layout.offsetOf(file);
    const length = metainfo.files[file]?.lengthBytes ?? 0;
    return [
      Math.floor(start / metainfo.pieceLength),
      Math.floor((start + length - 1) / metainfo.pieceLength),
    ];
  };
  const wanted = new Bitfield(metainfo.pieceCount);
  for (const [file, { lengthBytes }] of metainfo.files.entries()) {
    if (lengthBytes === 0 || !isWanted(file)) continue;
    const [first, last] = edgePieces(file);
    for (let piece = first; piece <= last; piece++) wanted.set(asPiece(piece));
  }
  return (file) => {
    if (metainfo.files[file]?.lengthBytes === 0) return false;
    return edgePieces(file).some((piece) => wanted.get(asPiece(piece)));
  };
}

/** Hashes what is in doubt and moves what is good to `have`. */
async function check(
  metainfo: Metainfo,
  root: string,
  { have, doubtful }: Verdict,
  { signal, onCheckProgress }: OpenTorrentOptions,
): Promise<void> {
  const pieces: PieceIndex[] = [];
  for (let i = 0; i < doubtful.size; i++) if (doubtful.get(asPiece(i))) pieces.push(asPiece(i));
  if (pieces.length === 0) return;
  await hashPieces({
    files: metainfo.files.map(({ diskPath, lengthBytes, padding }) => ({
      path: `${root}/${diskPath}`,
      lengthBytes,
      padding,
    })),
    pieceLength: metainfo.pieceLength,
    pieces,
    signal,
    onPiece: (piece, sha1) => {
      const expected = metainfo.pieceHashes.subarray(piece * 20, piece * 20 + 20);
      if (sha1 !== undefined && Buffer.compare(sha1, expected) === 0) have.set(piece);
    },
    onProgress: (done, total) => onCheckProgress?.(done / total),
  });
}

function writerTorrent(metainfo: Metainfo, root: string, facts: FileFacts): WriterTorrent {
  const pieceHashes = new SharedArrayBuffer(metainfo.pieceHashes.length);
  new Uint8Array(pieceHashes).set(metainfo.pieceHashes);
  return {
    root,
    pieceLength: metainfo.pieceLength,
    files: metainfo.files.map(({ diskPath, lengthBytes, padding, executable }) => ({
      diskPath,
      lengthBytes,
      padding,
      executable,
    })),
    pieceHashes,
    facts: facts.memory,
  };
}
