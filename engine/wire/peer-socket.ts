/**
 * Peer socket: a TCP socket that hands chunks to its owner by direct calls. Sockets that we open read into one
 * buffer shared by all of them; sockets that we accept get theirs from Node (net.createServer has no `onread`).
 */
import { connect, type Socket } from 'node:net';
import type { CloseReason } from '../ports.js';
import type { PeerAddress } from '../units.js';

export interface SocketOwner {
  onConnect(): void;
  /** `chunk` is valid during the call only. */
  onChunk(chunk: Uint8Array): void;
  /** Last call, unless `destroy` came first. */
  onGone(reason: CloseReason): void;
}

/**
 * What one read takes at most. Receiving 1 GiB of blocks over loopback costs 0.45 CPU s at 64 KiB, 0.34 at
 * 256 KiB, 0.26 at 512 KiB, 0.20 at 1 MiB; but a chunk is handled as a whole, so it is also how many requests
 * a peer can make us answer before we stop reading.
 */
const RECEIVE_BYTES = 512 * 1024;

/**
 * One for the process, since a read and its callback are one synchronous step. On Windows a read is begun
 * before its bytes are there, so each socket needs its own.
 */
let sharedReceiveBuffer: Uint8Array | undefined;

function receiveBuffer(): Uint8Array {
  if (process.platform === 'win32') return new Uint8Array(64 * 1024);
  sharedReceiveBuffer ??= new Uint8Array(RECEIVE_BYTES);
  return sharedReceiveBuffer;
}

export class PeerSocket {
  readonly #owner: { current: SocketOwner };

  private constructor(
    readonly socket: Socket,
    owner: { current: SocketOwner },
  ) {
    this.#owner = owner;
    socket.on('connect', () => owner.current.onConnect());
    socket.on('end', () => this.#gone({ kind: 'remote', text: 'the peer closed the connection' }));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#gone(socketFault(error)));
    socket.on('close', () => this.#gone({ kind: 'network', text: 'the connection is lost' }));
  }

  /** `address` must be a literal IP and a port from 1 to 65535. */
  static connect(address: PeerAddress, firstOwner: SocketOwner): PeerSocket {
    const owner = { current: firstOwner };
    const buffer = receiveBuffer();
    const socket = connect({
      host: address.host,
      port: address.port,
      noDelay: true,
      onread: {
        buffer,
        callback: (length: number, bytes: Uint8Array): boolean => {
          owner.current.onChunk(bytes.subarray(0, length));
          return true;
        },
      },
    });
    return new PeerSocket(socket, owner);
  }

  static accepted(socket: Socket, firstOwner: SocketOwner): PeerSocket {
    const owner = { current: firstOwner };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => owner.current.onChunk(chunk));
    return new PeerSocket(socket, owner);
  }

  set owner(owner: SocketOwner) {
    this.#owner.current = owner;
  }

  /** The owner hears nothing more. */
  destroy(): void {
    this.#owner.current = NOBODY;
    this.socket.destroy();
  }

  #gone(reason: CloseReason): void {
    const owner = this.#owner.current;
    this.destroy();
    owner.onGone(reason);
  }
}

const NOBODY: SocketOwner = { onConnect() {}, onChunk() {}, onGone() {} };

function socketFault(error: NodeJS.ErrnoException): CloseReason {
  if (error.code === 'ETIMEDOUT') return { kind: 'timeout', text: 'ETIMEDOUT' };
  // A reset is how most clients hang up.
  const kind = error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'remote' : 'network';
  return { kind, text: error.code ?? error.message };
}
