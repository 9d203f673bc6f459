/**
 * Floor: the least that a download can cost in Node: receive, SHA-1, write, and nothing else. No request is sent,
 * no frame parsed, no order kept but the sender's. The socket reads straight into shared memory, the next free
 * slot of a piece; a second thread hashes the blocks where they lie and writes them with one call. One thread
 * alone costs about 8 % less CPU and more wall time, a copy per block about 25 % more CPU.
 *
 * Arguments: HOST PORT OUT_FILE TOTAL_BYTES PIECE_LENGTH.
 */
import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { FloorJob, FloorSetup } from './floor-worker.js';
import { FrameLayout } from './frame-layout.js';

/** Few, so that a piece is still in the cache when it is hashed. */
const SLOTS = 8;

const [host = '', port = '', out = '', totalBytes = '', pieceLength = ''] = process.argv.slice(2);
const layout = new FrameLayout(Number(totalBytes), Number(pieceLength));
const memory = new SharedArrayBuffer(SLOTS * layout.framesBytes);
const bytes = Buffer.from(memory);
const fd = openSync(out, 'w');
const setup: FloorSetup = { fd, memory, totalBytes: layout.totalBytes, pieceLength: layout.pieceLength };
const worker = new Worker(new URL('./floor-worker.js', import.meta.url), { workerData: setup });

const free = Array.from({ length: SLOTS }, (_, slot) => slot);
let slot = free.pop();
let piece = 0;
let filled = 0;
let written = 0;
/** A paused socket has chosen where its next read goes before there is a free slot: here. */
const waitingRoom = Buffer.alloc(4_096);
let inWaitingRoom = false;

const socket = connect({
  host,
  port: Number(port),
  onread: {
    buffer: () => {
      inWaitingRoom = slot === undefined;
      if (slot === undefined) return waitingRoom;
      const at = slot * layout.framesBytes;
      return bytes.subarray(at + filled, at + Math.max(filled + 1, layout.framesBytesOf(piece)));
    },
    callback: (count) => {
      if (slot === undefined) throw new Error('a read without a slot');
      if (inWaitingRoom) bytes.set(waitingRoom.subarray(0, count), slot * layout.framesBytes + filled);
      filled += count;
      if (filled < layout.framesBytesOf(piece)) return true;
      worker.postMessage([slot, piece] satisfies FloorJob);
      piece++;
      filled = 0;
      slot = free.pop();
      return slot !== undefined && piece < layout.pieceCount;
    },
  },
});

worker.on('message', (freed: number) => {
  written++;
  if (slot === undefined) {
    slot = freed;
    socket.resume();
  } else free.push(freed);
  if (written < layout.pieceCount) return;
  socket.destroy();
  closeSync(fd);
  void worker.terminate();
});
