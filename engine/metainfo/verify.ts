/** Verify: compares files on disk with their torrent, on all cores, and says what is wrong with which. */
import { type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { Bitfield } from '../policy/bitfield.js';
import { FileLayout } from '../policy/file-layout.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import type { PieceIndex } from '../units.js';
import { hashPieces, isDigestOf } from './hash-pieces.js';
import type { Metainfo } from './metainfo.js';

export interface VerifyOptions {
  /** Default: one a core. */
  readonly threads?: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Rejects with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * `bad`: a piece of it has the wrong bytes. `long`: right, with bytes after its end. `unproven`: it shares a piece
 * with a file that is missing or short, and nothing else is wrong with it.
 */
type FileVerdict = 'ok' | 'missing' | 'short' | 'long' | 'bad' | 'unproven';

export interface VerifiedFile {
  /** Index in `Metainfo.files`. */
  readonly index: number;
  /** `MetainfoFile.diskPath`. */
  readonly diskPath: string;
  readonly verdict: FileVerdict;
  readonly lengthBytes: number;
  /** Null when missing. */
  readonly actualBytes: number | null;
}

export interface Verification {
  /** Every file of the torrent, padding files aside, in torrent order. */
  readonly files: readonly VerifiedFile[];
  readonly good: Bitfield;
  /** Ascending. */
  readonly badPieces: readonly PieceIndex[];
  /** Every piece is good and every file is there; extra bytes at the end of a file do not matter. */
  readonly complete: boolean;
}

/** Files looked up between two turns of the event loop. */
const STATS_PER_TURN = 256;

/** @param root the download folder: files stand at `root/diskPath` */
export async function verifyFiles(
  metainfo: Metainfo,
  root: string,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { files, pieceLength, pieceCount, pieceHashes } = metainfo;
  const sizes = await statFiles(metainfo, root, options.signal);
  const good = new Bitfield(pieceCount);
  /** Pieces that were read and are not what they should be. */
  const wrong = new Bitfield(pieceCount);
  await hashPieces({
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    files: files.map((file) => ({ ...file, path: join(root, file.diskPath) })),
    pieceLength,
    onPiece: (piece, sha1) => {
      if (sha1 === undefined) return;
      (isDigestOf(sha1, pieceHashes, piece) ? good : wrong).set(piece);
    },
    onProgress: options.onProgress,
    signal: options.signal,
  });
  const verdicts = judge(metainfo, sizes, good, wrong);
  const geometry = new TorrentGeometry(pieceLength, metainfo.totalBytes);
  const badPieces: PieceIndex[] = [];
  for (let i = 0; i < pieceCount; i++) {
    const piece = geometry.piece(i);
    if (piece !== undefined && !good.get(piece)) badPieces.push(piece);
  }
  const present = verdicts.every(({ verdict }) => verdict === 'ok' || verdict === 'long');
  return { files: verdicts, good, badPieces, complete: present && good.isFull };
}

/** Length of each file on disk; null for what is not there or is not a file. */
async function statFiles(metainfo: Metainfo, root: string, signal?: AbortSignal): Promise<(number | null)[]> {
  const sizes: (number | null)[] = [];
  for (const [index, file] of metainfo.files.entries()) {
    if (index % STATS_PER_TURN === STATS_PER_TURN - 1) await new Promise(setImmediate);
    signal?.throwIfAborted();
    const stats = file.padding ? undefined : tryStat(join(root, file.diskPath));
    sizes.push(stats?.isFile() ? stats.size : null);
  }
  return sizes;
}

function tryStat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // a folder on the way is a file, or may not be entered: nothing to read either way
  }
}

function judge(
  { files, pieceLength, totalBytes }: Metainfo,
  sizes: readonly (number | null)[],
  good: Bitfield,
  wrong: Bitfield,
): VerifiedFile[] {
  const layout = new FileLayout(files);
  const geometry = new TorrentGeometry(pieceLength, totalBytes);
  const verdicts: VerifiedFile[] = [];
  files.forEach(({ diskPath, lengthBytes, padding }, index) => {
    if (padding) return;
    const actualBytes = sizes[index] ?? null;
    let verdict: FileVerdict = 'ok';
    if (actualBytes === null) verdict = 'missing';
    else if (actualBytes < lengthBytes) verdict = 'short';
    else {
      const start = layout.offsetOf(index);
      const last = Math.floor((start + lengthBytes - 1) / pieceLength);
      for (let i = Math.floor(start / pieceLength); lengthBytes > 0 && i <= last; i++) {
        const piece = geometry.piece(i);
        if (piece === undefined || good.get(piece)) continue;
        verdict = wrong.get(piece) ? 'bad' : 'unproven';
        if (verdict === 'bad') break;
      }
      if (verdict === 'ok' && actualBytes > lengthBytes) verdict = 'long';
    }
    verdicts.push({ index, diskPath, verdict, lengthBytes, actualBytes });
  });
  return verdicts;
}
