/**
 * Downloading: asks peers for blocks, gathers them into pieces, and has whole pieces verified. Which block,
 * how many and whose fault are the policies' to say.
 */
import type { Bitfield } from '../policy/bitfield.js';
import { BLOCK_RESULT } from '../policy/block-scheduler.js';
import type { SmartBan } from '../policy/smart-ban.js';
import { asMillis, BLOCK_BYTES, type Millis, type PeerAddress, type PieceIndex } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';
import { TokenQueue } from './token-queue.js';

/** Requests made in one go; more would delay the other peers' turn. */
const MAX_REQUEST_BATCH = 256;
/** How often overdue requests, lost interest and stuck pieces are looked for. */
const CHECK_MS = 1_000;
/** The same in endgame: whoever falls behind then keeps all else waiting. */
const ENDGAME_CHECK_MS = 100;
/** The same while pieces have deadlines: whoever will be late is found in time. */
const DEADLINE_CHECK_MS = 250;
/** A piece that got no block between two such looks is stuck. */
const STALE_CHECK_MS = 5_000;
/** A peer that rejects this often in a row, while it lets us ask, only wastes requests. */
const MAX_REJECTS_IN_A_ROW = 64;
/** Blocks and rejects beyond all that we ever asked of a peer: a few are a mistake, more take our line from others. */
const MAX_UNASKED_ANSWERS = 64;
/** BEP 6 suggests sets of 10; a longer one is a peer's own business, not ours to store. */
const MAX_ALLOWED_FAST = 64;

export class Downloading {
  readonly #state: SwarmState;
  readonly #smartBan: SmartBan;
  /** (piece, block) pairs of one batch. */
  readonly #batch = new Int32Array(MAX_REQUEST_BATCH * 2);
  readonly #others: number[] = [];
  /** Digests of pieces that failed before, taken while their blocks are in the arena. */
  readonly #digests = new Map<PieceIndex, string[]>();
  readonly #tokens: TokenQueue;
  /** Peers that could be asked for more than there was, who has waited longest first. */
  readonly #hungry = new Set<Peer>();
  /** Peers that let us ask, or owe us answers: the few that a check looks at. */
  readonly #serving = new Set<Peer>();
  /** Peers that have nothing (any more) that we want, and were not told yet. */
  readonly #losingInterest = new Set<Peer>();
  #staleCheckAt: Millis = asMillis(0);

  constructor(state: SwarmState, smartBan: SmartBan) {
    this.#state = state;
    this.#smartBan = smartBan;
    this.#tokens = new TokenQueue(state, state.downloadBuckets, 'download-tokens');
  }

  // ─── What a peer has ───────────────────────────────────────────────────────────────────────────────────

  onBitfield(peer: Peer, pieces: Bitfield): void {
    peer.has = pieces;
    this.#state.picker.onPeerPieces(pieces);
    peer.usefulPieces = this.#state.picker.wantedMissingCount(pieces);
    this.#updateInterest(peer);
  }

  /** @returns false when it said so before */
  onHave(peer: Peer, piece: PieceIndex): boolean {
    if (!peer.has.set(piece)) return false;
    this.#state.picker.onPeerHave(piece);
    if (!this.#state.picker.isMissing(piece)) return true;
    peer.usefulPieces++;
    this.#updateInterest(peer);
    return true;
  }

  onAllowedFast(peer: Peer, piece: PieceIndex): void {
    peer.allowedFast ??= new Set();
    if (peer.allowedFast.size >= MAX_ALLOWED_FAST || peer.allowedFast.has(piece)) return;
    peer.allowedFast.add(piece);
    this.#serving.add(peer);
    this.pump(peer);
  }

  // ─── Asking ────────────────────────────────────────────────────────────────────────────────────────────

  /** Fills the peer's request pipeline; while others wait for tokens, it waits behind them. */
  pump(peer: Peer): void {
    if (!this.#mayAsk(peer)) return;
    if (this.#tokens.isEmpty) this.#ask(peer, MAX_REQUEST_BATCH);
    else if (this.#roomOf(peer) > 0) this.#tokens.wait(peer);
  }

  #ask(peer: Peer, most: number): void {
    const room = this.#roomOf(peer);
    if (room <= 0) {
      this.#satisfy(peer);
      return;
    }
    const granted = Math.min(room, most, this.#tokens.blocks);
    if (granted < room) this.#tokens.wait(peer);
    if (granted < 1) return;
    const allowed = peer.peerChoking ? peer.allowedFast : undefined;
    const count = this.#state.scheduler.nextBlocks(peer.id, peer.has, granted, this.#batch, allowed);
    // Who gets something goes to the end.
    if (count > 0) this.#satisfy(peer);
    if (count < granted) this.#goHungry(peer);
    if (count < granted && this.#state.scheduler.endgame) this.#checkWithin(ENDGAME_CHECK_MS);
    if (count > 0) this.#request(peer, count);
  }

  /** How many blocks it may be asked for now, tokens aside. */
  #roomOf(peer: Peer): number {
    return this.#mayAsk(peer) ? Math.min(peer.pipeline.room(this.#state.now()), MAX_REQUEST_BATCH) : 0;
  }

  #mayAsk(peer: Peer): boolean {
    if (!peer.amInterested || (peer.peerChoking && peer.allowedFast === undefined)) return false;
    return !this.#state.failed;
  }

  #request(peer: Peer, count: number): void {
    const { geometry } = this.#state;
    const now = this.#state.now();
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const piece = this.#batch[2 * i]! as PieceIndex;
      const block = this.#batch[2 * i + 1]!;
      const length = geometry.blockBytes(piece, block);
      bytes += length;
      peer.connection.request(piece, block * BLOCK_BYTES, length);
    }
    peer.pipeline.onRequested(now, count);
    peer.answersDue += count;
    this.#tokens.take(bytes);
    this.#checkSoon();
  }

  /** Once a second while there is reason: gives overdue requests to others, ends interest, frees stuck memory. */
  onCheck(): void {
    const now = this.#state.now();
    for (const peer of this.#losingInterest) {
      if (peer.amInterested && peer.usefulPieces === 0) this.#endInterest(peer);
    }
    this.#losingInterest.clear();
    for (const peer of this.#serving) {
      if (peer.pipeline.outstanding === 0) continue;
      this.#checkSoon();
      if (!peer.pipeline.overdue(now)) continue;
      // Their tokens stay taken: what comes late crosses our line all the same.
      this.#state.scheduler.releaseAll(peer.id);
      peer.pipeline.onTimedOut(now);
    }
    this.#dropStale(now);
    this.#state.scheduler.reviewDeadlines();
    for (const peer of this.#serving) {
      this.pump(peer);
      const isOver = peer.peerChoking && peer.allowedFast === undefined && peer.pipeline.outstanding === 0;
      if (isOver) this.#serving.delete(peer);
    }
  }

  /** Frees the memory of pieces that make no headway, when others wait for memory. */
  #dropStale(now: Millis): void {
    const { scheduler, store } = this.#state;
    if (scheduler.begunCount > 0) this.#checkSoon();
    if (now < this.#staleCheckAt) return;
    this.#staleCheckAt = asMillis(now + STALE_CHECK_MS);
    for (const piece of scheduler.dropStale()) store.abandonPiece(piece);
  }

  /** A piece has got a deadline: blocks of it may be under way, and late. */
  onPieceDeadline(): void {
    if (this.#state.scheduler.begunCount > 0) this.#checkSoon();
  }

  onTokens(): void {
    this.#tokens.serve((peer, share) => this.#ask(peer, share));
  }

  onUnchoke(peer: Peer): void {
    peer.peerChoking = false;
    this.#serving.add(peer);
    peer.pipeline.onUnchoked(this.#state.now());
    this.pump(peer);
  }

  onChoke(peer: Peer): void {
    peer.peerChoking = true;
    // BEP 6: a fast peer answers each request by the block or a reject; another forgets them all.
    if (!peer.connection.fast) this.#releaseAll(peer);
    if (peer.allowedFast === undefined) this.#satisfy(peer);
    this.#feed();
  }

  onReject(peer: Peer, piece: PieceIndex, begin: number): void {
    if (!this.#countAnswer(peer)) return;
    const block = Math.floor(begin / BLOCK_BYTES);
    if (!this.#state.scheduler.onReleased(peer.id, piece, block)) return;
    peer.pipeline.onReleased(1);
    this.#tokens.giveBack(this.#state.geometry.blockBytes(piece, block));
    // It does not let us ask for that piece after all; without this the two of us would spin.
    if (peer.peerChoking && peer.allowedFast?.delete(piece) && peer.allowedFast.size === 0)
      peer.allowedFast = undefined;
    // Asking a peer again that lets us ask and rejects waits for the next check, for the same reason.
    if (peer.peerChoking) this.#feed();
    else if (++peer.rejectsInARow >= MAX_REJECTS_IN_A_ROW) this.#state.drop(peer, 'rejects every request');
  }

  onGone(peer: Peer): void {
    this.#tokens.leave(peer);
    this.#satisfy(peer);
    this.#serving.delete(peer);
    this.#losingInterest.delete(peer);
    this.#tokens.giveBack(this.#state.scheduler.onPeerLeft(peer.id) * BLOCK_BYTES);
    this.#state.picker.onPeerLeft(peer.has);
    this.#feed();
  }

  #releaseAll(peer: Peer): void {
    this.#tokens.giveBack(this.#state.scheduler.releaseAll(peer.id) * BLOCK_BYTES);
    peer.pipeline.onChoked(this.#state.now());
  }

  #goHungry(peer: Peer): void {
    peer.isHungry = true;
    this.#hungry.add(peer);
  }

  /** Called for each message: the flag on the peer saves a look into the set. */
  #satisfy(peer: Peer): void {
    if (!peer.isHungry) return;
    peer.isHungry = false;
    this.#hungry.delete(peer);
  }

  /** There is more to ask for: each of the hungry gets a turn, while there is something to give. */
  #feed(): void {
    let turns = this.#hungry.size;
    for (const peer of this.#hungry) {
      if (turns-- === 0 || this.#state.scheduler.isExhausted) return;
      this.pump(peer);
    }
  }

  // ─── Receiving ─────────────────────────────────────────────────────────────────────────────────────────

  onBlock(peer: Peer, piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    const { geometry, scheduler, store, totals } = this.#state;
    const block = begin / BLOCK_BYTES;
    const fits =
      Number.isInteger(block) &&
      block < geometry.blockCount(piece) &&
      bytes.length === geometry.blockBytes(piece, block);
    const wasAsked = this.#countAnswer(peer);
    const result = fits && wasAsked ? scheduler.onBlock(peer.id, piece, block) : BLOCK_RESULT.unrequested;
    if (result === BLOCK_RESULT.unrequested || this.#state.failed) {
      totals.wastedBytes += bytes.length;
      return;
    }
    peer.arrivedBlocks++;
    peer.arrivedBytes += bytes.length;
    if (result === BLOCK_RESULT.duplicate) {
      totals.wastedBytes += bytes.length;
    } else {
      peer.downloadedBytes += bytes.length;
      totals.downloadedBytes += bytes.length;
      store.putBlock(piece, begin, bytes);
      this.#cancelElsewhere(piece, block, begin, bytes.length);
      if (scheduler.isComplete(piece)) this.#finish(piece);
    }
  }

  /** Accounts for the blocks that arrived together, and asks for more. */
  onReadEnd(peer: Peer): void {
    const { arrivedBlocks } = peer;
    if (arrivedBlocks > 0) {
      const { arrivedBytes } = peer;
      const now = this.#state.now();
      peer.arrivedBlocks = 0;
      peer.arrivedBytes = 0;
      peer.rejectsInARow = 0;
      peer.pipeline.onBlocks(now, arrivedBlocks, arrivedBytes);
      peer.contribution.add(now, arrivedBytes);
      peer.lastBlockAt = now;
      this.#state.downloadRate.add(now, arrivedBytes);
    }
    this.pump(peer);
  }

  /** A block or a reject. @returns false when it was one too many beyond all that was asked, and the peer is dropped */
  #countAnswer(peer: Peer): boolean {
    if (--peer.answersDue >= -MAX_UNASKED_ANSWERS) return true;
    this.#state.drop(peer, 'sends what nobody asked for');
    return false;
  }

  /** Endgame: the same block was asked of others, who need not send it any more. */
  #cancelElsewhere(piece: PieceIndex, block: number, begin: number, length: number): void {
    const { scheduler, peers } = this.#state;
    this.#others.length = 0;
    if (scheduler.othersRequesting(piece, block, this.#others) === 0) return;
    for (const id of this.#others) {
      const other = peers.get(id);
      if (other === undefined) continue;
      other.connection.cancel(piece, begin, length);
      // A fast peer still answers a cancel, by the block or a reject; another does not.
      if (other.connection.fast) continue;
      scheduler.onReleased(id, piece, block);
      other.pipeline.onReleased(1);
      this.pump(other);
    }
  }

  // ─── Whole pieces ──────────────────────────────────────────────────────────────────────────────────────

  #finish(piece: PieceIndex): void {
    if (this.#smartBan.remembers(piece)) this.#digests.set(piece, this.#blockDigests(piece));
    this.#state.store.finishPiece(piece);
  }

  onPieceVerified(piece: PieceIndex): void {
    const { scheduler, picker, have, wanted, observer } = this.#state;
    this.#blameAfterSuccess(piece);
    scheduler.onPieceVerified(piece);
    have.set(piece);
    const wasWanted = wanted.get(piece);
    for (const peer of this.#state.peers.values()) {
      // To those too that have it: it tells them how far we are, and when we are a seed.
      peer.connection.have(piece);
      if (!wasWanted || !peer.has.get(piece)) continue;
      peer.usefulPieces--;
      this.#updateInterest(peer);
    }
    observer.onPieceVerified(piece);
    if (picker.wantedLeft === 0) observer.onComplete();
    else this.#feed();
  }

  onPieceCorrupt(piece: PieceIndex): void {
    const { scheduler, store, totals, geometry, observer, addressOf } = this.#state;
    const contributors = scheduler.contributors(piece);
    const digests = this.#digests.get(piece) ?? this.#blockDigests(piece);
    this.#digests.delete(piece);
    const blocks = [...contributors].map((id, block) => ({
      block,
      address: addressOf(id),
      digest: digests[block]!,
    }));
    store.abandonPiece(piece);
    scheduler.onPieceCorrupt(piece);
    totals.corruptPieces++;
    totals.wastedBytes += geometry.pieceBytes(piece);
    observer.onPieceCorrupt(piece);
    const liars = this.#smartBan.onCorrupt(piece, blocks);
    // Fetched again from one peer alone, it has one culprit or shows who lied before.
    if (liars.length === 0) scheduler.restrictToSingleSource(piece);
    this.#banAll(liars, `sent a corrupt piece ${piece}`);
    this.#feed();
  }

  #blameAfterSuccess(piece: PieceIndex): void {
    const digests = this.#digests.get(piece);
    if (digests === undefined) return;
    this.#digests.delete(piece);
    this.#banAll(
      this.#smartBan.onVerified(piece, (block) => digests[block]!),
      `sent corrupt blocks of piece ${piece}`,
    );
  }

  #blockDigests(piece: PieceIndex): string[] {
    const { geometry, store } = this.#state;
    return Array.from({ length: geometry.blockCount(piece) }, (_, block) =>
      store.blockDigest(piece, block * BLOCK_BYTES, geometry.blockBytes(piece, block)),
    );
  }

  #banAll(liars: readonly PeerAddress[], reason: string): void {
    for (const address of liars) this.#state.ban(address, reason);
  }

  /** There is memory for a further piece. */
  onSlotFree(): void {
    this.#state.scheduler.onSlotFree();
    this.#feed();
  }

  /** A request ended with its piece: the peer need not answer it. */
  onRequestDropped(seat: number): void {
    this.#state.peers.get(seat)?.pipeline.onReleased(1);
  }

  /** How long the peer takes for a block; for ever when it is gone. */
  paceMs(seat: number): number {
    return this.#state.peers.get(seat)?.pipeline.paceMs(this.#state.now()) ?? Number.POSITIVE_INFINITY;
  }

  /** Interest is shown at once; its end waits for the next check, lest it flickers with every piece. */
  #updateInterest(peer: Peer): void {
    const interested = peer.usefulPieces > 0;
    if (interested === peer.amInterested) return;
    if (interested) {
      peer.amInterested = true;
      peer.connection.interested();
    } else if (this.#state.picker.wantedLeft === 0) {
      this.#endInterest(peer);
    } else {
      this.#losingInterest.add(peer);
      this.#checkSoon();
    }
  }

  #endInterest(peer: Peer): void {
    peer.amInterested = false;
    this.#satisfy(peer);
    peer.connection.notInterested();
  }

  #checkSoon(): void {
    this.#checkWithin(this.#state.picker.deadlineCount > 0 ? DEADLINE_CHECK_MS : CHECK_MS);
  }

  #checkWithin(ms: number): void {
    this.#state.timers.setIfEarlier('check', asMillis(this.#state.now() + ms));
  }
}
