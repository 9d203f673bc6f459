/** A hostile seed: says that it has everything, unchokes everybody, and spoils the first block of every piece. */
import { get } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { PeerAddress } from '../../engine/units.js';
import type { Scope } from './clients.js';
import { announcePath } from './tracker-clients.js';

const PROTOCOL = Buffer.from('\x13BitTorrent protocol', 'latin1');
const HANDSHAKE_BYTES = 68;
const BITFIELD = 5;
const UNCHOKE = 1;
const REQUEST = 6;
const PIECE = 7;
const MAX_BLOCK_BYTES = 128 * 1024;

export interface CorruptPeer {
  readonly address: PeerAddress;
  /** Spoiled blocks that it has sent. */
  spoiledBlocks(): number;
  /** Tells a tracker that it is a seed. */
  announce(announceUrl: string): Promise<void>;
}

export async function startCorruptPeer(
  scope: Scope,
  host: string,
  torrent: { readonly infoHash: string; readonly pieceLength: number; readonly content: Buffer },
): Promise<CorruptPeer> {
  const infoHash = Buffer.from(torrent.infoHash, 'hex');
  const peerId = Buffer.from('-XX0666-corruptcorru');
  const pieceCount = Math.ceil(torrent.content.length / torrent.pieceLength);
  let spoiled = 0;

  const answer = (socket: Socket, frame: Buffer): void => {
    if (frame[4] !== REQUEST || frame.length < 17) return;
    const [piece, begin, length] = [frame.readUInt32BE(5), frame.readUInt32BE(9), frame.readUInt32BE(13)];
    const at = piece * torrent.pieceLength + begin;
    if (length > MAX_BLOCK_BYTES || at + length > torrent.content.length) return;
    const block = Buffer.from(torrent.content.subarray(at, at + length));
    if (begin === 0) {
      block[length >> 1] = (block[length >> 1] ?? 0) ^ 0xff;
      spoiled++;
    }
    socket.write(message(PIECE, Buffer.concat([frame.subarray(5, 13), block])));
  };

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    let read = Buffer.alloc(0);
    let greeted = false;
    socket.on('data', (chunk) => {
      read = Buffer.concat([read, chunk]);
      if (!greeted) {
        // Encrypted handshakes are not for us: whoever wants to can come again in the clear.
        if (!read.subarray(0, 20).equals(PROTOCOL.subarray(0, read.length))) return void socket.destroy();
        if (read.length < HANDSHAKE_BYTES) return;
        greeted = true;
        read = read.subarray(HANDSHAKE_BYTES);
        socket.write(Buffer.concat([PROTOCOL, Buffer.alloc(8), infoHash, peerId]));
        socket.write(Buffer.concat([message(BITFIELD, fullBitfield(pieceCount)), message(UNCHOKE)]));
      }
      while (read.length >= 4 && read.length >= 4 + read.readUInt32BE(0)) {
        const end = 4 + read.readUInt32BE(0);
        answer(socket, read.subarray(0, end));
        read = read.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  scope.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;

  return {
    address: { host, port },
    spoiledBlocks: () => spoiled,
    announce: (announceUrl) =>
      new Promise((resolve, reject) => {
        const path = announcePath({ infoHash, peerId, port, left: 0, event: 'started' });
        const url = new URL(path, announceUrl);
        get(url, { localAddress: host }, (response) => response.resume().on('end', resolve)).on(
          'error',
          reject,
        );
      }),
  };
}

function message(id: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + body.length);
  head[4] = id;
  return Buffer.concat([head, body]);
}

function fullBitfield(pieceCount: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(pieceCount / 8), 0xff);
  const spare = pieceCount & 7;
  if (spare !== 0) bits[bits.length - 1] = (0xff << (8 - spare)) & 0xff;
  return bits;
}
