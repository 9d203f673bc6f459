/**
 * Probe: loaded before the command (`node --import`), tells what its swarm does, as JSON lines on stdout. It only
 * reads; what it tells and the command does not is who lets whom ask, and what waits where.
 */
import { Swarm } from '../../engine/swarm/swarm.js';

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
  readonly endgame: boolean;
}

export interface PieceSample {
  readonly type: 'verified';
  readonly atMs: number;
  readonly piece: number;
}

const tell = (line: Sample | PieceSample) => process.stdout.write(`${JSON.stringify(line)}\n`);

class Watch {
  readonly #swarm: Swarm;
  readonly #sent: Uint16Array[];

  constructor(swarm: Swarm) {
    this.#swarm = swarm;
    const { geometry, store, have } = swarm.state;
    this.#sent = Array.from({ length: geometry.pieceCount }, (_, piece) => {
      return new Uint16Array(geometry.blockCount(piece as Parameters<typeof geometry.blockCount>[0]));
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

  sample(): Sample {
    const { peers, totals, have, scheduler } = this.#swarm.state;
    const all = [...peers.values()];
    const interested = all.filter((peer) => peer.peerInterested);
    const unchoked = interested.filter((peer) => !peer.amChoking);
    const served = unchoked.filter((peer) => peer.uploads.size > 0 || peer.connection.bufferedBytes > 0);
    const interesting = all.filter((peer) => peer.amInterested);
    const unchokedBy = interesting.filter((peer) => !peer.peerChoking);
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
      endgame: scheduler.endgame,
    };
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

// The swarm of a torrent is nobody's to reach from outside; it is told of peers before it can do anything.
const told = Swarm.prototype.onPeersFound;
const watched = new WeakSet<Swarm>();
Swarm.prototype.onPeersFound = function (this: Swarm, ...args) {
  if (!watched.has(this)) {
    watched.add(this);
    const watch = new Watch(this);
    setInterval(() => tell(watch.sample()), SAMPLE_MS).unref();
  }
  told.apply(this, args);
};
