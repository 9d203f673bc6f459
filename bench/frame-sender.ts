/**
 * Frame sender: sends a file as the `piece` messages of one ideal peer, in order, to whoever connects, and asks
 * for nothing. Prints its port. Arguments: HOST FILE PIECE_LENGTH.
 */
import { openSync, readvSync, statSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { FrameLayout } from './frame-layout.js';

/** Pieces handed to the kernel at once. */
const PIECES_IN_FLIGHT = 4;

const [host = '127.0.0.1', file = '', pieceLengthText = ''] = process.argv.slice(2);
const layout = new FrameLayout(statSync(file).size, Number(pieceLengthText));
const fd = openSync(file, 'r');

const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  let next = 0;
  for (let i = 0; i < PIECES_IN_FLIGHT; i++)
    sendNext(socket, Buffer.allocUnsafe(layout.framesBytes), () => next++);
});
server.listen(0, host, () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));

/** Sends piece after piece from one buffer, until there is none. */
function sendNext(socket: Socket, frames: Buffer, takePiece: () => number): void {
  const piece = takePiece();
  if (piece > layout.pieceCount) return;
  if (piece === layout.pieceCount) {
    socket.end();
    return;
  }
  const blocks = layout.blocksOf(piece, frames);
  layout.writeHeaders(piece, frames);
  readvSync(fd, blocks, piece * layout.pieceLength);
  const last = blocks.at(-1);
  const bytes = last === undefined ? 0 : last.byteOffset + last.length - frames.byteOffset;
  socket.write(frames.subarray(0, bytes), () => sendNext(socket, frames, takePiece));
}
