/** The floor's second thread: hashes the blocks of a received piece where they lie, and writes them. */
import { createHash } from 'node:crypto';
import { writevSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { FrameLayout } from './frame-layout.js';

export interface FloorSetup {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
  readonly totalBytes: number;
  readonly pieceLength: number;
}

/** Slot and piece. */
export type FloorJob = readonly [slot: number, piece: number];

const { fd, memory, totalBytes, pieceLength } = workerData as FloorSetup;
const layout = new FrameLayout(totalBytes, pieceLength);
const bytes = Buffer.from(memory);

parentPort?.on('message', ([slot, piece]: FloorJob) => {
  const blocks = layout.blocksOf(piece, bytes.subarray(slot * layout.framesBytes));
  const hash = createHash('sha1');
  for (const block of blocks) hash.update(block);
  hash.digest();
  writevSync(fd, blocks, piece * pieceLength);
  parentPort?.postMessage(slot);
});
