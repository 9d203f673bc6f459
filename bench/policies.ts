/**
 * Policies: what a large swarm costs, in microseconds of CPU: `npm run bench:policies`. 100,000 pieces of 16 blocks;
 * 500 peers, 100 of them seeds, the others with half of the pieces. No sockets, no disk, no hashing, but all else:
 * of a block its receipt, the next request, and its part of telling 500 peers of the piece.
 */
import { Bitfield } from '../engine/policy/bitfield.js';
import { ReadingWindows, windowLength } from '../engine/policy/reading-windows.js';
import { TokenBucket } from '../engine/policy/token-bucket.js';
import { TorrentGeometry } from '../engine/policy/torrent-geometry.js';
import type { PeerConnection, PeerHandler, PieceStore, PieceStoreHandler } from '../engine/ports.js';
import { NO_HANDLER } from '../engine/ports.js';
import { Swarm } from '../engine/swarm/swarm.js';
import { asMillis, asPiece, BLOCK_BYTES, type PieceIndex } from '../engine/units.js';
import { seededRng } from '../test/policy/drawings.js';
import { VirtualClock } from '../test/support/virtual-clock.js';
import { median } from './measure.js';
import { formatTable } from './table.js';

const PIECES = 100_000;
const BLOCKS_PER_PIECE = 16;
const PEERS = 500;
const SEEDS = 100;
/** Each figure is the median of so many runs, after one that only warms up. */
const RUNS = 5;
/** Pieces that 32 MiB hold. */
const FEW_SLOTS = 128;
const MANY_SLOTS = 8_192;

const GEOMETRY = new TorrentGeometry(BLOCKS_PER_PIECE * BLOCK_BYTES, PIECES * BLOCKS_PER_PIECE * BLOCK_BYTES);
const BLOCK = new Uint8Array(BLOCK_BYTES);
const nothing = (): void => {};

/** A connection that keeps what is asked of it, and says nothing. */
class SilentConnection implements PeerConnection {
  readonly remote;
  readonly peerId;
  readonly incoming = true;
  readonly fast = true;
  readonly extended = true;
  readonly encrypted = false;
  readonly bufferedBytes = 0;
  handler: PeerHandler = NO_HANDLER;
  /** Blocks asked and not answered, oldest first from `head` on: piece, begin. */
  readonly asked: number[] = [];
  head = 0;
  choke = nothing;
  unchoke = nothing;
  interested = nothing;
  notInterested = nothing;
  have = nothing;
  bitfield = nothing;
  reject = nothing;
  cancel = nothing;
  extendedMessage = nothing;
  metadata = nothing;
  learnGeometry = nothing;
  uploadOnly = nothing;
  sendFrames = nothing;
  cork = nothing;
  uncork = nothing;

  constructor(id: number) {
    this.remote = { host: `10.${id >> 8}.${id & 255}.1`, port: 6881 };
    this.peerId = new Uint8Array([id >> 8, id & 255]);
  }

  request(piece: PieceIndex, begin: number): void {
    this.asked.push(piece, begin);
  }

  /** The oldest request; false when there is none. */
  take(visit: (piece: PieceIndex, begin: number) => void): boolean {
    if (this.head === this.asked.length) return false;
    const [piece, begin] = [this.asked[this.head]!, this.asked[this.head + 1]!];
    this.head += 2;
    if (this.head > 4_096) {
      this.asked.splice(0, this.head);
      this.head = 0;
    }
    visit(asPiece(piece), begin);
    return true;
  }

  close(reason: string): void {
    this.handler.onClose({ kind: 'local', text: reason });
  }
}

/** Room for so many pieces; every piece is good, once `settle` is called. */
class CountingStore implements PieceStore {
  handler!: PieceStoreHandler;
  readonly finished: PieceIndex[] = [];
  #used = 0;
  #refused = false;

  constructor(readonly slots: number) {}

  beginPiece(): boolean {
    this.#refused = this.#used === this.slots;
    if (!this.#refused) this.#used++;
    return !this.#refused;
  }

  finishPiece(piece: PieceIndex): void {
    this.finished.push(piece);
  }

  abandonPiece(): void {
    this.#used--;
  }

  settle(): void {
    for (const piece of this.finished.splice(0)) {
      this.#used--;
      this.handler.onPieceVerified(piece);
      if (!this.#refused) continue;
      this.#refused = false;
      this.handler.onSlotFree();
    }
  }

  putBlock = nothing;
  blockDigest = (): string => '';
  frames = (): undefined => undefined;
}

/** A swarm of 500 peers, seated and described; nobody has unchoked us. */
class Lab {
  readonly clock = new VirtualClock();
  readonly store: CountingStore;
  readonly swarm: Swarm;
  readonly peers: SilentConnection[] = [];
  readonly rng = seededRng(1);
  onPiece: (piece: PieceIndex) => void = nothing;

  constructor(slots: number, wanted = Bitfield.full(PIECES)) {
    this.store = new CountingStore(slots);
    this.swarm = new Swarm({
      geometry: GEOMETRY,
      have: new Bitfield(PIECES),
      wanted,
      store: this.store,
      dialer: { dial: () => nothing },
      identity: {
        infoHash: '',
        peerId: new Uint8Array(20),
        geometry: GEOMETRY,
        extendedHandshake: { client: '', listenPort: 0, requestQueue: 500, extensions: [] },
      },
      clock: this.clock,
      rng: this.rng,
      observer: {
        onPieceVerified: (piece) => this.onPiece(piece),
        onPieceCorrupt: nothing,
        onPeerConnected: nothing,
        onPeerClosed: nothing,
        onPeerBanned: nothing,
        onComplete: nothing,
        onFailed: nothing,
      },
      maxPeers: PEERS + 1,
      downloadBuckets: [new TokenBucket(0)],
      uploadBuckets: [new TokenBucket(0)],
      wantPeers: nothing,
    });
    for (let id = 0; id < PEERS; id++) this.join(id < SEEDS ? Bitfield.full(PIECES) : this.half());
  }

  join(pieces: Bitfield): SilentConnection {
    const peer = new SilentConnection(this.peers.length);
    this.peers.push(peer);
    this.swarm.onIncoming(peer);
    peer.handler.onBitfield(pieces);
    return peer;
  }

  half(): Bitfield {
    const bits = Uint8Array.from({ length: PIECES / 8 }, () => Math.floor(this.rng() * 256));
    return Bitfield.fromWire(bits, PIECES) ?? new Bitfield(PIECES);
  }

  unchoked(count = PEERS): this {
    for (const peer of this.peers.slice(0, count)) peer.handler.onUnchoke();
    return this;
  }

  /** Somebody reads whatever is there, in order from the first piece on. */
  read(): void {
    const windows = new ReadingWindows<Lab>(this.swarm, windowLength(GEOMETRY.pieceLength));
    const { have } = this.swarm.state;
    let next = 0;
    const move = (): void => windows.move(this, asPiece(next), PIECES, this.clock.now(), 1);
    this.onPiece = (piece) => {
      if (piece !== next) return;
      // Each piece that is there is read, and the window moved, one by one.
      while (have.get(asPiece(next))) {
        next++;
        move();
      }
    };
    move();
  }

  /** Answers `blocks` requests, peers in turn; pieces are verified at once. @returns how many blocks those were */
  download(blocks: number, from = this.peers): number {
    let done = 0;
    for (let idle = 0, i = 0; done < blocks && idle < from.length; i = (i + 1) % from.length) {
      const peer = from[i]!;
      if (!peer.take((piece, begin) => peer.handler.onBlock(piece, begin, BLOCK))) {
        idle++;
        continue;
      }
      peer.handler.onReadEnd();
      idle = 0;
      // Rates, and with them the depth of pipelines, want time to pass: 500 peers at 1 MB/s each.
      if (++done % 32 === 0) this.clock.advance(1);
      if (this.store.finished.length > 0) this.store.settle();
    }
    return done;
  }
}

interface Figure {
  readonly name: string;
  /** Most microseconds that it may cost; undefined where nothing was promised. */
  readonly most?: number;
  /** Prepares; what it returns is timed, and says how many times it did the thing. */
  readonly prepare: () => () => number;
}

const warmedUp = (lab: Lab): Lab => {
  lab.download(100_000);
  return lab;
};

const FIGURES: readonly Figure[] = [
  {
    name: 'a block, all of 500 peers sending, memory to spare',
    most: 2,
    prepare: () => {
      const lab = warmedUp(new Lab(MANY_SLOTS).unchoked());
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block, all of 500 peers sending, memory full',
    most: 2,
    prepare: () => {
      const lab = warmedUp(new Lab(FEW_SLOTS).unchoked());
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block, 50 of 500 peers sending, memory full',
    most: 2,
    prepare: () => {
      const lab = warmedUp(new Lab(FEW_SLOTS).unchoked(50));
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block, in order, memory to spare',
    most: 2,
    prepare: () => {
      const lab = new Lab(MANY_SLOTS);
      lab.swarm.setSequential(true);
      warmedUp(lab.unchoked());
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block, every piece with a deadline, memory to spare',
    most: 2,
    prepare: () => {
      const lab = new Lab(MANY_SLOTS);
      for (let piece = 0; piece < PIECES; piece++)
        lab.swarm.setDeadline(asPiece(piece), asMillis(1_000 + piece));
      warmedUp(lab.unchoked());
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block, read while it downloads, memory full',
    most: 2,
    prepare: () => {
      const lab = new Lab(FEW_SLOTS);
      lab.read();
      warmedUp(lab.unchoked());
      return () => lab.download(100_000);
    },
  },
  {
    name: 'a block of the last 500 pieces, endgame included',
    prepare: () => {
      const wanted = new Bitfield(PIECES);
      for (let piece = 0; piece < 500; piece++) wanted.set(asPiece(piece * 200));
      const lab = new Lab(MANY_SLOTS, wanted).unchoked();
      return () => lab.download(Number.POSITIVE_INFINITY);
    },
  },
  {
    name: 'a have of a peer that chokes us',
    most: 1,
    prepare: () => haves(new Lab(FEW_SLOTS)),
  },
  {
    name: 'a have of a peer that may be asked, and is',
    most: 1,
    prepare: () => haves(new Lab(MANY_SLOTS).unchoked()),
  },
  {
    name: 'a have of a peer that may be asked, memory full',
    most: 1,
    prepare: () => haves(new Lab(FEW_SLOTS).unchoked()),
  },
  {
    name: 'a reject of a peer that chokes us',
    prepare: () => {
      const lab = warmedUp(new Lab(MANY_SLOTS).unchoked());
      for (const peer of lab.peers) peer.handler.onChoke();
      return () => {
        let count = 0;
        for (const peer of lab.peers) {
          while (peer.take((piece, begin) => peer.handler.onReject(piece, begin, BLOCK_BYTES))) count++;
          peer.handler.onReadEnd();
        }
        return count;
      };
    },
  },
  { name: 'a seed comes', prepare: () => arrivals(() => Bitfield.full(PIECES)) },
  { name: 'a peer with half of the pieces comes', prepare: () => arrivals((lab) => lab.half()) },
  { name: 'a seed goes', prepare: () => departures(0) },
  { name: 'a peer with half of the pieces goes', prepare: () => departures(SEEDS) },
];

/** Every peer that is no seed says that it has a few more. */
function haves(lab: Lab): () => number {
  const news: [SilentConnection, PieceIndex][] = [];
  const peers = [...lab.swarm.state.peers.values()].slice(SEEDS);
  for (let i = 0; i < 100_000; i++) {
    const at = i % peers.length;
    const piece = asPiece(Math.floor(lab.rng() * PIECES));
    if (!peers[at]!.has.get(piece)) news.push([lab.peers[SEEDS + at]!, piece]);
  }
  return () => {
    for (const [peer, piece] of news) {
      peer.handler.onHave(piece);
      peer.handler.onReadEnd();
    }
    return news.length;
  };
}

const COMERS = 20;

function arrivals(piecesOf: (lab: Lab) => Bitfield): () => number {
  const lab = warmedUp(new Lab(MANY_SLOTS).unchoked());
  for (const peer of lab.peers.slice(PEERS - COMERS)) peer.close('makes room');
  const comers = Array.from({ length: COMERS }, () => piecesOf(lab));
  return () => {
    for (const pieces of comers) lab.join(pieces);
    return COMERS;
  };
}

function departures(first: number): () => number {
  const lab = warmedUp(new Lab(MANY_SLOTS).unchoked());
  return () => {
    for (const peer of lab.peers.slice(first, first + COMERS)) peer.close('goes');
    return COMERS;
  };
}

function microseconds({ prepare }: Figure): number {
  prepare()();
  const runs = Array.from({ length: RUNS }, () => {
    const run = prepare();
    // Of the CPU: others may share the machine.
    const startedAt = process.cpuUsage();
    const count = run();
    return process.cpuUsage(startedAt).user / count;
  });
  return median(runs);
}

let missed = 0;
const only = process.argv[2] ?? '';
const rows = FIGURES.filter(({ name }) => name.includes(only)).map((figure) => {
  const us = microseconds(figure);
  if (figure.most !== undefined && us > figure.most) missed++;
  return [figure.name, us.toFixed(us < 10 ? 2 : 0), figure.most === undefined ? '' : `≤ ${figure.most}`];
});
console.log(formatTable([`${PIECES} pieces, ${PEERS} peers`, 'µs', 'target'], rows));
process.exitCode = missed > 0 ? 1 : 0;
