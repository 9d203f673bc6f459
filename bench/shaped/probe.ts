/**
 * Probe: loaded before the command (`node --import`), tells what its swarm does, as JSON lines on stdout. It only
 * reads; what it tells and the command does not is who lets whom ask, and what waits where.
 */
import type { Peer } from '../../engine/swarm/peer.js';
import { Swarm } from '../../engine/swarm/swarm.js';
import type { PieceIndex } from '../../engine/units.js';

/** Four times a second. */
const SAMPLE_MS = 250;

export interface Sample {
  readonly type: 'sample';
  /** Unix time in milliseconds, as everywhere here: clients and bench share a clock. */
  readonly atMs: number;
  readonly pieces: number;
  readonly downloadedBytes: number;
  readonly wastedBytes: number;
  readonly uploadedBytes: number;
  /** Blocks handed to connections, each counted once. */
  readonly distinctBlocksSent: number;
  readonly blocksSent: number;
  readonly peers: number;
  /** Want something of us; of these, may ask; of these, have asked and wait. */
  readonly interested: number;
  readonly unchoked: number;
  readonly served: number;
  /** Requests of peers that no block was handed over for. */
  readonly queuedBlocks: number;
  /** Handed over and not yet with the kernel. */
  readonly bufferedBytes: number;
  /** Have something that we want; of these, let us ask. */
  readonly interesting: number;
  readonly unchokedBy: number;
  /** Asked for and not here. */
  readonly outstandingBlocks: number;
  readonly requestLimit: number;
  /** Of those who let us ask and are asked for nothing: pieces that they have, we lack, and have not begun. */
  readonly idleSources: number;
  readonly freshPiecesOfIdleSources: number;
  readonly endgame: boolean;
  /** From request to block, of the blocks since the last sample: of those who had everything, and of others. */
  readonly seedDelaysMs: readonly number[];
  readonly leecherDelaysMs: readonly number[];
}

export interface PieceSample {
  readonly type: 'verified';
  readonly atMs: number;
  readonly piece: number;
}

/** A peer told us of a piece, or asked us for the block at `begin`. */
export interface PeerSample {
  readonly type: 'heard' | 'asked';
  readonly atMs: number;
  readonly piece: number;
  readonly begin?: number;
  /** Its address. */
  readonly from: string;
}

const tell = (line: Sample | PieceSample | PeerSample) => process.stdout.write(`${JSON.stringify(line)}\n`);

class Watch {
  readonly #swarm: Swarm;
  readonly #sent: Uint16Array[];
  readonly #joined = new WeakSet<Peer>();
  #seedDelaysMs: number[] = [];
  #leecherDelaysMs: number[] = [];

  constructor(swarm: Swarm) {
    this.#swarm = swarm;
    const { geometry, store, have } = swarm.state;
    this.#sent = Array.from({ length: geometry.pieceCount }, (_, piece) => {
      return new Uint16Array(geometry.blockCount(piece as PieceIndex));
    });
    const frames = store.frames.bind(store);
    store.frames = (piece, begin, blockBytes, blocks) => {
      const found = frames(piece, begin, blockBytes, blocks);
      const counts = this.#sent[piece];
      for (let i = 0; counts !== undefined && i < (found?.blocks ?? 0); i++) {
        const block = Math.floor(begin / blockBytes) + i;
        counts[block] = (counts[block] ?? 0) + 1;
      }
      return found;
    };
    const set = have.set.bind(have);
    have.set = (piece) => {
      tell({ type: 'verified', atMs: Date.now(), piece });
      return set(piece);
    };
  }

  /** Listens along to what a peer says and is asked. */
  join(peer: Peer): void {
    if (this.#joined.has(peer)) return;
    this.#joined.add(peer);
    const { connection } = peer;
    const { handler } = connection;
    const from = connection.remote.host;
    const asked = new Map<string, number>();
    const request = connection.request.bind(connection);
    connection.request = (piece, begin, length) => {
      asked.set(`${piece} ${begin}`, Date.now());
      request(piece, begin, length);
    };
    const { onHave, onRequest, onBlock } = handler;
    handler.onHave = (piece) => {
      tell({ type: 'heard', atMs: Date.now(), piece, from });
      onHave.call(handler, piece);
    };
    handler.onRequest = (piece, begin, length) => {
      tell({ type: 'asked', atMs: Date.now(), piece, begin, from });
      onRequest.call(handler, piece, begin, length);
    };
    handler.onBlock = (piece, begin, block) => {
      const askedAt = asked.get(`${piece} ${begin}`);
      const delays = peer.isSeed ? this.#seedDelaysMs : this.#leecherDelaysMs;
      if (askedAt !== undefined) delays.push(Date.now() - askedAt);
      asked.delete(`${piece} ${begin}`);
      onBlock.call(handler, piece, begin, block);
    };
  }

  sample(): Sample {
    const { peers, totals, have, scheduler, picker, geometry } = this.#swarm.state;
    const all = [...peers.values()];
    const interested = all.filter((peer) => peer.peerInterested);
    const unchoked = interested.filter((peer) => !peer.amChoking);
    const served = unchoked.filter((peer) => peer.uploads.size > 0 || peer.connection.bufferedBytes > 0);
    const interesting = all.filter((peer) => peer.amInterested);
    const unchokedBy = interesting.filter((peer) => !peer.peerChoking);
    const idleSources = unchokedBy.filter((peer) => peer.pipeline.outstanding === 0);
    const isFresh = (piece: PieceIndex) => picker.isMissing(piece) && !scheduler.isBegun(piece);
    const pieces = Array.from({ length: geometry.pieceCount }, (_, piece) => piece as PieceIndex);
    const [seedDelaysMs, leecherDelaysMs] = [this.#seedDelaysMs, this.#leecherDelaysMs];
    this.#seedDelaysMs = [];
    this.#leecherDelaysMs = [];
    const counts = this.#sent.flatMap((blocks) => [...blocks]);
    return {
      type: 'sample',
      atMs: Date.now(),
      pieces: have.count,
      downloadedBytes: totals.downloadedBytes,
      wastedBytes: totals.wastedBytes,
      uploadedBytes: totals.uploadedBytes,
      distinctBlocksSent: counts.filter((count) => count > 0).length,
      blocksSent: sum(counts),
      peers: all.length,
      interested: interested.length,
      unchoked: unchoked.length,
      served: served.length,
      queuedBlocks: sum(all.map((peer) => peer.uploads.size)),
      bufferedBytes: sum(all.map((peer) => peer.connection.bufferedBytes)),
      interesting: interesting.length,
      unchokedBy: unchokedBy.length,
      outstandingBlocks: sum(all.map((peer) => peer.pipeline.outstanding)),
      requestLimit: sum(unchokedBy.map((peer) => peer.pipeline.limit)),
      idleSources: idleSources.length,
      freshPiecesOfIdleSources: sum(
        idleSources.map((peer) => pieces.filter((piece) => peer.has.get(piece) && isFresh(piece)).length),
      ),
      endgame: scheduler.endgame,
      seedDelaysMs,
      leecherDelaysMs,
    };
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

// The swarm of a torrent is nobody's to reach from outside; it is told of peers before it can do anything.
const told = Swarm.prototype.onPeersFound;
const watches = new WeakMap<Swarm, Watch>();
Swarm.prototype.onPeersFound = function (this: Swarm, ...args) {
  if (!watches.has(this)) {
    const watch = new Watch(this);
    watches.set(this, watch);
    setInterval(() => tell(watch.sample()), SAMPLE_MS).unref();
    // A peer is in the map one step before it has its handler.
    const { peers } = this.state;
    const set = peers.set.bind(peers);
    peers.set = (id, peer) => {
      queueMicrotask(() => watch.join(peer));
      return set(id, peer);
    };
  }
  told.apply(this, args);
};
