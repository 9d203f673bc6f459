/**
 * Uploading: answers peers' requests, whole runs of blocks at a time, as fast as the peer reads and the
 * token buckets allow.
 */
import { bytesAvailable, readyAt, takeFromAll } from '../policy/token-bucket.js';
import { BLOCK_BYTES, type PieceIndex } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';
import type { UploadRun } from './upload-queue.js';

/** Bytes in flight to one peer's kernel buffer before we wait: two frames extents keep the pipe full. */
const SEND_AHEAD_BYTES = 512 * 1024;
/** Longest run handed to the store at once. */
const MAX_RUN_BLOCKS = 64;

export class Uploading {
  readonly #state: SwarmState;
  /** Peers that wait for the store to read a piece. */
  readonly #awaiting = new Map<PieceIndex, Set<Peer>>();
  /** Peers with requests and no tokens, in the order of asking. */
  readonly #starved = new Set<Peer>();
  readonly #run: UploadRun = { piece: 0 as PieceIndex, begin: 0, blockBytes: 0, blocks: 0 };

  constructor(state: SwarmState) {
    this.#state = state;
  }

  onRequest(peer: Peer, piece: PieceIndex, begin: number, length: number): void {
    const allowed =
      !peer.amChoking && this.#state.have.get(piece) && length <= BLOCK_BYTES && !this.#state.failed;
    if (allowed && peer.uploads.push(piece, begin, length)) this.pump(peer);
    else peer.connection.reject(piece, begin, length);
  }

  onCancel(peer: Peer, piece: PieceIndex, begin: number, length: number): void {
    // BEP 6: a cancel is answered by the block or a reject; what is no longer queued has been sent.
    if (peer.uploads.remove(piece, begin, length)) peer.connection.reject(piece, begin, length);
  }

  /** We choke it: what it asked is refused (BEP 6) or silently forgotten (BEP 3). */
  onChoked(peer: Peer): void {
    peer.uploads.clear((piece, begin, length) => peer.connection.reject(piece, begin, length));
    this.#forget(peer);
  }

  onGone(peer: Peer): void {
    peer.uploads.clear(() => {});
    this.#forget(peer);
  }

  onFramesReady(piece: PieceIndex): void {
    const peers = this.#awaiting.get(piece);
    if (peers === undefined) return;
    this.#awaiting.delete(piece);
    for (const peer of peers) {
      peer.awaitedFrames = undefined;
      this.pump(peer);
    }
  }

  onTokens(): void {
    const peers = [...this.#starved];
    this.#starved.clear();
    for (const peer of peers) this.pump(peer);
  }

  /** Sends what can be sent now. */
  pump(peer: Peer): void {
    const run = this.#run;
    while (peer.awaitedFrames === undefined && peer.connection.bufferedBytes < SEND_AHEAD_BYTES) {
      if (this.#state.failed || !peer.uploads.peekRun(run, MAX_RUN_BLOCKS)) return;
      const affordable = this.#affordableBlocks(peer, run.blockBytes);
      if (affordable === 0) return;
      const frames = this.#state.store.frames(
        run.piece,
        run.begin,
        run.blockBytes,
        Math.min(run.blocks, affordable),
      );
      if (frames === undefined) {
        this.#await(peer, run.piece);
        return;
      }
      const bytes = frames.blocks * run.blockBytes;
      peer.uploads.shift(frames.blocks);
      this.#count(peer, bytes);
      peer.connection.sendFrames(frames.bytes, () => {
        frames.release();
        this.pump(peer);
      });
    }
  }

  #count(peer: Peer, bytes: number): void {
    const { uploadBuckets, uploadRate, totals } = this.#state;
    const now = this.#state.now();
    takeFromAll(uploadBuckets, now, bytes);
    peer.uploadedBytes += bytes;
    peer.uploadRate.add(now, bytes);
    uploadRate.add(now, bytes);
    totals.uploadedBytes += bytes;
  }

  #affordableBlocks(peer: Peer, blockBytes: number): number {
    const now = this.#state.now();
    const blocks = Math.floor(bytesAvailable(this.#state.uploadBuckets, now) / blockBytes);
    if (blocks < 1) {
      this.#starved.add(peer);
      this.#state.deadlines.set('upload-tokens', readyAt(this.#state.uploadBuckets, now, blockBytes));
      return 0;
    }
    return blocks;
  }

  #await(peer: Peer, piece: PieceIndex): void {
    peer.awaitedFrames = piece;
    const peers = this.#awaiting.get(piece);
    if (peers === undefined) this.#awaiting.set(piece, new Set([peer]));
    else peers.add(peer);
  }

  #forget(peer: Peer): void {
    this.#starved.delete(peer);
    if (peer.awaitedFrames === undefined) return;
    this.#awaiting.get(peer.awaitedFrames)?.delete(peer);
    peer.awaitedFrames = undefined;
  }
}
