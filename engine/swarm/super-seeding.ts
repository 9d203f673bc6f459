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
    this.#seeder.onPeer(peer.id);
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
    const sent = this.#sentPieces(peer);
    forEachSet(pieces, (piece) => this.#seeder.onPeerHave(peer.id, piece, sent));
    this.#offer();
  }

  onHave(peer: Peer, piece: PieceIndex): void {
    this.#seeder.onPeerHave(peer.id, piece, this.#sentPieces(peer));
    this.#offer();
  }

  onInterest(peer: Peer): void {
    this.#seeder.onInterest(peer.id, peer.peerInterested);
    if (this.#isShowingAll) show(peer, this.#seeder.showMore(peer.id, SHOW_AT_ONCE));
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
    let isLeft = !this.#isShowingAll;
    for (const peer of peers.values()) {
      if (this.#isShowingAll || (peers.size === 1 && this.#mode === 'auto' && this.#isToSeeAll(peer))) {
        show(peer, this.#seeder.showMore(peer.id, SHOW_AT_ONCE));
        if (!this.#seeder.hasSeenAll(peer.id)) isLeft = true;
      } else if (isIdle(peer)) {
        show(peer, this.#seeder.onIdle(peer.id));
      }
    }
    if (isLeft && peers.size > 0) this.#checkSoon();
    return isLeft;
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

  /** The last piece may be shorter. */
  #sentPieces(peer: Peer): number {
    return Math.ceil(peer.uploadedBytes / this.#state.geometry.pieceLength);
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
