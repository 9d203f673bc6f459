/**
 * Peer socket: a TCP socket that hands chunks to its owner by direct calls. All sockets read into one buffer
 * that they share: Node's own way, a buffer for each read, costs a third of a CPU second more a GiB.
 */
import { type OnReadOpts, Socket } from 'node:net';
import { connectFrom } from '../egress/bound-sockets.js';
import { type SocketBinding, UNBOUND } from '../egress/socket-binding.js';
import { Socks5Dialogue } from '../egress/socks5-dialogue.js';
import { networkFault } from '../network-fault.js';
import type { CloseReason } from '../ports.js';
import type { PeerAddress } from '../units.js';
import { ProxiedOwner } from './proxied-owner.js';
import type { Rc4 } from './rc4.js';

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

/** Where chunks go, and what they pass on the way; made before the socket is. */
class Receiver {
  owner: SocketOwner;
  cipher: Rc4 | undefined;

  constructor(owner: SocketOwner) {
    this.owner = owner;
  }

  onChunk(chunk: Uint8Array): void {
    this.cipher?.apply(chunk);
    this.owner.onChunk(chunk);
  }
}

export class PeerSocket {
  readonly #receiver: Receiver;

  private constructor(
    readonly socket: Socket,
    receiver: Receiver,
  ) {
    this.#receiver = receiver;
    socket.on('connect', () => receiver.owner.onConnect());
    socket.on('end', () => this.#gone({ kind: 'remote', text: 'the peer closed the connection' }));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#gone(socketFault(error)));
    socket.on('close', () => this.#gone({ kind: 'network', text: 'the connection is lost' }));
  }

  /**
   * `address` must be a literal IP and a port from 1 to 65535.
   * @throws SwarmError ADDRESS_UNAVAILABLE when the binding does not lead there
   */
  static connect(
    address: PeerAddress,
    firstOwner: SocketOwner,
    binding: SocketBinding = UNBOUND,
  ): PeerSocket {
    const { proxy } = binding;
    if (proxy !== undefined) {
      const { host, port } = address;
      const owner = new ProxiedOwner(new Socks5Dialogue(host, port, proxy.credentials), firstOwner);
      owner.socket = PeerSocket.connect(proxy, owner, proxy.from);
      return owner.socket;
    }
    const receiver = new Receiver(firstOwner);
    const options = { noDelay: true, onread: readFor(receiver) };
    return new PeerSocket(connectFrom(binding, address, options), receiver);
  }

  /** `socket` was accepted with `pauseOnConnect`, and belongs to the peer socket from here on. */
  static accepted(socket: Socket, firstOwner: SocketOwner): PeerSocket {
    const receiver = new Receiver(firstOwner);
    socket.setNoDelay(true);
    const own = rewrap(socket, readFor(receiver));
    if (own !== undefined) return new PeerSocket(own, receiver);
    socket.on('data', (chunk: Buffer) => receiver.onChunk(chunk));
    socket.resume();
    return new PeerSocket(socket, receiver);
  }

  /** Bytes of the write under way that the kernel has yet to take: the only sign of progress within one large write. */
  get writeQueueBytes(): number {
    return handleOf(this.socket)?.writeQueueSize ?? 0;
  }

  /** What the kernel took since the beginning; 0 where this Node does not tell. */
  get acceptedBytes(): number {
    const { bytesWritten = 0, writeQueueSize = 0 } = handleOf(this.socket) ?? {};
    return bytesWritten - writeQueueSize;
  }

  set owner(owner: SocketOwner) {
    this.#receiver.owner = owner;
  }

  /** Decrypts in place whatever comes from here on, the rest of the chunk that is being handled included. */
  decryptWith(cipher: Rc4, rest: Uint8Array): void {
    cipher.apply(rest);
    this.#receiver.cipher = cipher;
  }

  /** Hands the owner, whoever it is now, bytes that came. */
  deliver(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#receiver.owner.onChunk(chunk);
  }

  /** The owner hears nothing more. */
  destroy(): void {
    this.#receiver.owner = NOBODY;
    this.socket.destroy();
  }

  #gone(reason: CloseReason): void {
    const { owner } = this.#receiver;
    this.destroy();
    owner.onGone(reason);
  }
}

function readFor(receiver: Receiver): OnReadOpts {
  return {
    buffer: receiveBuffer(),
    callback: (length, bytes) => {
      receiver.onChunk(bytes.subarray(0, length));
      return true;
    },
  };
}

/**
 * `net.Server` cannot be told to make its sockets with `onread`, so the accepted handle moves to a socket that
 * has it. Undefined where this Node keeps its handles elsewhere.
 */
function rewrap(socket: Socket, onread: OnReadOpts): Socket | undefined {
  const handle = handleOf(socket);
  if (typeof handle?.useUserBuffer !== 'function') return undefined;
  (socket as unknown as WithHandle)._handle = null;
  return new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0]);
}

/** What Node keeps behind a socket, as far as we look at it; a Node without it loses only what it is used for. */
interface WithHandle {
  _handle?: {
    readonly useUserBuffer?: unknown;
    readonly writeQueueSize?: number;
    readonly bytesWritten?: number;
  } | null;
}

const handleOf = (socket: Socket): WithHandle['_handle'] => (socket as unknown as WithHandle)._handle;

const NOBODY: SocketOwner = { onConnect() {}, onChunk() {}, onGone() {} };

function socketFault(error: NodeJS.ErrnoException): CloseReason {
  const text = networkFault(error);
  if (error.code === 'ETIMEDOUT') return { kind: 'timeout', text };
  // A reset is how most clients hang up.
  const kind = error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'remote' : 'network';
  return { kind, text };
}
