/** A swarm on fake ports: a store in memory, connections that write down what they were told, a virtual clock. */
import { createHash } from 'node:crypto';
import type { SwarmError } from '../../engine/errors.js';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { TokenBucket } from '../../engine/policy/token-bucket.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';
import type {
  CloseReason,
  Frames,
  HandshakeIdentity,
  MetadataMessage,
  PeerConnection,
  PeerHandler,
  PexCodec,
  PieceStore,
  PieceStoreHandler,
} from '../../engine/ports.js';
import { NO_HANDLER } from '../../engine/ports.js';
import { Swarm } from '../../engine/swarm/swarm.js';
import { asPiece, BLOCK_BYTES, type PeerAddress, type PieceIndex } from '../../engine/units.js';
import { VirtualClock } from './virtual-clock.js';

/** A connection whose other end is the test. */
export class FakeConnection implements PeerConnection {
  readonly peerId: Uint8Array;
  readonly extended = true;
  readonly encrypted = false;
  handler: PeerHandler = NO_HANDLER;
  /** Extended messages. */
  readonly extendedMessages: [name: string, payload: Uint8Array][] = [];
  /** What the swarm sent, as words: `interested`, `request 3:0`, `have 3`. */
  readonly sent: string[] = [];
  /** Blocks asked of this peer and not yet answered by the test. */
  readonly requests: [piece: PieceIndex, begin: number, length: number][] = [];
  readonly #unsent: { bytes: number; onFlushed: () => void }[] = [];
  closed: string | undefined;

  constructor(
    readonly remote: PeerAddress,
    readonly fast = true,
    readonly incoming = true,
    peerId: Uint8Array = createHash('sha1').update(`${remote.host}:${remote.port}`).digest(),
  ) {
    this.peerId = peerId;
  }

  choke = () => this.#say('choke');
  unchoke = () => this.#say('unchoke');
  interested = () => this.#say('interested');
  notInterested = () => this.#say('not interested');
  have = (piece: PieceIndex) => this.#say(`have ${piece}`);
  bitfield = (pieces: Bitfield) => this.#say(`bitfield ${pieces.count}`);
  metadata = (message: MetadataMessage) => this.#say(`metadata ${message.kind} ${message.piece}`);
  learnGeometry = () => {};
  uploadOnly = (on: boolean) => this.#say(`upload only ${on}`);
  cork = () => {};
  uncork = () => {};

  extendedMessage(name: string, payload: Uint8Array): void {
    this.extendedMessages.push([name, payload.slice()]);
  }

  request(piece: PieceIndex, begin: number, length: number): void {
    this.#say(`request ${piece}:${begin / BLOCK_BYTES}`);
    this.requests.push([piece, begin, length]);
  }

  cancel(piece: PieceIndex, begin: number): void {
    this.#say(`cancel ${piece}:${begin / BLOCK_BYTES}`);
  }

  reject(piece: PieceIndex, begin: number): void {
    this.#say(`reject ${piece}:${begin / BLOCK_BYTES}`);
  }

  sendFrames(frames: Uint8Array, onFlushed: () => void): void {
    this.#say(`frames ${frames.length}`);
    this.#unsent.push({ bytes: frames.length, onFlushed });
  }

  get bufferedBytes(): number {
    return this.#unsent.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The kernel takes the oldest `count` sends, or drops them when the connection is closed. */
  flush(count = this.#unsent.length): void {
    for (const { onFlushed } of this.#unsent.splice(0, count)) onFlushed();
  }

  close(reason: string): void {
    this.disconnect({ kind: 'local', text: reason });
  }

  /** The connection ends, from either side. */
  disconnect(reason: CloseReason = { kind: 'remote', text: 'gone' }): void {
    if (this.closed !== undefined) return;
    this.closed = reason.text;
    this.handler.onClose(reason);
  }

  /** Answers the oldest `count` requests with `fill`ed blocks. */
  answer(count = this.requests.length, fill = 0): void {
    for (const [piece, begin, length] of this.requests.splice(0, count)) {
      this.handler.onBlock(piece, begin, new Uint8Array(length).fill(fill));
    }
    this.handler.onReadEnd();
  }

  /** Asks us for a block, in a read of its own. */
  ask(piece: PieceIndex, begin: number, length: number): void {
    this.handler.onRequest(piece, begin, length);
    this.handler.onReadEnd();
  }

  #say(word: string): void {
    if (this.closed === undefined) this.sent.push(word);
  }
}

/** Keeps blocks by piece; a piece is good when every byte is zero. Verifying waits for `settle`. */
export class FakeStore implements PieceStore {
  handler!: PieceStoreHandler;
  readonly begun = new Map<PieceIndex, Uint8Array>();
  readonly verified = new Set<PieceIndex>();
  readonly finishing: PieceIndex[] = [];
  /** Pieces whose frames are in memory; others are fetched by `load`. */
  readonly cached = new Set<PieceIndex>();
  readonly asked: PieceIndex[] = [];
  /** Frames handed out and not yet released. */
  held = 0;

  constructor(
    readonly geometry: TorrentGeometry,
    readonly slots: number,
  ) {}

  beginPiece(piece: PieceIndex): boolean {
    if (this.begun.size >= this.slots) return false;
    this.begun.set(piece, new Uint8Array(this.geometry.pieceBytes(piece)));
    return true;
  }

  putBlock(piece: PieceIndex, begin: number, block: Uint8Array): void {
    this.begun.get(piece)!.set(block, begin);
  }

  finishPiece(piece: PieceIndex): void {
    this.finishing.push(piece);
  }

  abandonPiece(piece: PieceIndex): void {
    this.begun.delete(piece);
  }

  blockDigest(piece: PieceIndex, begin: number, length: number): string {
    const block = this.begun.get(piece)!.subarray(begin, begin + length);
    return createHash('sha1').update(block).digest('hex');
  }

  frames(piece: PieceIndex, _begin: number, blockBytes: number, blocks: number): Frames | undefined {
    if (!this.cached.has(piece)) {
      this.asked.push(piece);
      return undefined;
    }
    this.held++;
    const release = (): void => {
      this.held--;
    };
    return { bytes: new Uint8Array(blocks * (13 + blockBytes)), blocks, release };
  }

  load(piece: PieceIndex): void {
    this.cached.add(piece);
    this.handler.onFramesReady(piece);
  }

  /** Decides every piece that was finished. */
  settle(): void {
    for (const piece of this.finishing.splice(0)) {
      const good = this.begun.get(piece)!.every((byte) => byte === 0);
      if (good) {
        this.begun.delete(piece);
        this.verified.add(piece);
        this.handler.onPieceVerified(piece);
        this.handler.onSlotFree();
      } else {
        this.handler.onPieceCorrupt(piece);
      }
    }
  }
}

export interface FakeSwarmOptions {
  readonly pieces?: number;
  readonly blocksPerPiece?: number;
  /** Of the last piece. Default: as long as the others. */
  readonly lastPieceBytes?: number;
  readonly have?: readonly number[];
  readonly slots?: number;
  readonly downloadRate?: number;
  readonly uploadRate?: number;
  /** Default: nobody is given any. */
  readonly metadata?: Uint8Array;
  readonly maxPeers?: number;
  /** Default: all. */
  readonly wanted?: readonly number[];
  readonly pex?: PexCodec;
  /** Default: off. */
  readonly superSeed?: 'auto' | 'on' | 'off';
}

export class FakeSwarm {
  readonly clock = new VirtualClock();
  readonly geometry: TorrentGeometry;
  readonly store: FakeStore;
  readonly swarm: Swarm;
  readonly events: string[] = [];
  readonly dials: {
    address: PeerAddress;
    done: (result: PeerConnection | CloseReason) => void;
    connectMs: number | undefined;
  }[] = [];
  #peers = 0;
  #seed = 1;

  constructor(options: FakeSwarmOptions = {}) {
    const { pieces = 4, blocksPerPiece = 2, have = [], slots = 16 } = options;
    const pieceLength = blocksPerPiece * BLOCK_BYTES;
    const { lastPieceBytes = pieceLength } = options;
    this.geometry = new TorrentGeometry(pieceLength, (pieces - 1) * pieceLength + lastPieceBytes);
    this.store = new FakeStore(this.geometry, slots);
    const haveField = this.bits(have);
    const identity: HandshakeIdentity = {
      infoHash: '00'.repeat(20),
      peerId: new Uint8Array(20),
      geometry: this.geometry,
      extendedHandshake: { client: 'test', listenPort: 0, requestQueue: 500, extensions: [] },
    };
    this.swarm = new Swarm({
      geometry: this.geometry,
      have: haveField,
      wanted: options.wanted === undefined ? Bitfield.full(pieces) : this.bits(options.wanted),
      store: this.store,
      dialer: {
        dial: (address, _identity, done, connectMs) => {
          this.dials.push({ address, done, connectMs });
          return () => {};
        },
      },
      identity,
      clock: this.clock,
      rng: () => this.#random(),
      observer: {
        onPieceVerified: (piece) => this.events.push(`piece ${piece}`),
        onPieceCorrupt: (piece) => this.events.push(`corrupt ${piece}`),
        onPeersExchanged: (count, { host }) => this.events.push(`exchanged ${count} by ${host}`),
        onPeerConnected: ({ host }) => this.events.push(`connected ${host}`),
        onPeerClosed: ({ host }) => this.events.push(`closed ${host}`),
        onPeerBanned: ({ host }) => this.events.push(`banned ${host}`),
        onComplete: () => this.events.push('complete'),
        onFailed: (error: SwarmError) => this.events.push(`failed ${error.code}`),
      },
      maxPeers: options.maxPeers ?? 50,
      downloadBuckets: [new TokenBucket(options.downloadRate ?? 0)],
      uploadBuckets: [new TokenBucket(options.uploadRate ?? 0)],
      superSeed: options.superSeed ?? 'off',
      ...(options.metadata === undefined ? {} : { metadata: options.metadata }),
      ...(options.pex === undefined ? {} : { pex: options.pex }),
      wantPeers: () => this.events.push('want peers'),
    });
  }

  bits(pieces: readonly number[]): Bitfield {
    const field = new Bitfield(this.geometry.pieceCount);
    for (const piece of pieces) field.set(asPiece(piece));
    return field;
  }

  /** A peer that connected to us, has `pieces` (default all), and has said nothing else. */
  connect(pieces: readonly number[] | 'all' = 'all', fast = true): FakeConnection {
    const connection = new FakeConnection({ host: `10.0.0.${++this.#peers}`, port: 6881 }, fast);
    this.swarm.onIncoming(connection);
    const has = pieces === 'all' ? Bitfield.full(this.geometry.pieceCount) : this.bits(pieces);
    connection.handler.onBitfield(has);
    return connection;
  }

  /** A small fixed generator: the same run every time. */
  #random(): number {
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return this.#seed / 2 ** 31;
  }
}
