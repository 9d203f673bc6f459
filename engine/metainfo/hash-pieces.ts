/**
 * Hash pieces: SHA-1 of a torrent's pieces as they stand on disk, on all cores.
 *
 * Workers take runs of pieces from a shared counter and leave digests in shared memory, so a message is a run and
 * not a piece. The caller's thread only looks at digests.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SwarmError } from '../errors.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import { asPiece, type PieceIndex } from '../units.js';

/** A file of the torrent, in torrent order, and where it stands. */
interface HashedFile {
  /** Absolute. Not opened for a padding file. */
  readonly path: string;
  readonly lengthBytes: number;
  /** Zeros that are not stored (BEP 47). */
  readonly padding: boolean;
}

export interface HashPiecesOptions {
  readonly files: readonly HashedFile[];
  readonly pieceLength: number;
  /** Ascending. Default: all. */
  readonly pieces?: readonly PieceIndex[];
  /** Default: one a core. */
  readonly threads?: number;
  /**
   * Called once for each piece, in no order. `sha1` has 20 bytes, valid during the call; undefined when the piece
   * could not be read because `faultyFile`, an index into `files`, is missing, too short or not a file.
   */
  readonly onPiece: (piece: PieceIndex, sha1: Uint8Array | undefined, faultyFile: number | undefined) => void;
  /** Bytes of pieces done, and of all pieces asked for. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Rejects with its reason, once no file is open any more. */
  readonly signal?: AbortSignal | undefined;
}

/** What a worker is started with. Shared memory, except for `files`. */
export interface HashWorkerData {
  readonly files: readonly HashedFile[];
  readonly pieceLength: number;
  /** Which pieces; a run is a range of this array. */
  readonly pieces: Uint32Array;
  readonly piecesPerRun: number;
  /** [0]: index into `pieces` where the next run starts. */
  readonly cursor: Int32Array;
  /** 20 bytes for each of `pieces`. */
  readonly digests: Uint8Array;
  /** For each of `pieces`: 0, or 1 + the index of the file that could not be read. */
  readonly faults: Uint32Array;
}

/** A worker's message: these of `pieces` are done. */
export interface HashedRun {
  readonly start: number;
  readonly end: number;
}

export const SHA1_BYTES = 20;
/** Bytes a run should have: few messages, yet several a second. */
const RUN_BYTES = 8 * 1024 * 1024;

/** Resolves when every piece has been told. An unreadable file is no error: its pieces have no digest. */
export async function hashPieces(options: HashPiecesOptions): Promise<void> {
  const { files, pieceLength, signal, onPiece, onProgress } = options;
  signal?.throwIfAborted();
  const geometry = new TorrentGeometry(
    pieceLength,
    files.reduce((sum, file) => sum + file.lengthBytes, 0),
  );
  const pieces = sharedPieces(options.pieces, geometry.pieceCount);
  if (pieces.length === 0) return;
  const piecesPerRun = Math.max(1, Math.floor(RUN_BYTES / pieceLength));
  const data: HashWorkerData = {
    files: files.map(({ path, lengthBytes, padding }) => ({ path, lengthBytes, padding })),
    pieceLength,
    pieces,
    piecesPerRun,
    cursor: new Int32Array(new SharedArrayBuffer(4)),
    digests: new Uint8Array(new SharedArrayBuffer(pieces.length * SHA1_BYTES)),
    faults: new Uint32Array(new SharedArrayBuffer(pieces.length * 4)),
  };
  let totalBytes = 0;
  for (const piece of pieces) totalBytes += geometry.pieceBytes(asPiece(piece));
  let doneBytes = 0;
  /** Nothing is told after the promise has settled, or the signal has fired. */
  let live = true;

  const onRun = ({ start, end }: HashedRun): void => {
    if (!live) return;
    for (let i = start; i < end; i++) {
      const piece = asPiece(pieces[i] ?? 0);
      const fault = data.faults[i] ?? 0;
      doneBytes += geometry.pieceBytes(piece);
      if (fault !== 0) onPiece(piece, undefined, fault - 1);
      else onPiece(piece, data.digests.subarray(i * SHA1_BYTES, (i + 1) * SHA1_BYTES), undefined);
    }
    onProgress?.(doneBytes, totalBytes);
  };

  const runs = Math.ceil(pieces.length / piecesPerRun);
  const threads = Math.max(1, Math.min(options.threads ?? availableParallelism(), runs));
  const url = new URL('./hash-worker.js', import.meta.url);
  // Not with this process's own flags: `--input-type` and the like would stop a worker from starting.
  const workers = Array.from({ length: threads }, () => new Worker(url, { workerData: data, execArgv: [] }));
  const stop = (): void => {
    live = false;
    for (const worker of workers) void worker.terminate();
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await Promise.all(workers.map((worker) => finished(worker, onRun)));
    signal?.throwIfAborted();
    if (doneBytes !== totalBytes) throw new SwarmError('INTERNAL', 'a hashing thread ended before its work');
  } finally {
    live = false;
    signal?.removeEventListener('abort', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** True when `sha1` is the torrent's hash of `piece`. */
export function isDigestOf(sha1: Uint8Array, pieceHashes: Uint8Array, piece: PieceIndex): boolean {
  const start = piece * SHA1_BYTES;
  for (let i = 0; i < SHA1_BYTES; i++) if (sha1[i] !== pieceHashes[start + i]) return false;
  return true;
}

function sharedPieces(wanted: readonly PieceIndex[] | undefined, pieceCount: number): Uint32Array {
  const length = wanted?.length ?? pieceCount;
  const pieces = new Uint32Array(new SharedArrayBuffer(length * 4));
  for (let i = 0; i < length; i++) pieces[i] = wanted?.[i] ?? i;
  return pieces;
}

/** Resolves when the worker has nothing more to do; rejects when it or `onRun` throws. */
function finished(worker: Worker, onRun: (run: HashedRun) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (run: HashedRun) => {
      try {
        onRun(run);
      } catch (thrown) {
        reject(thrown);
      }
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}
