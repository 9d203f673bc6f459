/**
 * Piece picker: which piece to begin next. What has a deadline, the earliest first; then rarest first, equals at
 * random, the first few pieces at random; or by index. Owns how many peers have each piece, and what we want, have
 * and have begun.
 *
 * Invariant: `#order[0 … #levelEnd[TOP_LEVEL])` holds exactly the open pieces (wanted, not had, not begun),
 * sorted by level; `#levelEnd[l]` ends level l. One peer more or less moves a piece by one swap.
 */
import { asPiece, type Millis, NEVER, type PieceIndex, type Rng } from '../units.js';
import { Bitfield, countCommon, forEachSet, HIGHEST } from './bitfield.js';
import { PieceDeadlines } from './piece-deadlines.js';
import type { TorrentGeometry } from './torrent-geometry.js';

/** Until this many pieces are had or begun, any will do: something to trade matters more than rarity. */
const RANDOM_FIRST_PIECES = 4;
/** Beyond this many peers a piece is common, and no more is made of it. */
const TOP_LEVEL = 255;
/** Open pieces looked at from the rarest on, before a sample of the peer's own pieces decides. */
const ORDER_SCAN_LIMIT = 256;
/** Size of that sample. All of its open pieces, where it has no more; else near to its rarest is good enough. */
const SAMPLE_LIMIT = 256;

const WANTED = 1;
const HAVE = 2;
const BEGUN = 4;

export class PiecePicker {
  readonly #rng: Rng;
  readonly #pieceCount: number;
  /** WANTED | HAVE | BEGUN by piece. */
  readonly #flags: Uint8Array;
  /** Peers that have each piece, less `#fullPeers`. */
  readonly #partialPeers: Uint16Array;
  readonly #order: Int32Array;
  /** Where each piece is in `#order`; −1 when it is not open. */
  readonly #orderIndex: Int32Array;
  readonly #levelEnd = new Int32Array(TOP_LEVEL + 1);
  /** The open pieces once more, to be compared with what a peer has. */
  #open: Bitfield;
  /** Wanted and not had, begun or not. */
  #missing: Bitfield;
  /** Peers that have everything: counted once, not once a piece. */
  #fullPeers = 0;
  #startedCount = 0;
  #reopenCount = 0;
  #sequential = false;
  #sequentialFrom: PieceIndex = asPiece(0);
  /** No open piece is in a word of `#open` before this one. */
  #firstOpenWord = 0;
  readonly #deadlines: PieceDeadlines;

  constructor(geometry: TorrentGeometry, rng: Rng) {
    const { pieceCount } = geometry;
    this.#rng = rng;
    this.#pieceCount = pieceCount;
    this.#flags = new Uint8Array(pieceCount).fill(WANTED);
    this.#partialPeers = new Uint16Array(pieceCount);
    this.#order = new Int32Array(pieceCount);
    this.#orderIndex = new Int32Array(pieceCount);
    this.#open = new Bitfield(pieceCount);
    this.#missing = new Bitfield(pieceCount);
    this.#deadlines = new PieceDeadlines(pieceCount);
    this.#rebuild();
  }

  // ─── What we want and have ─────────────────────────────────────────────────────────────────────────────

  /** Replaces the set of wanted pieces; at first all are. A piece that is begun stays begun. */
  setWanted(wanted: Bitfield): void {
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      const rest = this.#flags[piece]! & ~WANTED;
      this.#flags[piece] = wanted.get(asPiece(piece)) ? rest | WANTED : rest;
      if (!wanted.get(asPiece(piece))) this.clearDeadline(asPiece(piece));
    }
    this.#rebuild();
    this.#reopenCount++;
  }

  /** Index order instead of rarest first: from `from` on, then what is before it. */
  setSequential(on: boolean, from: PieceIndex = asPiece(0)): void {
    this.#sequential = on;
    this.#sequentialFrom = from;
  }

  get sequential(): boolean {
    return this.#sequential;
  }

  /** Place of a piece in sequential order. */
  sequentialRank(piece: PieceIndex): number {
    return (piece - this.#sequentialFrom + this.#pieceCount) % this.#pieceCount;
  }

  /**
   * The piece comes before all without a deadline, and before those that are due later. It ends with the piece's
   * arrival; a piece that is not missing gets none.
   */
  setDeadline(piece: PieceIndex, dueAt: Millis): void {
    if (this.isMissing(piece)) this.#deadlines.set(piece, dueAt, this.#flags[piece] === WANTED);
  }

  clearDeadline(piece: PieceIndex): void {
    this.#deadlines.set(piece, NEVER, this.#orderIndex[piece]! >= 0);
  }

  /** When the piece is due; infinite when it has no deadline. */
  deadlineOf(piece: PieceIndex): Millis {
    return this.#deadlines.dueAt(piece);
  }

  /** Missing pieces with a deadline. */
  get deadlineCount(): number {
    return this.#deadlines.count;
  }

  /** Open pieces with a deadline. */
  get openDueCount(): number {
    return this.#deadlines.openCount;
  }

  /** Verified: never picked again. */
  onPieceHave(piece: PieceIndex): void {
    const flags = this.#flags[piece]!;
    if ((flags & HAVE) !== 0) return;
    if (flags === WANTED) this.#close(piece);
    if ((flags & BEGUN) === 0) this.#startedCount++;
    this.#deadlines.set(piece, NEVER, false);
    this.#missing.clear(piece);
    this.#flags[piece] = (flags & ~BEGUN) | HAVE;
  }

  onPieceBegun(piece: PieceIndex): void {
    const flags = this.#flags[piece]!;
    if ((flags & (HAVE | BEGUN)) !== 0) return;
    if (flags === WANTED) this.#close(piece);
    this.#startedCount++;
    this.#flags[piece] = flags | BEGUN;
  }

  /** Begun no more, not had either: it may be picked again. */
  onPieceAbandoned(piece: PieceIndex): void {
    const flags = this.#flags[piece]!;
    if ((flags & BEGUN) === 0) return;
    this.#startedCount--;
    this.#flags[piece] = flags & ~BEGUN;
    if (this.#flags[piece] !== WANTED) return;
    this.#reopen(piece);
    this.#reopenCount++;
  }

  /** Wanted pieces that we do not have, begun or not. */
  get wantedLeft(): number {
    return this.#missing.count;
  }

  /** Wanted pieces that we neither have nor have begun. */
  get openCount(): number {
    return this.#levelEnd[TOP_LEVEL]!;
  }

  /** Changes whenever pieces were added to the open ones: until then, who had none of them has none still. */
  get reopenCount(): number {
    return this.#reopenCount;
  }

  /** Wanted and not had: a peer that has it is interesting. */
  isMissing(piece: PieceIndex): boolean {
    return (this.#flags[piece]! & (WANTED | HAVE)) === WANTED;
  }

  /** How many wanted pieces that we lack the peer has. One pass over the words: once a peer, not once a message. */
  wantedMissingCount(has: Bitfield): number {
    return has.isFull ? this.#missing.count : countCommon(has, this.#missing);
  }

  // ─── What peers have ───────────────────────────────────────────────────────────────────────────────────

  /** A peer told what it has, at the beginning. */
  onPeerPieces(pieces: Bitfield): void {
    if (pieces.isFull) this.#fullPeers++;
    else forEachSet(pieces, (piece) => this.onPeerHave(piece));
  }

  /** A peer has one more piece than before. */
  onPeerHave(piece: PieceIndex): void {
    const peers = ++this.#partialPeers[piece]!;
    const at = this.#orderIndex[piece]!;
    if (at >= 0 && peers <= TOP_LEVEL) this.#swap(at, --this.#levelEnd[peers - 1]!);
  }

  /** A peer is gone; `pieces` is all that it had in the end. */
  onPeerLeft(pieces: Bitfield): void {
    if (!pieces.isFull) {
      forEachSet(pieces, (piece) => this.#onPeerLost(piece));
    } else if (this.#fullPeers > 0) {
      // Whether it was full from the beginning or became so `have` by `have` does not matter: only the sum counts.
      this.#fullPeers--;
    } else {
      for (let piece = 0; piece < this.#pieceCount; piece++) this.#partialPeers[piece]!--;
      this.#rebuild();
    }
  }

  /** How many connected peers have each piece, capped at 255; a copy. */
  availability(): Uint8Array {
    const copy = new Uint8Array(this.#pieceCount);
    for (let piece = 0; piece < copy.length; piece++) copy[piece] = Math.min(255, this.peersWith(piece));
    return copy;
  }

  /** How many connected peers have the piece that fewest have, of those that we have. One pass over the pieces. */
  fewestCopies(): number {
    let fewest = Number.POSITIVE_INFINITY;
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if ((this.#flags[piece]! & HAVE) !== 0) fewest = Math.min(fewest, this.peersWith(piece));
    }
    return fewest;
  }

  /** How many connected peers have the piece. */
  peersWith(piece: number): number {
    return this.#partialPeers[piece]! + this.#fullPeers;
  }

  // ─── Picking ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The piece with a deadline to begin next from a connected peer that has `has`, or −1: the earliest, unless the
   * peer, who would send it at `arrivesAt`, comes too late for it. Looks at a bounded number of the earliest.
   */
  pickDue(has: Bitfield, now: Millis, arrivesAt: Millis): PieceIndex | -1 {
    return this.#deadlines.openCount === 0 ? -1 : this.#deadlines.earliest(has, now, arrivesAt);
  }

  /**
   * The piece to begin next from a connected peer that has `has`, or −1, deadlines aside. Changes nothing:
   * `onPieceBegun` does. Exactly the rarest unless the peer lacks all of the rarest `ORDER_SCAN_LIMIT` open pieces.
   */
  pick(has: Bitfield): PieceIndex | -1 {
    if (this.openCount === 0 || has.count === 0) return -1;
    if (this.#sequential) return this.#pickFirst(has);
    const found = this.#startedCount < RANDOM_FIRST_PIECES ? this.#pickAny(has) : this.#pickRarest(has);
    if (found >= 0 || this.openCount <= ORDER_SCAN_LIMIT) return found;
    return this.#pickFromSample(has);
  }

  /** As `pick`, among a few pieces only (those allowed while choked, BEP 6). */
  pickAmong(pieces: Iterable<PieceIndex>, has: Bitfield): PieceIndex | -1 {
    let best: PieceIndex | -1 = -1;
    for (const piece of pieces) {
      if (this.#flags[piece] !== WANTED || !has.get(piece)) continue;
      if (best === -1 || this.#comesBefore(piece, best)) best = piece;
    }
    return best;
  }

  #comesBefore(piece: PieceIndex, other: PieceIndex): boolean {
    if (this.deadlineCount > 0 && this.deadlineOf(piece) !== this.deadlineOf(other))
      return this.deadlineOf(piece) < this.deadlineOf(other);
    if (this.#sequential) return this.sequentialRank(piece) < this.sequentialRank(other);
    return this.#partialPeers[piece]! < this.#partialPeers[other]!;
  }

  #pickFirst(has: Bitfield): PieceIndex | -1 {
    const { words } = this.#open;
    while (this.#firstOpenWord < words.length && words[this.#firstOpenWord] === 0) this.#firstOpenWord++;
    const found = this.#firstOpenAt(has, this.#sequentialFrom);
    return found >= 0 || this.#sequentialFrom === 0 ? found : this.#firstOpenAt(has, 0);
  }

  /** The first open piece of the peer's at or after `from`. */
  #firstOpenAt(has: Bitfield, from: number): PieceIndex | -1 {
    const open = this.#open;
    for (let word = Math.max(this.#firstOpenWord, from >>> 5); word < open.words.length; word++) {
      const before = Math.max(0, from - 32 * word);
      const bits = has.words[word]! & open.words[word]! & (-1 >>> before);
      if (bits !== 0) return asPiece(32 * word + Math.clz32(bits));
    }
    return -1;
  }

  #pickAny(has: Bitfield): PieceIndex | -1 {
    const openCount = this.openCount;
    return this.#findInOrder(has, 0, openCount, Math.min(openCount, ORDER_SCAN_LIMIT));
  }

  #pickRarest(has: Bitfield): PieceIndex | -1 {
    const openCount = this.openCount;
    let budget = ORDER_SCAN_LIMIT;
    // What this peer has is had by one at least; unless it has everything and is counted as such.
    const first = has.isFull ? 0 : 1;
    let start = first === 0 ? 0 : this.#levelEnd[0]!;
    for (let level = first; start < openCount && budget > 0; level++) {
      const end = this.#levelEnd[level]!;
      if (end === start) continue;
      const found = this.#findInOrder(has, start, end, Math.min(end - start, budget));
      if (found >= 0) return found;
      budget -= end - start;
      start = end;
    }
    return -1;
  }

  /** Looks at `limit` places of `#order[start … end)`, from a random one on, going round. */
  #findInOrder(has: Bitfield, start: number, end: number, limit: number): PieceIndex | -1 {
    const order = this.#order;
    let at = start + Math.floor(this.#rng() * (end - start));
    for (let i = 0; i < limit; i++) {
      const piece = asPiece(order[at]!);
      if (has.get(piece)) return piece;
      if (++at === end) at = start;
    }
    return -1;
  }

  /** The rarest among up to `SAMPLE_LIMIT` of the peer's open pieces, from a random place on. */
  #pickFromSample(has: Bitfield): PieceIndex | -1 {
    const open = this.#open;
    const wordCount = open.words.length;
    let best: PieceIndex | -1 = -1;
    let bestPeers = Number.POSITIVE_INFINITY;
    let word = Math.floor(this.#rng() * wordCount);
    for (let i = 0, seen = 0; i < wordCount && seen < SAMPLE_LIMIT; i++) {
      for (let bits = has.words[word]! & open.words[word]!; bits !== 0; seen++) {
        const first = Math.clz32(bits);
        const piece = asPiece(32 * word + first);
        bits &= ~(HIGHEST >>> first);
        if (this.#partialPeers[piece]! >= bestPeers) continue;
        bestPeers = this.#partialPeers[piece]!;
        best = piece;
      }
      if (++word === wordCount) word = 0;
    }
    return best;
  }

  // ─── The order ─────────────────────────────────────────────────────────────────────────────────────────

  #onPeerLost(piece: PieceIndex): void {
    const peers = --this.#partialPeers[piece]!;
    const at = this.#orderIndex[piece]!;
    if (at >= 0 && peers < TOP_LEVEL) this.#swap(at, this.#levelEnd[peers]!++);
  }

  /** Takes an open piece out: the last of its level and of every level above fills the gap before it. */
  #close(piece: PieceIndex): void {
    let gap = this.#orderIndex[piece]!;
    for (let level = this.#levelOf(piece); level <= TOP_LEVEL; level++) {
      const last = --this.#levelEnd[level]!;
      if (last !== gap) this.#place(this.#order[last]!, gap);
      gap = last;
    }
    this.#orderIndex[piece] = -1;
    this.#open.clear(piece);
    this.#deadlines.close(piece);
  }

  #reopen(piece: PieceIndex): void {
    const level = this.#levelOf(piece);
    let gap = this.#levelEnd[TOP_LEVEL]!++;
    for (let above = TOP_LEVEL; above > level; above--) {
      const first = this.#levelEnd[above - 1]!++;
      if (first !== gap) this.#place(this.#order[first]!, gap);
      gap = first;
    }
    this.#place(piece, gap);
    this.#open.set(piece);
    this.#deadlines.open(piece);
    this.#firstOpenWord = Math.min(this.#firstOpenWord, piece >>> 5);
  }

  #levelOf(piece: number): number {
    return Math.min(this.#partialPeers[piece]!, TOP_LEVEL);
  }

  #place(piece: number, at: number): void {
    this.#order[at] = piece;
    this.#orderIndex[piece] = at;
  }

  #swap(a: number, b: number): void {
    const piece = this.#order[a]!;
    this.#place(this.#order[b]!, a);
    this.#place(piece, b);
  }

  /** Everything derived from `#flags` and `#partialPeers`, by counting sort. */
  #rebuild(): void {
    const starts = new Int32Array(TOP_LEVEL + 2);
    this.#open = new Bitfield(this.#pieceCount);
    this.#missing = new Bitfield(this.#pieceCount);
    this.#firstOpenWord = 0;
    this.#deadlines.closeAll();
    for (let index = 0; index < this.#pieceCount; index++) {
      const piece = asPiece(index);
      this.#orderIndex[piece] = -1;
      if (this.isMissing(piece)) this.#missing.set(piece);
      if (this.#flags[piece] !== WANTED) continue;
      this.#open.set(piece);
      this.#deadlines.open(piece);
      starts[this.#levelOf(piece) + 1]!++;
    }
    for (let level = 0; level <= TOP_LEVEL; level++) starts[level + 1]! += starts[level]!;
    this.#levelEnd.set(starts.subarray(1));
    forEachSet(this.#open, (piece) => this.#place(piece, starts[this.#levelOf(piece)]!++));
  }
}
