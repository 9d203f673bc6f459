/**
 * Super-seeding: how a seed begins when it may be the only one. It shows itself as a peer without pieces, and to
 * each peer the pieces that it wants to send it; once all pieces were seen at others it shows everything.
 */
import { Bitfield, forEachSet } from '../policy/bitfield.js';
import type { SuperSeeder } from '../policy/super-seeder.js';
import { uploadSlotsFor } from '../policy/upload-slots.js';
import { asMillis, type Millis, type PieceIndex } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';

/** How our client begins its name in its extended handshake, in every version. */
const OUR_NAME = 'swarm ';
const CHECK_MS = 1_000;
/** Until others are here than those who came first, what peers have from elsewhere is not believed. */
const TRUSTING_MS = 30_000;
/** A peer that nobody else comes beside for so long may see everything: there is nobody to send it to again. */
const ALONE_MS = 5_000;
/** Offers under way are what we send in this time, so that nobody waits to be shown the next, … */
const OFFER_AHEAD_S = 2.5;
/**
 * … and one to so many of those whom we serve. Each takes its part of our uplink: the fewer, the sooner a piece is with
 * somebody who passes it on. Two to some of eight peers, and the last of them ends 2 % later.
 */
const OFFERED_SHARE = 0.75;
/**
 * So few may have two each: a peer that has all that it was shown wants nothing for a moment, and Transmission, if it
 * looks just then, wants nothing for ten seconds.
 */
const FEW = 3;
/** Of what our uplink carries: sending this much, it is not idle. */
const BUSY = 0.5;
/** More under way than so many times what we offer: one peer asks for all that it was shown while alone or idle. */
const MANY_FACTOR = 2;
const MAX_AUDIENCE_FACTOR = 64;
/** Checks without a byte sent that mean nothing: a leecher has to ask first. */
const PATIENT_CHECKS = 3;
/** With fewer there is nothing to share out. */
export const LEAST_PIECES = 8;
/** `have`s a peer and check, once everything is shown: 9 KB. */
const SHOW_AT_ONCE = 1_000;
/** `have`s a check to peers that take nothing of what they are shown, or a few more: 18 KB, as nobody asked for them. */
const SHOW_IDLE = 2_000;
/**
 * Who is served and has no piece keeps its place for the time of so many, were our uplink shared evenly, and for no
 * longer than the choker gives a turn. Not for less than a minute: with half of one, slow lines (B4) lose theirs.
 */
const PATIENT_PIECES = 3;
const LEAST_PATIENCE_MS = 60_000;
const MAX_PATIENCE_MS = 180_000;

/** `auto`: until all pieces were seen at others; `on`: for ever; `off`: never. */
export type SuperSeedMode = 'auto' | 'on' | 'off';

export class SuperSeeding {
  readonly #state: SwarmState;
  readonly #seeder: SuperSeeder;
  readonly #mode: SuperSeedMode;
  #isShowingAll = false;
  /** When the first peer came. */
  #startedAt: Millis | undefined;
  /** At the latest check. */
  #uploadedBytes = 0;
  /** In a row without a byte sent. */
  #unaskedChecks = 0;
  /** What peers said since may change who is shown what. */
  #isNews = false;
  /** Which peer the next check begins with: where the one before had to stop. */
  #reviewFrom = 0;

  constructor(state: SwarmState, seeder: SuperSeeder, mode: SuperSeedMode) {
    this.#state = state;
    this.#seeder = seeder;
    this.#mode = mode;
  }

  /** Says what a new peer is told to begin with. */
  onSeated(peer: Peer): void {
    const { pieceCount } = this.#state.geometry;
    if (this.#isShowingAll) {
      peer.connection.bitfield(Bitfield.full(pieceCount));
      return;
    }
    this.#startedAt ??= this.#state.now();
    this.#seeder.onPeer(peer.id, peer.prefix);
    peer.connection.bitfield(new Bitfield(pieceCount));
    this.#offer();
    this.#checkSoon();
  }

  /**
   * To each other, two super-seeds look like leechers that never ask, and take up what leechers could have. Ours tell
   * their own kind that they want nothing. Others are not told: libtorrent hangs up on who wants nothing and shows
   * nothing either.
   */
  onClient(peer: Peer): void {
    if (peer.client.startsWith(OUR_NAME)) peer.connection.uploadOnly(true);
  }

  onBitfield(peer: Peer, pieces: Bitfield): void {
    const sent = Math.ceil(this.#sentPieces(peer));
    forEachSet(pieces, (piece) => this.#seeder.onPeerHave(peer.id, piece, sent));
    this.#isNews = true;
  }

  onHave(peer: Peer, piece: PieceIndex): void {
    this.#seeder.onPeerHave(peer.id, piece, Math.ceil(this.#sentPieces(peer)));
    this.#isNews = true;
  }

  onInterest(peer: Peer): void {
    this.#seeder.onInterest(peer.id, peer.peerInterested);
    if (this.#isShowingAll) show(peer, this.#seeder.showMore(peer.id, SHOW_AT_ONCE));
    this.#isNews = true;
  }

  /** What a peer told piece by piece is looked at once: when it has said what it had to say for now, or leaves. */
  settle(): void {
    if (!this.#isNews) return;
    this.#isNews = false;
    this.#offer();
  }

  onRequest(peer: Peer, piece: PieceIndex): void {
    this.#seeder.onRequest(peer.id, piece);
  }

  onGone(peer: Peer): void {
    this.#seeder.onPeerLeft(peer.id);
    this.#offer();
  }

  /** @returns whether there is more to come; if not, we are an ordinary seed to everybody */
  onCheck(): boolean {
    const { peers, totals } = this.#state;
    // Those who were shown pieces want none: among a crowd that never asks, who does must be found soon.
    this.#unaskedChecks = totals.uploadedBytes === this.#uploadedBytes ? this.#unaskedChecks + 1 : 0;
    this.#uploadedBytes = totals.uploadedBytes;
    this.#offer();
    if (!this.#isShowingAll) this.#review();
    const isLeft = !this.#isShowingAll || this.#showAll();
    if (isLeft && peers.size > 0) this.#checkSoon();
    return isLeft;
  }

  /** @returns whether there is more to show */
  #showAll(): boolean {
    let isLeft = false;
    for (const peer of this.#state.peers.values()) {
      peer.isStalled = false;
      show(peer, this.#seeder.showMore(peer.id, SHOW_AT_ONCE));
      if (!this.#seeder.hasSeenAll(peer.id)) isLeft = true;
    }
    return isLeft;
  }

  /** Who takes nothing of what it is shown is shown more; who does not get on loses its place. */
  #review(): void {
    const peers = [...this.#state.peers.values()];
    const patience = this.#patience;
    let shown = 0;
    let looked = 0;
    for (; looked < peers.length && shown < SHOW_IDLE; looked++) {
      const peer = peers[(this.#reviewFrom + looked) % peers.length]!;
      if (!peer.amChoking) this.#seeder.review(peer.id, this.#sentPieces(peer), patience);
      peer.isStalled = this.#seeder.isStalled(peer.id);
      let pieces: readonly PieceIndex[] = [];
      if (peers.length === 1 && this.#mode === 'auto' && this.#isToSeeAll(peer))
        pieces = this.#seeder.showMore(peer.id, SHOW_AT_ONCE);
      else if (isIdle(peer)) pieces = this.#seeder.onIdle(peer.id);
      show(peer, pieces);
      shown += pieces.length;
    }
    this.#reviewFrom = looked < peers.length ? this.#reviewFrom + looked : 0;
  }

  #offer(): void {
    if (this.#mode === 'auto' && this.#seeder.isSpread(this.#isTrusting)) this.#isShowingAll = true;
    if (this.#isShowingAll) return;
    const { peers, geometry, uploadRate, uplink } = this.#state;
    const now = this.#state.now();
    const rate = uploadRate.rate(now);
    const isBusy = rate > uplink.rate(now) * BUSY;
    const doublings = Math.max(0, this.#unaskedChecks - PATIENT_CHECKS);
    const factor = Math.min(2 ** doublings, MAX_AUDIENCE_FACTOR);
    const audience = factor * uploadSlotsFor(uplink.rate(now), true);
    const ahead = (OFFER_AHEAD_S * rate) / geometry.pieceLength;
    // The first copies that are under way go before second ones, as long as they fill our uplink.
    const { isShown, underWay } = this.#seeder;
    const isSoonOver = underWay <= MANY_FACTOR * Math.max(audience, ahead);
    if (isBusy && isShown && underWay > 0 && isSoonOver) return;
    // Where the uplink is not full, those who were shown something may be slow on purpose: others are shown more.
    const { servable } = this.#seeder;
    const share = servable <= FEW ? 2 : OFFERED_SHARE;
    const offered = isBusy ? share * Math.min(audience, servable) : audience;
    const most = Math.ceil(Math.max(offered, ahead));
    for (;;) {
      const offer = this.#seeder.next(audience, most);
      if (offer === undefined) return;
      const peer = peers.get(offer.peer);
      if (peer !== undefined) show(peer, offer.pieces);
    }
  }

  /** The only peer: nobody else came for a while, or it wants other pieces than those that it was shown. */
  #isToSeeAll(peer: Peer): boolean {
    const hereMs = this.#state.now() - peer.connectedAt;
    return hereMs >= ALONE_MS || (hereMs >= CHECK_MS && peer.uploadedBytes === 0 && isIdle(peer));
  }

  get #isTrusting(): boolean {
    const now = this.#state.now();
    return now - (this.#startedAt ?? now) >= TRUSTING_MS;
  }

  #sentPieces(peer: Peer): number {
    return peer.uploadedBytes / this.#state.geometry.pieceLength;
  }

  /** In checks. */
  get #patience(): number {
    const { uplink, geometry } = this.#state;
    const rate = uplink.rate(this.#state.now());
    const places = Math.max(1, Math.min(uploadSlotsFor(rate, true), this.#seeder.servable));
    // Without end while no rate is known.
    const ms = (1_000 * PATIENT_PIECES * places * geometry.pieceLength) / rate;
    return Math.max(LEAST_PATIENCE_MS, Math.min(ms, MAX_PATIENCE_MS)) / CHECK_MS;
  }

  #checkSoon(): void {
    this.#state.timers.setIfEarlier('super-seeding', asMillis(this.#state.now() + CHECK_MS));
  }
}

function show(peer: Peer, pieces: readonly PieceIndex[]): void {
  for (const piece of pieces) peer.connection.have(piece);
}

/** It could ask, and does not. */
function isIdle(peer: Peer): boolean {
  if (peer.peerInterested && peer.amChoking) return false;
  return peer.uploads.size === 0 && peer.connection.bufferedBytes === 0;
}
