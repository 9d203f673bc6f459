/**
 * Uploading: answers peers' requests, whole runs of blocks at a time, as fast as the peer reads and the
 * token buckets allow.
 */
import { BLOCK_BYTES, type PieceIndex } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';
import { TokenQueue } from './token-queue.js';
import type { UploadRun } from './upload-queue.js';

/**
 * What may wait for the kernel is what the peer takes in this time: whatever we tell it, requests above all, comes
 * after. One block in any case; the kernel still has some when it has taken that.
 */
const SEND_AHEAD_S = 0.25;
/** Two extents of frames keep any pipe full. */
const MAX_SEND_AHEAD_BYTES = 512 * 1024;
/** Longest run handed to the store at once. */
const MAX_RUN_BLOCKS = 64;

export class Uploading {
  readonly #state: SwarmState;
  /** Peers that wait for the store to read a piece. */
  readonly #awaiting = new Map<PieceIndex, Set<Peer>>();
  readonly #tokens: TokenQueue;
  readonly #run: UploadRun = { piece: 0 as PieceIndex, begin: 0, blockBytes: 0, blocks: 0 };

  constructor(state: SwarmState) {
    this.#state = state;
    this.#tokens = new TokenQueue(state, state.uploadBuckets, 'upload-tokens');
  }

  onRequest(peer: Peer, piece: PieceIndex, begin: number, length: number): void {
    const allowed =
      !peer.amChoking && this.#state.have.get(piece) && length <= BLOCK_BYTES && !this.#state.failed;
    // Sent at the end of the read: what was asked together goes out as runs.
    if (allowed && peer.uploads.push(piece, begin, length)) return;
    peer.connection.reject(piece, begin, length);
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
    this.#tokens.serve((peer, share) => this.#send(peer, share));
  }

  /** Sends what can be sent now; while others wait for tokens, the peer waits behind them. */
  pump(peer: Peer): void {
    if (peer.uploads.size === 0) return;
    if (this.#tokens.isEmpty) this.#send(peer, Number.POSITIVE_INFINITY);
    else if (this.#canSend(peer)) this.#tokens.wait(peer);
  }

  #send(peer: Peer, most: number): void {
    const run = this.#run;
    for (let sent = 0; this.#canSend(peer); ) {
      const granted = Math.min(most - sent, this.#tokens.blocks);
      if (granted < 1) {
        this.#tokens.wait(peer);
        return;
      }
      const ahead = Math.ceil((this.#sendAheadBytes(peer) - peer.aheadBytes) / BLOCK_BYTES);
      peer.uploads.peekRun(run, Math.min(granted, ahead, MAX_RUN_BLOCKS));
      const frames = this.#state.store.frames(run.piece, run.begin, run.blockBytes, run.blocks);
      if (frames === undefined) {
        this.#await(peer, run.piece);
        return;
      }
      sent += frames.blocks;
      peer.uploads.shift(frames.blocks);
      peer.receipts.onSent(run.piece);
      const bytes = frames.blocks * run.blockBytes;
      this.#tokens.take(bytes);
      const frameBytes = frames.bytes.length;
      peer.aheadBytes += frameBytes;
      peer.connection.sendFrames(frames.bytes, () => {
        frames.release();
        peer.aheadBytes -= frameBytes;
        // Flushed by a connection that is closed means dropped.
        if (peer.isGone) return;
        this.#count(peer, bytes);
        this.pump(peer);
        const { timers, uplink } = this.#state;
        if (peer.uploads.size === 0) timers.setIfEarlier('uplink-idle', uplink.idleAt);
      });
    }
  }

  #canSend(peer: Peer): boolean {
    if (peer.uploads.size === 0 || peer.awaitedFrames !== undefined || this.#state.failed) return false;
    return peer.aheadBytes < this.#sendAheadBytes(peer);
  }

  #sendAheadBytes(peer: Peer): number {
    const bytes = SEND_AHEAD_S * peer.uploadRate.rate(this.#state.now());
    return Math.min(Math.max(bytes, BLOCK_BYTES), MAX_SEND_AHEAD_BYTES);
  }

  #count(peer: Peer, bytes: number): void {
    const { uploadRate, uplink, totals } = this.#state;
    const now = this.#state.now();
    peer.uploadedBytes += bytes;
    peer.uploadRate.add(now, bytes);
    uploadRate.add(now, bytes);
    uplink.onSent(now, bytes);
    totals.uploadedBytes += bytes;
  }

  #await(peer: Peer, piece: PieceIndex): void {
    peer.awaitedFrames = piece;
    const peers = this.#awaiting.get(piece);
    if (peers === undefined) this.#awaiting.set(piece, new Set([peer]));
    else peers.add(peer);
  }

  #forget(peer: Peer): void {
    this.#tokens.leave(peer);
    if (peer.awaitedFrames === undefined) return;
    this.#awaiting.get(peer.awaitedFrames)?.delete(peer);
    peer.awaitedFrames = undefined;
  }
}
