/**
 * Super seeder (BEP 16): which piece a seed shows to which peer, so that it sends every piece about once before it
 * sends any twice. Peers ask for what they are shown; nobody is shown a piece that another is being sent or was
 * seen to have, while there are others. Who passes its pieces on goes first. What peers say they have is believed
 * where we sent it to them, or where many say so: a few that lie must not end it.
 */
import type { PieceIndex, Rng } from '../units.js';
import { Bitfield, forEachSet } from './bitfield.js';
import { Counter } from './counter.js';
import { shuffle } from './shuffle.js';

/** Pieces looked at for one offer, from a random one on, once each has been shown to somebody. */
const SCAN_LIMIT = 1_024;
/** More at once are not chosen with such care: who takes nothing that it is shown would cost so many looks each. */
const CHOSEN_AT_ONCE = 16;
/** 9 KB of `have`s. */
const MAX_BATCH = 1_024;
const NONE = -1;
/** One network has a quarter of the seats at most: what more viewers than that have, not one party alone says. */
const BELIEVED_SHARE = 0.25;
const LEAST_WITNESSES = 2;
/** Of the peers that are served at a time, those of one network, while others wait. */
const PREFIX_SHARE = 0.25;
/** Who was sent so many pieces' worth more than it is shown, and has none of it, asks for the same again and again. */
const SPARE_PIECES = 1;

export interface Offer {
  readonly peer: number;
  /** One; the last two together, see `isShy`. */
  readonly pieces: readonly PieceIndex[];
}

/** What we know of one peer. */
interface Viewer {
  /** See addressPrefix. */
  readonly prefix: string;
  readonly has: Bitfield;
  readonly shown: Bitfield;
  /** Pieces that it neither has nor was shown. */
  left: number;
  /** Shown, and not had yet. */
  readonly offers: Set<PieceIndex>;
  isInterested: boolean;
  /** Shown something, it asks for nothing: it is shown more and more, and holds no place that others could have. */
  isIdle: boolean;
  /** It asks and never has: idle, until it has something of what we sent it. */
  isStalled: boolean;
  /** Pieces' worth that it was sent when it last got on: had a piece of ours, or was shown the first. */
  sentBefore: number;
  /** Reviews since then. */
  reviews: number;
  /** It is being shown everything. */
  isOpen: boolean;
  /** Before this piece, and this place in the order, it was shown everything that it has not. */
  openUpTo: number;
  orderedUpTo: number;
  /** Those that it has asked for. */
  readonly asked: Set<PieceIndex>;
  /** How many pieces' worth of what we sent it is accounted for by those that it has. */
  taken: number;
  /** How many pieces it had from us, or says so, that were seen at nobody else. */
  kept: number;
  /** Number of its latest offer, in the order of all. */
  offeredAt: number;
  /** The latest offer when it was last found idle. */
  idleSince: number;
  /** How many it is shown at once: doubled each time that it takes nothing of what it is shown. */
  batch: number;
}

export class SuperSeeder {
  readonly #pieceCount: number;
  readonly #viewers = new Map<number, Viewer>();
  /** By piece: peers that have it, and peers that are shown it and do not have it yet. */
  readonly #copies: Uint16Array;
  /** By piece: peers that say they have it. */
  readonly #holders: Uint16Array;
  /** Pieces in random order. */
  readonly #order: Int32Array;
  /** It goes through the order twice: for what nobody says to have, then for what is not believed. */
  #shownUpTo = 0;
  /** Before this place in the order each piece is spread. */
  #spreadUpTo = 0;
  /** Pieces that somebody has from us. */
  readonly #seen: Bitfield;
  /** Who keeps a piece that it had from us. */
  readonly #keepers = new Map<PieceIndex, Viewer>();
  #turns = 0;

  constructor(pieceCount: number, rng: Rng) {
    this.#pieceCount = pieceCount;
    this.#copies = new Uint16Array(pieceCount);
    this.#holders = new Uint16Array(pieceCount);
    this.#seen = new Bitfield(pieceCount);
    this.#order = shuffle(
      Int32Array.from({ length: pieceCount }, (_, piece) => piece),
      rng,
    );
  }

  /**
   * Every piece is at a peer: it is theirs to spread from here on.
   * @param trusting also where they have it from others, if enough of them say so
   */
  isSpread(trusting: boolean): boolean {
    for (; this.#spreadUpTo < this.#pieceCount; this.#spreadUpTo++) {
      const piece = this.#order[this.#spreadUpTo]! as PieceIndex;
      if (!this.#seen.get(piece) && !(trusting && this.#isWitnessed(piece))) return false;
    }
    return true;
  }

  /** Every piece was shown to somebody: whatever is shown from here on is sent a second time. */
  get isShown(): boolean {
    return this.#shownUpTo === 2 * this.#pieceCount;
  }

  /** How many pieces somebody is being sent after it was shown them, or is about to ask for. */
  get underWay(): number {
    let count = 0;
    for (const { isIdle, offers } of this.#viewers.values()) if (!isIdle) count += offers.size;
    return count;
  }

  /** How many peers take what they are shown, or may, and lack something. */
  get servable(): number {
    let count = 0;
    for (const { isIdle, has } of this.#viewers.values()) if (!isIdle && !has.isFull) count++;
    return count;
  }

  /** @param prefix see addressPrefix */
  onPeer(peer: number, prefix: string): void {
    const nothing = (): Bitfield => new Bitfield(this.#pieceCount);
    const empty = (): Set<PieceIndex> => new Set();
    this.#viewers.set(peer, {
      prefix,
      has: nothing(),
      shown: nothing(),
      left: this.#pieceCount,
      isInterested: false,
      isIdle: false,
      isStalled: false,
      sentBefore: 0,
      reviews: 0,
      isOpen: false,
      openUpTo: 0,
      orderedUpTo: 0,
      offers: empty(),
      asked: empty(),
      taken: 0,
      kept: 0,
      offeredAt: 0,
      idleSince: 0,
      batch: 1,
    });
  }

  onPeerLeft(peer: number): void {
    const viewer = this.#viewers.get(peer);
    if (viewer === undefined) return;
    this.#viewers.delete(peer);
    this.#withdraw(viewer);
    forEachSet(viewer.has, (piece) => {
      this.#copies[piece]!--;
      this.#holders[piece]!--;
      if (this.#keepers.get(piece) === viewer) this.#keepers.delete(piece);
    });
  }

  onInterest(peer: number, isInterested: boolean): void {
    const viewer = this.#viewers.get(peer);
    if (viewer !== undefined) viewer.isInterested = isInterested;
  }

  onRequest(peer: number, piece: PieceIndex): void {
    const viewer = this.#viewers.get(peer);
    if (viewer === undefined || !viewer.shown.get(piece) || viewer.has.get(piece) || viewer.isStalled) return;
    // Of the many that it was shown while idle, only what it asks for is under way.
    if (viewer.isIdle) this.#withdraw(viewer);
    viewer.isIdle = false;
    viewer.asked.add(piece);
    if (viewer.offers.has(piece)) return;
    viewer.offers.add(piece);
    this.#copies[piece]!++;
  }

  /**
   * A peer says it has a piece, from whomever.
   * @param sentPieces how many pieces' worth of blocks we have sent it in all
   */
  onPeerHave(peer: number, piece: PieceIndex, sentPieces: number): void {
    const viewer = this.#viewers.get(peer);
    if (viewer === undefined || !viewer.has.set(piece)) return;
    const isFirst = this.#holders[piece]!++ === 0;
    const keeper = this.#keepers.get(piece);
    if (keeper !== undefined) {
      keeper.kept--;
      this.#keepers.delete(piece);
    }
    if (!viewer.shown.get(piece)) viewer.left--;
    else if (viewer.taken < sentPieces) {
      viewer.taken++;
      this.#seen.set(piece);
      viewer.sentBefore = sentPieces;
      viewer.reviews = 0;
      if (viewer.isStalled) viewer.isStalled = viewer.isIdle = false;
    }
    if (!viewer.offers.delete(piece)) {
      this.#copies[piece]!++;
      return;
    }
    viewer.asked.delete(piece);
    viewer.batch = Math.max(1, viewer.batch >>> 1);
    // Whether it was sent it or lies: until another has it, nobody gained by it.
    if (!isFirst) return;
    viewer.kept++;
    this.#keepers.set(piece, viewer);
  }

  /**
   * The next offer, counted as made; undefined: there is nobody to show anything.
   * @param audience how many peers to serve at a time
   * @param most offers to be under way; who waits for its first goes by peers, as a slow one may hold many
   */
  next(audience: number, most: number): Offer | undefined {
    const places = Math.min(audience, most);
    let offers = 0;
    let served = 0;
    let least: [number, Viewer] | undefined;
    for (const entry of this.#viewers) {
      const [, viewer] = entry;
      if (!isServed(viewer)) continue;
      offers += viewer.offers.size;
      served++;
      if (!this.#mayBeShown(viewer)) continue;
      if (least === undefined || viewer.offers.size < least[1].offers.size) least = entry;
    }
    const first = served < places ? this.#firstWaiting(places) : undefined;
    const chosen = first ?? (offers < most ? least : undefined);
    if (chosen === undefined) return undefined;
    const [peer, viewer] = chosen;
    const pieces = this.#offer(viewer, 1);
    return pieces.length === 0 ? undefined : { peer, pieces };
  }

  /**
   * To be called once a second for who is being served: whether it gets on. If not it keeps no place from others, until
   * it has something of what we sent it.
   * @param sentPieces how many pieces' worth of blocks we have sent it in all
   * @param patience reviews within which whoever is served should have a piece
   */
  review(peer: number, sentPieces: number, patience: number): void {
    const viewer = this.#viewers.get(peer);
    if (viewer === undefined || viewer.isIdle) return;
    if (viewer.asked.size === 0) {
      viewer.sentBefore = sentPieces;
      viewer.reviews = 0;
      return;
    }
    const repeats = sentPieces - viewer.sentBefore > viewer.offers.size + SPARE_PIECES;
    if (++viewer.reviews < patience && !repeats) return;
    this.#withdraw(viewer);
    viewer.isIdle = viewer.isStalled = true;
  }

  /** It asks and does not get on, see `review`. */
  isStalled(peer: number): boolean {
    return this.#viewers.get(peer)?.isStalled === true;
  }

  /**
   * The peer could ask for something and does not. The second time, if it asked for nothing that it is shown, others
   * may be shown that, and it is shown more, as it may want some files only. @returns what it is shown now
   */
  onIdle(peer: number): PieceIndex[] {
    const viewer = this.#viewers.get(peer);
    if (viewer === undefined || viewer.offers.size === 0 || viewer.asked.size > 0) return [];
    if (viewer.idleSince !== viewer.offeredAt) {
      viewer.idleSince = viewer.offeredAt;
      return [];
    }
    this.#withdraw(viewer);
    viewer.isIdle = true;
    viewer.batch = Math.min(2 * viewer.batch, MAX_BATCH);
    return this.#offer(viewer, viewer.batch);
  }

  /** Up to `most` pieces that the peer has not and was not shown, which it is shown now. */
  showMore(peer: number, most: number): PieceIndex[] {
    const viewer = this.#viewers.get(peer);
    const pieces: PieceIndex[] = [];
    if (viewer === undefined) return pieces;
    if (!viewer.isOpen) this.#withdrawUnasked(viewer);
    viewer.isOpen = true;
    for (; viewer.openUpTo < this.#pieceCount; viewer.openUpTo++) {
      if (pieces.length >= most && !this.#isLastSecret(viewer)) break;
      if (this.#isShy(viewer)) break;
      const piece = viewer.openUpTo as PieceIndex;
      if (viewer.has.get(piece) || !viewer.shown.set(piece)) continue;
      viewer.left--;
      pieces.push(piece);
    }
    return pieces;
  }

  /** There is nothing that the peer could still be shown. */
  hasSeenAll(peer: number): boolean {
    const viewer = this.#viewers.get(peer);
    return viewer === undefined || viewer.has.isFull || viewer.shown.isFull;
  }

  // ─── Inside ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * libtorrent hangs up on who becomes a seed before its eyes while it is not interested. So the last two pieces are
   * shown together, as the first of them makes it interested …
   */
  #isLastSecret({ shown }: Viewer): boolean {
    return shown.count + 1 === this.#pieceCount;
  }

  /** … and not to who may not even have looked at its own files yet. */
  #isShy({ shown, has, isInterested }: Viewer): boolean {
    return !isInterested && has.count === 0 && shown.count + 2 >= this.#pieceCount;
  }

  /** Who is shown nothing, and could be. */
  #firstWaiting(places: number): [number, Viewer] | undefined {
    const served = new Counter();
    for (const viewer of this.#viewers.values()) if (isServed(viewer)) served.add(viewer.prefix, 1);
    const share = Math.ceil(places * PREFIX_SHARE);
    const isCrowding = ({ prefix }: Viewer): boolean => served.get(prefix) >= share;
    let first: [number, Viewer] | undefined;
    for (const entry of this.#viewers) {
      const [, viewer] = entry;
      if (viewer.isIdle || isServed(viewer) || !this.#mayBeShown(viewer)) continue;
      // Prefer who is not of a network that has its share of the places, then who goes before.
      const crowds = first === undefined ? 0 : Number(isCrowding(viewer)) - Number(isCrowding(first[1]));
      if (first === undefined || crowds < 0 || (crowds === 0 && goesBefore(viewer, first[1]))) first = entry;
    }
    return first;
  }

  #mayBeShown(viewer: Viewer): boolean {
    return viewer.left > 0 && !viewer.has.isFull && !this.#isShy(viewer);
  }

  /** `most` pieces, or one more. */
  #offer(viewer: Viewer, most: number): PieceIndex[] {
    const pieces: PieceIndex[] = [];
    while (pieces.length < most || this.#isLastSecret(viewer)) {
      if (this.#isShy(viewer)) break;
      const piece = pieces.length < CHOSEN_AT_ONCE ? this.#pieceFor(viewer) : this.#nextInOrder(viewer);
      if (piece === NONE) break;
      viewer.shown.set(piece);
      viewer.left--;
      viewer.offers.add(piece);
      viewer.offeredAt = ++this.#turns;
      this.#copies[piece]!++;
      pieces.push(piece);
    }
    return pieces;
  }

  #nextInOrder(viewer: Viewer): PieceIndex | -1 {
    for (; viewer.orderedUpTo < this.#pieceCount; viewer.orderedUpTo++) {
      const piece = this.#order[viewer.orderedUpTo]! as PieceIndex;
      if (!viewer.has.get(piece) && !viewer.shown.get(piece)) return piece;
    }
    return NONE;
  }

  #isWitnessed(piece: PieceIndex): boolean {
    const most = Math.floor(this.#viewers.size * BELIEVED_SHARE);
    return this.#holders[piece]! >= Math.max(LEAST_WITNESSES, most + 1);
  }

  /** At how many peers it is, or will be; who is not believed does not count. */
  #spreadOf(piece: PieceIndex): number {
    const isBelieved = this.#seen.get(piece) || this.#isWitnessed(piece);
    return this.#copies[piece]! - (isBelieved ? 0 : this.#holders[piece]!);
  }

  /** One that nobody was shown, else the least spread of some. */
  #pieceFor(viewer: Viewer): PieceIndex | -1 {
    const end = Math.min(this.#shownUpTo + SCAN_LIMIT, 2 * this.#pieceCount);
    for (let at = this.#shownUpTo; at < end; at++) {
      const piece = this.#order[at % this.#pieceCount]! as PieceIndex;
      const isOver =
        this.#seen.get(piece) ||
        this.#spreadOf(piece) > 0 ||
        (at < this.#pieceCount && this.#holders[piece] !== 0);
      // What it says to have and is not believed waits for others; what it was shown in vain is nobody's for now.
      if (!isOver && viewer.has.get(piece)) continue;
      if (at === this.#shownUpTo) this.#shownUpTo++;
      if (!isOver && !viewer.shown.get(piece)) return piece;
    }
    let best: PieceIndex | -1 = NONE;
    const from = (this.#turns * SCAN_LIMIT) % this.#pieceCount;
    // Further than that while there is none: who has none there would be chosen again and again, and nobody else.
    for (let i = 0; i < this.#pieceCount && (i < SCAN_LIMIT || best === NONE); i++) {
      const piece = this.#order[(from + i) % this.#pieceCount]! as PieceIndex;
      if (viewer.has.get(piece) || viewer.shown.get(piece)) continue;
      if (best === NONE || this.#spreadOf(piece) < this.#spreadOf(best)) best = piece;
    }
    return best;
  }

  /** Of the many that it may ask for now, only what it asks for is under way. */
  #withdrawUnasked({ offers, asked }: Viewer): void {
    for (const piece of offers) {
      if (asked.has(piece)) continue;
      offers.delete(piece);
      this.#copies[piece]!--;
    }
  }

  #withdraw(viewer: Viewer): void {
    for (const piece of viewer.offers) this.#copies[piece]!--;
    viewer.offers.clear();
    viewer.asked.clear();
  }
}

/** It has a place: it was shown something that it has not yet. */
const isServed = ({ isIdle, has, offers }: Viewer): boolean => !isIdle && !has.isFull && offers.size > 0;

/** Who passed on what it got, then who waited longest. */
function goesBefore(a: Viewer, b: Viewer): boolean {
  if (a.kept !== b.kept) return a.kept < b.kept;
  return a.offeredAt < b.offeredAt;
}
