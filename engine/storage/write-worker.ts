/** Write worker: the thread that runs a PieceWriter for each torrent it hears of. */
import { parentPort, workerData } from 'node:worker_threads';
import { type EdgeFiles, PieceWriter } from './piece-writer.js';
import {
  CORRUPT,
  FAILED,
  type ToWorker,
  UNJOURNALED,
  type WorkerSetup,
  WRITTEN,
  type WriteAnswer,
  type WriteJob,
} from './write-messages.js';

const OUTCOMES = { written: WRITTEN, unjournaled: UNJOURNALED, corrupt: CORRUPT } as const;

const arena = Buffer.from((workerData as WorkerSetup).memory);
const writers = new Map<number, PieceWriter>();

parentPort?.on('message', (message: ToWorker) => {
  if (Array.isArray(message)) parentPort?.postMessage(run(message));
  else if ('open' in message) writers.set(message.open, new PieceWriter(message.torrent));
  else writers.delete(message.close);
});

function run([torrent, piece, firstFd, lastFd, journalFd, memory, ...runs]: WriteJob): WriteAnswer {
  const edges: EdgeFiles = { first: firstFd, last: lastFd };
  try {
    const writer = writers.get(torrent);
    if (writer === undefined) throw new Error(`torrent ${torrent} is not open`);
    const bytes = memory === 0 ? arena : Buffer.from(memory);
    const outcome = writer.write(piece, bytes, runs, edges, journalFd);
    return [torrent, piece, OUTCOMES[outcome], edges.first, edges.last];
  } catch (error) {
    const { code, message, path } = error as NodeJS.ErrnoException;
    return [torrent, piece, FAILED, firstFd, lastFd, code ?? message, path ?? ''];
  }
}
