/** Attacker: a peer made of bytes that handshakes as anybody would, reads what it is sent or does not, and then misbehaves. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { BLOCK_BYTES } from '../../engine/units.js';
import { MESSAGE } from '../../engine/wire/messages.js';
import { frame } from '../wire/harness.js';

export const HOST = '127.0.0.1';
const HANDSHAKE_BYTES = 68;

export interface AttackerOptions {
  readonly fast?: boolean;
  readonly extended?: boolean;
}

/** A fast, extended peer with an id of its own. */
export function handshake(infoHash: string, { fast = true, extended = true }: AttackerOptions = {}): Buffer {
  const reserved = Buffer.alloc(8);
  if (extended) reserved[5] = 0x10;
  if (fast) reserved[7] = 0x04;
  const peerId = Buffer.concat([Buffer.from('-HO0001-'), randomBytes(12)]);
  return Buffer.concat([
    Buffer.from('\x13BitTorrent protocol'),
    reserved,
    Buffer.from(infoHash, 'hex'),
    peerId,
  ]);
}

export class Attacker {
  /** Resolves when the connection is closed, by whomever. */
  readonly gone: Promise<void>;
  isGone = false;
  /** Resolves when the victim's handshake is here, or the connection is closed. */
  readonly shaken: Promise<void>;
  /** Frames received, by message id. */
  readonly counts = new Map<number, number>();
  /** Called for each frame; the body comes without length and id. */
  onFrame: (id: number, body: Buffer) => void = () => {};
  #rest: Buffer = Buffer.alloc(0);
  #handshaken = false;
  #onShaken: () => void = () => {};
  #waits: { id: number; count: number; resolve: () => void }[] = [];

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.shaken = new Promise((resolve) => {
      this.#onShaken = resolve;
    });
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        this.isGone = true;
        this.#onShaken();
        for (const wait of this.#waits.splice(0)) wait.resolve();
        resolve();
      });
    });
  }

  /** Connects to a victim and says the handshake. */
  static async to(port: number, infoHash: string, options: AttackerOptions = {}): Promise<Attacker> {
    const socket = connect({ host: HOST, port });
    const attacker = new Attacker(socket);
    await Promise.race([once(socket, 'connect').catch(() => {}), attacker.gone]);
    return attacker.send(handshake(infoHash, options));
  }

  send(...parts: Uint8Array[]): this {
    if (!this.isGone) this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Writes `bytes` again and again, as fast as the victim takes them, until `until` or the connection ends. */
  async flood(bytes: Uint8Array, until: () => boolean): Promise<void> {
    while (!this.isGone && !until()) {
      if (!this.socket.write(bytes)) await Promise.race([this.#drained(), this.gone]);
      else await new Promise(setImmediate);
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => this.socket.once('drain', resolve));
  }

  count(id: number): number {
    return this.counts.get(id) ?? 0;
  }

  /** Resolves when `count` frames of the message have come, or the connection is closed. */
  received(id: number, count = 1): Promise<void> {
    return new Promise((resolve) => {
      if (this.isGone || this.count(id) >= count) resolve();
      else this.#waits.push({ id, count, resolve });
    });
  }

  /** Claims every piece, and lets the victim ask. */
  pretendSeed(): this {
    return this.send(frame(MESSAGE.haveAll), frame(MESSAGE.unchoke));
  }

  /** Answers each request with what `blockFor` gives; undefined leaves it unanswered. */
  answer(blockFor: (piece: number, begin: number, length: number) => Uint8Array | undefined): this {
    this.onFrame = (id, body) => {
      if (id !== MESSAGE.request) return;
      const [piece, begin, length] = [body.readUInt32BE(0), body.readUInt32BE(4), body.readUInt32BE(8)];
      const block = blockFor(piece, begin, length);
      if (block !== undefined) this.send(frame(MESSAGE.piece, [piece, begin], block));
    };
    return this;
  }

  end(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#handshaken) {
      if (this.#rest.length < HANDSHAKE_BYTES) return;
      this.#handshaken = true;
      this.#onShaken();
      this.#rest = this.#rest.subarray(HANDSHAKE_BYTES);
    }
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0);
      if (this.#rest.length < 4 + length) return;
      const body = this.#rest.subarray(4, 4 + length);
      this.#rest = this.#rest.subarray(4 + length);
      if (length > 0) this.#onFrame(body[0] ?? 0, body.subarray(1));
    }
  }

  #onFrame(id: number, body: Buffer): void {
    this.counts.set(id, this.count(id) + 1);
    this.onFrame(id, body);
    this.#waits = this.#waits.filter((wait) => {
      if (this.count(wait.id) < wait.count) return true;
      wait.resolve();
      return false;
    });
  }
}

/** Attackers that wait to be dialled. */
export class Ambush {
  readonly attackers: Attacker[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `attack` gets every connection, before the handshakes. */
  constructor(attack: (attacker: Attacker) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      const attacker = new Attacker(socket);
      this.attackers.push(attacker);
      attack(attacker);
    });
  }

  async listen(): Promise<{ host: string; port: number }> {
    this.#server.listen(0, HOST);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return { host: HOST, port: typeof address === 'object' && address !== null ? address.port : 0 };
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** The first byte changed. */
export function corrupted(block: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(block);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}

/** `request` frames for every block of a piece. */
export function requestsFor(piece: number, pieceBytes: number): Buffer {
  const frames: Buffer[] = [];
  for (let begin = 0; begin < pieceBytes; begin += BLOCK_BYTES)
    frames.push(frame(MESSAGE.request, [piece, begin, Math.min(BLOCK_BYTES, pieceBytes - begin)]));
  return Buffer.concat(frames);
}
