/**
 * Outgoing buffer: everything one connection sends, in order. Small messages are gathered into one pooled
 * chunk and written together, at the uncork or at the end of the tick; ready-made frames pass uncopied.
 */
import type { Socket } from 'node:net';
import type { Rc4 } from './rc4.js';

/** A full request pipeline of 200 with some control beside it; more than one chunk is one writev. */
const CHUNK_BYTES = 4_096;

export class OutgoingBuffer {
  /** Called when the kernel took bytes that had been waiting. */
  onFlushed: () => void = () => {};
  readonly #socket: Socket;
  #chunk: Uint8Array | undefined;
  #used = 0;
  #corks = 0;
  #socketCorked = false;
  #flushScheduled = false;
  /** Part of `bufferedBytes`: ready-made frames, whose number the owner bounds. */
  #frameBytes = 0;
  #sentBytes = 0;
  #cipher: Rc4 | undefined;
  readonly #flushLater = (): void => {
    this.#flushScheduled = false;
    if (this.#corks === 0) this.#flushChunk();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.onFlushed());
  }

  /** Not yet with the kernel. */
  get bufferedBytes(): number {
    return this.#used + this.#socket.writableLength;
  }

  /** The part of `bufferedBytes` that is not ready-made frames: what a peer that does not read can make grow. */
  get controlBytes(): number {
    return this.bufferedBytes - this.#frameBytes;
  }

  /** Given to this buffer since the beginning. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Encrypts whatever is written from here on. */
  encryptWith(cipher: Rc4): void {
    this.#cipher = cipher;
  }

  /** What was put since the last write, in place of being written: to be sent another way. */
  takeGathered(): Uint8Array {
    const gathered = this.#chunk?.slice(0, this.#used) ?? new Uint8Array(0);
    this.#used = 0;
    return gathered;
  }

  /** Copies `bytes`. */
  put(bytes: Uint8Array): void {
    if (bytes.length > CHUNK_BYTES) {
      this.#flushChunk();
      this.#sentBytes += bytes.length;
      this.#writeOwn(new Uint8Array(bytes));
      return;
    }
    const chunk = this.#reserve(bytes.length);
    chunk.set(bytes, this.#used - bytes.length);
  }

  /** A message of one index: have, suggest, allowed-fast. */
  putIndex(id: number, index: number): void {
    const chunk = this.#reserve(9);
    const at = this.#used - 9;
    putU32(chunk, at, 5);
    chunk[at + 4] = id;
    putU32(chunk, at + 5, index);
  }

  /** A message that names a block: request, cancel, reject. */
  putBlockName(id: number, piece: number, begin: number, length: number): void {
    const chunk = this.#reserve(17);
    const at = this.#used - 17;
    putU32(chunk, at, 13);
    chunk[at + 4] = id;
    putU32(chunk, at + 5, piece);
    putU32(chunk, at + 9, begin);
    putU32(chunk, at + 13, length);
  }

  /** Does not copy, unless it encrypts: `frames` must not change until `onFlushed`, which is called exactly once, never during the call. */
  putFrames(frames: Uint8Array, onFlushed: () => void): void {
    this.#flushChunk();
    const length = frames.length;
    this.#frameBytes += length;
    this.#sentBytes += length;
    // The frames are everybody's.
    const bytes = this.#cipher === undefined ? frames : new Uint8Array(frames);
    this.#writeOwn(bytes, () => {
      this.#frameBytes -= length;
      onFlushed();
      this.onFlushed();
    });
  }

  cork(): void {
    this.#corks++;
  }

  uncork(): void {
    if (this.#corks === 0 || --this.#corks > 0) return;
    this.#flushChunk();
    if (!this.#socketCorked) return;
    this.#socketCorked = false;
    this.#socket.uncork();
  }

  /** Makes room for `length` bytes, already counted as used, and sees to it that they are flushed. */
  #reserve(length: number): Uint8Array {
    if (this.#used + length > CHUNK_BYTES) this.#flushChunk();
    this.#chunk ??= new Uint8Array(CHUNK_BYTES);
    this.#used += length;
    this.#sentBytes += length;
    if (this.#corks === 0 && !this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(this.#flushLater);
    }
    return this.#chunk;
  }

  #flushChunk(): void {
    const chunk = this.#chunk;
    if (chunk === undefined || this.#used === 0) return;
    const bytes = chunk.subarray(0, this.#used);
    this.#used = 0;
    this.#writeOwn(bytes);
    // What the kernel did not take at once is still being read from this chunk.
    if (this.#socket.writableLength > 0) this.#chunk = undefined;
  }

  /** Encrypts in place. */
  #writeOwn(bytes: Uint8Array, done?: () => void): void {
    this.#cipher?.apply(bytes);
    if (this.#corks > 0 && !this.#socketCorked) {
      this.#socketCorked = true;
      this.#socket.cork();
    }
    this.#socket.write(bytes, done);
  }
}

function putU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}
