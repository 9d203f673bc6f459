/** Harness: a real clock, a recording handler, a listening engine side, and raw sockets that play the hostile peer. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { EncryptionMode } from '../../engine/options.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import type {
  Clock,
  CloseReason,
  HandshakeIdentity,
  MetadataMessage,
  PeerConnection,
  PeerHandler,
  TimerHandle,
} from '../../engine/ports.js';
import { ConnectionSlots } from '../../engine/reach/connection-slots.js';
import { SlottedDialer } from '../../engine/reach/dialer.js';
import { PeerListener } from '../../engine/reach/listener.js';
import { asMillis, type Millis } from '../../engine/units.js';
import { Heartbeat } from '../../engine/wire/heartbeat.js';
import { createPeerId } from '../../engine/wire/peer-id.js';
import { TcpWire } from '../../engine/wire/tcp-wire.js';

export const INFO_HASH = 'aa'.repeat(20);
export const PIECES = 21;
/** Longer than any block that a test names. */
const PIECE_BYTES = 2 ** 31;

const realClock: Clock = {
  now: () => asMillis(performance.now()),
  schedule(at: Millis, run: () => void): TimerHandle {
    const timer = setTimeout(run, Math.max(0, at - performance.now()));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Stands still until told. Sockets stay real, so only deadlines are under the test's control. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): Millis {
    return asMillis(this.#now);
  }

  schedule(at: Millis, run: () => void): TimerHandle {
    const timer = { at, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.run();
    }
    this.#now = until;
  }
}

export function identity(over: Partial<HandshakeIdentity> & { seed?: number } = {}): HandshakeIdentity {
  const { seed = 1, ...rest } = over;
  return {
    infoHash: INFO_HASH,
    peerId: createPeerId(new Uint8Array(12).fill(seed)),
    geometry: new TorrentGeometry(PIECE_BYTES, PIECES * PIECE_BYTES),
    extendedHandshake: {
      client: 'swarm test',
      listenPort: 6881,
      requestQueue: 250,
      extensions: ['ut_pex', 'ut_metadata'],
    },
    ...rest,
  };
}

/** Writes down each call as `[name, …values]`, views copied. */
export class Recorder implements PeerHandler {
  readonly calls: unknown[][] = [];
  readonly closed: Promise<CloseReason>;
  /** Runs after each call. */
  onCall: (name: string) => void = () => {};
  #onClosed: (reason: CloseReason) => void = () => {};
  #waits: { name: string; count: number; found: () => void }[] = [];

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
  }

  /** Resolves when `name` has been called `count` times. */
  called(name: string, count = 1): Promise<void> {
    return new Promise((found) => {
      this.#waits.push({ name, count, found });
      this.#settleWaits();
    });
  }

  count(name: string): number {
    return this.calls.filter(([called]) => called === name).length;
  }

  onChoke = () => this.#note('choke');
  onUnchoke = () => this.#note('unchoke');
  onInterested = () => this.#note('interested');
  onNotInterested = () => this.#note('notInterested');
  onHave = (piece: number) => this.#note('have', piece);
  onBitfield = (pieces: { toWire(): Uint8Array; count: number }) =>
    this.#note('bitfield', hex(pieces.toWire()), pieces.count);
  onRequest = (piece: number, begin: number, length: number) => this.#note('request', piece, begin, length);
  onCancel = (piece: number, begin: number, length: number) => this.#note('cancel', piece, begin, length);
  onReject = (piece: number, begin: number, length: number) => this.#note('reject', piece, begin, length);
  onBlock = (piece: number, begin: number, block: Uint8Array) =>
    this.#note('block', piece, begin, block.length, checksum(block));
  onSuggest = (piece: number) => this.#note('suggest', piece);
  onAllowedFast = (piece: number) => this.#note('allowedFast', piece);
  onExtendedHandshake = (handshake: object) => this.#note('extendedHandshake', handshake);
  onExtended = (name: string, payload: Uint8Array) => this.#note('extended', name, hex(payload));
  onMetadata = (message: MetadataMessage) => this.#note('metadata', message.kind, message.piece);
  onDhtPort = (port: number) => this.#note('dhtPort', port);
  onReadEnd = () => {};
  onDrain = () => {};
  onClose = (reason: CloseReason) => {
    this.#note('close', reason.kind);
    this.#onClosed(reason);
  };

  #note(name: string, ...values: unknown[]): void {
    this.calls.push([name, ...values]);
    this.onCall(name);
    this.#settleWaits();
  }

  #settleWaits(): void {
    this.#waits = this.#waits.filter(({ name, count, found }) => {
      if (this.count(name) < count) return true;
      found();
      return false;
    });
  }
}

interface SideOptions {
  readonly clock?: Clock;
  readonly maxPeers?: number;
  readonly maxHalfOpen?: number;
  /** Default off: most tests speak bytes that they want to see. */
  readonly encryption?: EncryptionMode;
}

/** One engine's network side: a listener with one torrent, and a dialer. */
export class Side {
  readonly slots: ConnectionSlots;
  readonly listener: PeerListener;
  readonly dialer: SlottedDialer;
  readonly connections: PeerConnection[] = [];
  port = 0;
  #peers: ((peer: { connection: PeerConnection; handler: Recorder }) => void)[] = [];

  constructor({ clock = realClock, maxPeers = 50, maxHalfOpen = 8, encryption = 'off' }: SideOptions = {}) {
    const wire = new TcpWire(new Heartbeat(clock), encryption);
    this.slots = new ConnectionSlots({ maxPeers, maxHalfOpen });
    this.listener = new PeerListener(wire, this.slots, clock);
    this.dialer = new SlottedDialer(wire, this.slots);
  }

  async listen(of: HandshakeIdentity = identity()): Promise<this> {
    this.listener.register(of, (connection) => {
      const handler = new Recorder();
      connection.handler = handler;
      this.connections.push(connection);
      this.#peers.shift()?.({ connection, handler });
    });
    this.port = (await this.listener.listen(0, '127.0.0.1')).port;
    return this;
  }

  /** The next incoming connection. */
  nextPeer(): Promise<{ connection: PeerConnection; handler: Recorder }> {
    return new Promise((resolve) => this.#peers.push(resolve));
  }

  dial(
    port: number,
    of: HandshakeIdentity = identity({ seed: 2 }),
  ): Promise<{ connection: PeerConnection; handler: Recorder } | CloseReason> {
    return new Promise((resolve) => {
      this.dialer.dial({ host: '127.0.0.1', port }, of, (result) => {
        if ('kind' in result) return resolve(result);
        const handler = new Recorder();
        result.handler = handler;
        this.connections.push(result);
        resolve({ connection: result, handler });
      });
    });
  }

  close(): void {
    this.listener.close();
    for (const connection of this.connections) connection.close('the test is over');
  }
}

/** A peer made of bytes. */
export class RawPeer {
  readonly received: Buffer[] = [];
  readonly gone: Promise<void>;

  constructor(readonly socket: Socket) {
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.received.push(chunk));
  }

  static async to(port: number): Promise<RawPeer> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const peer = new RawPeer(socket);
    await once(socket, 'connect');
    return peer;
  }

  send(...parts: Uint8Array[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  /** Resolves when `length` bytes have come. */
  async receive(length: number): Promise<Buffer> {
    while (this.bytes.length < length) await once(this.socket, 'data');
    return this.bytes;
  }

  end(): void {
    this.socket.destroy();
  }
}

export function handshakeBytes({
  infoHash = INFO_HASH,
  fast = true,
  extended = true,
  seed = 9,
} = {}): Buffer {
  const reserved = Buffer.alloc(8);
  if (extended) reserved[5] = 0x10;
  if (fast) reserved[7] = 0x04;
  const peerId = createPeerId(new Uint8Array(12).fill(seed));
  return Buffer.concat([
    Buffer.from('\x13BitTorrent protocol'),
    reserved,
    Buffer.from(infoHash, 'hex'),
    peerId,
  ]);
}

/** Length prefix, id, 32-bit numbers, bytes. */
export function frame(id: number, numbers: readonly number[] = [], bytes: Uint8Array = EMPTY): Buffer {
  const out = Buffer.alloc(5 + numbers.length * 4 + bytes.length);
  out.writeUInt32BE(out.length - 4, 0);
  out[4] = id;
  numbers.forEach((number, i) => {
    out.writeUInt32BE(number, 5 + i * 4);
  });
  out.set(bytes, 5 + numbers.length * 4);
  return out;
}

const EMPTY = new Uint8Array(0);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) | 0;
  return sum;
}
