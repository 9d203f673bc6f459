/** Hash worker: hashes the runs of pieces that it takes, reading straight through the files (see hash-pieces.ts). */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { FileLayout } from '../policy/file-layout.js';
import { TorrentGeometry } from '../policy/torrent-geometry.js';
import { asPiece } from '../units.js';
import { type HashedRun, type HashWorkerData, SHA1_BYTES } from './hash-pieces.js';

/** Small enough for the bytes to be in the second-level cache still when they are hashed. */
const READ_BYTES = 256 * 1024;

const data = workerData as HashWorkerData;
const layout = new FileLayout(data.files);
const geometry = new TorrentGeometry(data.pieceLength, layout.totalBytes);
const buffer = new Uint8Array(Math.min(READ_BYTES, data.pieceLength));
const zeros = new Uint8Array(Math.min(READ_BYTES, data.pieceLength));

/** The file that was read last stays open: a run goes through its files in order. */
let openFile = -1;
let descriptor = -1;

for (;;) {
  const start = Atomics.add(data.cursor, 0, data.piecesPerRun);
  if (start >= data.pieces.length) break;
  const end = Math.min(start + data.piecesPerRun, data.pieces.length);
  for (let i = start; i < end; i++) hashPiece(i);
  parentPort?.postMessage({ start, end } satisfies HashedRun);
}
close();

function hashPiece(i: number): void {
  const piece = asPiece(data.pieces[i] ?? 0);
  const hash = createHash('sha1');
  let fault = 0;
  layout.forEachSpan(geometry.pieceOffset(piece), geometry.pieceBytes(piece), (file, offset, length) => {
    if (fault === 0 && !hashSpan(hash, file, offset, length)) fault = file + 1;
  });
  data.faults[i] = fault;
  if (fault === 0) data.digests.set(hash.digest(), i * SHA1_BYTES);
}

/** False when the file does not have these bytes. */
function hashSpan(hash: Hash, file: number, offset: number, length: number): boolean {
  const padding = data.files[file]?.padding === true;
  if (!padding && !open(file)) return false;
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, buffer.length);
    if (padding) {
      hash.update(zeros.subarray(0, wanted));
      done += wanted;
      continue;
    }
    const read = readAt(buffer.subarray(0, wanted), offset + done);
    if (read === 0) return false;
    hash.update(buffer.subarray(0, read));
    done += read;
  }
  return true;
}

/** Bytes read; 0 at the end of the file or when the disk fails. */
function readAt(target: Uint8Array, position: number): number {
  try {
    return readSync(descriptor, target, 0, target.length, position);
  } catch {
    return 0;
  }
}

/** False when it is not there, may not be read, or is not a file. A pipe must not make the worker wait for a writer. */
function open(file: number): boolean {
  if (file === openFile) return descriptor !== -1;
  close();
  openFile = file;
  try {
    descriptor = openSync(data.files[file]?.path ?? '', constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!fstatSync(descriptor).isFile()) close();
  } catch {
    close();
  }
  return descriptor !== -1;
}

function close(): void {
  if (descriptor !== -1) closeSync(descriptor);
  descriptor = -1;
}
