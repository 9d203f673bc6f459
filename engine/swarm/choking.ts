/** Choking: runs the choker's rounds and carries its decisions to the peers. */
import { type Choker, type ChokerPeer, ROUND_MS } from '../policy/choker.js';
import { seedSlotsFor, uploadSlotsFor } from '../policy/upload-slots.js';
import { asMillis, type Millis } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';
import type { Uploading } from './uploading.js';

/** A newcomer's interest, or a slot that fell free, waits only for those that come with it. */
const SOON_MS = 5;
/** In a flash crowd interest comes and goes all the time, and each decision looks at every peer. */
const LEAST_GAP_MS = 100;
/** Who was given a slot because others asked for nothing needs a round trip to ask. */
const ASKING_MS = 250;

export class Choking {
  readonly #state: SwarmState;
  readonly #choker: Pick<Choker, 'rechoke'>;
  readonly #uploading: Uploading;
  #roundAt: Millis = asMillis(0);
  #decidedAt: Millis = asMillis(Number.NEGATIVE_INFINITY);
  /** As of the latest decision. */
  #slots = 0;

  constructor(state: SwarmState, choker: Pick<Choker, 'rechoke'>, uploading: Uploading) {
    this.#state = state;
    this.#choker = choker;
    this.#uploading = uploading;
  }

  onInterested(peer: Peer): void {
    peer.peerInterested = true;
    if (!peer.amChoking) return;
    if (this.#hasFreeSlot()) this.#soon();
    else this.#state.timers.setIfEarlier('uplink-idle', this.#state.uplink.idleAt);
  }

  onNotInterested(peer: Peer): void {
    peer.peerInterested = false;
    if (!peer.amChoking) this.#soon();
  }

  onGone(peer: Peer): void {
    if (!peer.amChoking) this.#soon();
  }

  onTimer(): void {
    this.#decide(false);
  }

  /**
   * What the kernel took should be on the line by now. Where nobody with a slot asks for more and others wait, they get
   * the slots before the round is over: once, or again when what they asked for is sent.
   */
  onUplinkIdle(): void {
    const { peers, picker, superSeeding, uplink, timers } = this.#state;
    if (superSeeding || picker.wantedLeft === 0) return;
    let isWaiting = false;
    for (const { amChoking, peerInterested, uploads, aheadBytes } of peers.values()) {
      if (!peerInterested) continue;
      if (amChoking) isWaiting = true;
      else if (uploads.size > 0 || aheadBytes > 0) return;
    }
    if (!isWaiting) return;
    const at = asMillis(Math.max(uplink.idleAt, this.#decidedAt + ASKING_MS));
    if (at > this.#state.now()) timers.set('uplink-idle', at);
    else this.#decide(true);
  }

  #decide(uplinkIdle: boolean): void {
    const now = this.#state.now();
    const peers = [...this.#state.peers.values()];
    const seeding = this.#state.picker.wantedLeft === 0;
    this.#slots = this.#slotsNow(now, seeding);
    this.#decidedAt = now;
    const { unchoked, optimistic } = this.#choker.rechoke(
      now,
      peers.map((peer) => new ChokerView(peer, now)),
      { seeding, uploadSlots: this.#slots - 1, uplinkIdle },
    );
    for (const peer of peers) {
      peer.optimistic = peer.id === optimistic;
      const choked = !unchoked.has(peer.id);
      if (choked !== peer.amChoking) this.#setChoking(peer, choked);
    }
    if (now >= this.#roundAt) this.#roundAt = asMillis(now + ROUND_MS);
    this.#state.timers.set('rechoke', this.#roundAt);
  }

  #slotsNow(now: Millis, seeding: boolean): number {
    const { uplink, uploadRate, superSeeding } = this.#state;
    const capacity = uplink.rate(now);
    const usual = uploadSlotsFor(capacity, seeding);
    const served = this.#servedCount();
    // A super-seed's uplink waits for those who were shown a piece to ask for it, not for slow receivers.
    if (!seeding || superSeeding || served < usual) return usual;
    const isRound = now >= this.#roundAt;
    return seedSlotsFor({
      usual,
      capacity,
      rate: uploadRate.rate(now),
      served,
      before: this.#slots,
      isRound,
    });
  }

  #setChoking(peer: Peer, choked: boolean): void {
    peer.amChoking = choked;
    if (choked) {
      peer.connection.choke();
      this.#uploading.onChoked(peer);
    } else {
      peer.connection.unchoke();
    }
  }

  /** Between rounds nobody loses a slot to who comes later: without a free one there is nothing to decide. */
  #hasFreeSlot(): boolean {
    return this.#servedCount() < this.#slots || this.#slots === 0;
  }

  #servedCount(): number {
    let served = 0;
    for (const { amChoking, peerInterested } of this.#state.peers.values()) {
      if (!amChoking && peerInterested) served++;
    }
    return served;
  }

  #soon(): void {
    const at = Math.max(this.#state.now() + SOON_MS, this.#decidedAt + LEAST_GAP_MS);
    this.#state.timers.setIfEarlier('rechoke', asMillis(at));
  }
}

/** What the choker sees of a peer. Much of it is asked of few: that is looked up only then. */
class ChokerView implements ChokerPeer {
  readonly id: number;
  readonly interested: boolean;
  readonly downloadRate: number;
  readonly #peer: Peer;
  #pieces: number | undefined;

  constructor(peer: Peer, now: Millis) {
    this.#peer = peer;
    this.id = peer.id;
    this.interested = peer.peerInterested;
    this.downloadRate = peer.contributionRate(now);
  }

  get uploadedBytes(): number {
    return this.#peer.uploadedBytes;
  }

  get downloadedBytes(): number {
    return this.#peer.downloadedBytes;
  }

  get stalled(): boolean {
    return this.#peer.isStalled;
  }

  get snubbed(): boolean {
    return this.#peer.pipeline.isSnubbed;
  }

  get pieces(): number {
    const { receipts, has } = this.#peer;
    this.#pieces ??= receipts.isHiding(has) ? Number.POSITIVE_INFINITY : has.count;
    return this.#pieces;
  }

  get idle(): boolean {
    const { uploads, connection } = this.#peer;
    return uploads.size === 0 || connection.bufferedBytes > 0;
  }

  get prefix(): string {
    return this.#peer.prefix;
  }
}
