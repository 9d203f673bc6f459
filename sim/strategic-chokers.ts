/** Chokers of peers that want the most for the least: what they gain says how well the engine's choker holds. */
import { type ChokeDecision, Choker, type ChokerContext, type ChokerPeer } from '../engine/policy/choker.js';
import { uploadSlotsFor } from '../engine/policy/upload-slots.js';
import type { SwarmState } from '../engine/swarm/swarm-state.js';
import type { Millis, Rng } from '../engine/units.js';

const ROUND_MS = 10_000;
const ROUND_S = ROUND_MS / 1000;
/** Piatek et al. 2007: who gave for so many rounds gets less, who gave nothing for what it got is offered more. */
const CONTENT_ROUNDS = 3;
const LESS = 0.9;
const MORE = 1.2;

interface Account {
  /** What must be given to be given back, bytes a second (u_p). */
  price: number;
  /** What it gives when it does (d_p). */
  worth: number;
  /** In a row, in which it let us ask. */
  givingRounds: number;
  isServed: boolean;
  uploadedBefore: number;
  piecesBefore: number;
}

/**
 * BitTyrant: serves peers by what they give for what they cost, each with no more than it takes to be served by it,
 * until its uplink is spent. What a peer got in a round is limited by choking it once it has had its price.
 */
export class StrategicChoker {
  readonly #seeding: Choker;
  readonly #state: () => SwarmState;
  readonly #uplink: number;
  readonly #firstPrice: number;
  readonly #accounts = new Map<number, Account>();
  #roundAt = 0;

  /** @param firstPrice what a peer not met before is offered, and expected to give; bytes a second */
  constructor(rng: Rng, state: () => SwarmState, upKbit: number, firstPrice: number) {
    this.#firstPrice = firstPrice;
    this.#seeding = new Choker(rng);
    this.#state = state;
    this.#uplink = upKbit * 128;
  }

  rechoke(now: Millis, peers: readonly ChokerPeer[], context: ChokerContext): ChokeDecision {
    if (context.seeding) return this.#seeding.rechoke(now, peers, context);
    const here = new Set(peers.map(({ id }) => id));
    for (const id of this.#accounts.keys()) if (!here.has(id)) this.#accounts.delete(id);
    if (now >= this.#roundAt) {
      this.#roundAt = now + ROUND_MS;
      for (const peer of peers) this.#settle(peer);
      this.#choose(peers);
    }
    const unchoked = new Set<number>();
    for (const { id, uploadedBytes } of peers) {
      const account = this.#accounts.get(id);
      if (account?.isServed !== true) continue;
      if (uploadedBytes - account.uploadedBefore < account.price * ROUND_S) unchoked.add(id);
    }
    return { unchoked, optimistic: -1 };
  }

  /** What the round that is over taught of a peer. */
  #settle({ id, uploadedBytes, downloadRate, pieces }: ChokerPeer): void {
    const account = this.#accounts.get(id);
    if (account === undefined) {
      const fresh = { price: this.#firstPrice, worth: this.#firstPrice, givingRounds: 0, isServed: false };
      this.#accounts.set(id, { ...fresh, uploadedBefore: uploadedBytes, piecesBefore: pieces });
      return;
    }
    const gives = this.#state().peers.get(id)?.peerChoking === false;
    account.givingRounds = gives ? account.givingRounds + 1 : 0;
    if (gives && downloadRate > 0) account.worth = downloadRate;
    else if (!gives) account.worth = this.#guess(pieces - account.piecesBefore) ?? account.worth;
    const wasServed = account.isServed && uploadedBytes > account.uploadedBefore;
    if (wasServed && !gives) account.price *= MORE;
    if (account.givingRounds >= CONTENT_ROUNDS) account.price *= LESS;
    account.uploadedBefore = uploadedBytes;
    account.piecesBefore = pieces;
  }

  /** Who gets so many pieces in a round has an uplink of about that, shared between the slots of such an uplink. */
  #guess(gained: number): number | undefined {
    if (gained <= 0) return undefined;
    const rate = (gained * this.#state().geometry.pieceLength) / ROUND_S;
    return rate / uploadSlotsFor(rate, false);
  }

  #choose(peers: readonly ChokerPeer[]): void {
    const ranked = peers
      .filter((peer) => peer.interested)
      .map(({ id }) => this.#accounts.get(id)!)
      .sort((a, b) => b.worth / b.price - a.worth / a.price);
    for (const account of this.#accounts.values()) account.isServed = false;
    let left = this.#uplink;
    for (const account of ranked) {
      if (left <= 0) return;
      account.isServed = true;
      left -= account.price;
    }
  }
}

/** The best by what they give, among those who let us ask; nobody by chance, nobody on credit. */
export class AnswersOnly {
  readonly #choker: Choker;
  readonly #state: () => SwarmState;

  constructor(rng: Rng, state: () => SwarmState) {
    this.#choker = new Choker(rng);
    this.#state = state;
  }

  rechoke(now: Millis, peers: readonly ChokerPeer[], context: ChokerContext): ChokeDecision {
    if (context.seeding) return this.#choker.rechoke(now, peers, context);
    const giving = peers
      .filter(({ id, interested }) => interested && this.#state().peers.get(id)?.peerChoking === false)
      .sort((a, b) => b.downloadRate - a.downloadRate)
      .slice(0, context.uploadSlots + 1);
    return { unchoked: new Set(giving.map(({ id }) => id)), optimistic: -1 };
  }
}
