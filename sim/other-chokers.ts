/** Chokers to compare the engine's with. */
import { type ChokeDecision, Choker, type ChokerContext, type ChokerPeer } from '../engine/policy/choker.js';
import type { Millis, Rng } from '../engine/units.js';
import { below } from './prng.js';

const ROUND_MS = 10_000;
const OPTIMISTIC_MS = 30_000;
const SLOTS = 4;

/**
 * As in the paper of 2003: four by merit every 10 s, one by chance every 30 s. Merit is what a peer gives us;
 * a seed goes by what a peer takes, so it favours the fastest.
 */
export class ClassicChoker {
  readonly #rng: Rng;
  #decision: ChokeDecision = { unchoked: new Set(), optimistic: -1 };
  #nextRoundAt = 0;
  #nextOptimisticAt = 0;
  #uploadedBefore = new Map<number, number>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  rechoke(now: Millis, peers: readonly ChokerPeer[], { seeding }: ChokerContext): ChokeDecision {
    const isRound = now >= this.#nextRoundAt;
    const byId = new Map(peers.map((peer) => [peer.id, peer]));
    const kept = [...this.#decision.unchoked].filter((id) => byId.get(id)?.interested === true);
    const chosen = new Set(isRound ? this.#best(peers, seeding) : kept);
    if (isRound) {
      this.#nextRoundAt = now + ROUND_MS;
      this.#uploadedBefore = new Map(peers.map((peer) => [peer.id, peer.uploadedBytes]));
    }
    let { optimistic } = this.#decision;
    const waiting = peers.filter((peer) => peer.interested && !chosen.has(peer.id));
    const isOver = now >= this.#nextOptimisticAt || byId.get(optimistic)?.interested !== true;
    if (isOver || (isRound && chosen.has(optimistic))) {
      optimistic = waiting[below(this.#rng, waiting.length)]?.id ?? -1;
      this.#nextOptimisticAt = now + OPTIMISTIC_MS;
    }
    if (optimistic >= 0) chosen.add(optimistic);
    // A slot that fell free between rounds goes to anybody.
    for (const peer of waiting) {
      if (chosen.size > SLOTS) break;
      chosen.add(peer.id);
    }
    this.#decision = { unchoked: chosen, optimistic };
    return this.#decision;
  }

  #best(peers: readonly ChokerPeer[], seeding: boolean): number[] {
    const merit = (peer: ChokerPeer): number =>
      seeding ? peer.uploadedBytes - (this.#uploadedBefore.get(peer.id) ?? 0) : peer.downloadRate;
    return peers
      .filter((peer) => peer.interested && !(peer.snubbed && !seeding))
      .map((peer) => ({ id: peer.id, merit: merit(peer), lot: this.#rng() }))
      .sort((a, b) => b.merit - a.merit || a.lot - b.lot)
      .slice(0, SLOTS)
      .map(({ id }) => id);
  }
}

/** The engine's while downloading; a seed gives its slots to who takes the most, as the classic one does. */
export class FastestFirstSeed {
  readonly #downloading: Choker;
  readonly #seeding: ClassicChoker;

  constructor(rng: Rng) {
    this.#downloading = new Choker(rng);
    this.#seeding = new ClassicChoker(rng);
  }

  rechoke(now: Millis, peers: readonly ChokerPeer[], context: ChokerContext): ChokeDecision {
    return (context.seeding ? this.#seeding : this.#downloading).rechoke(now, peers, context);
  }
}

export class AlwaysUnchoke {
  rechoke(_now: Millis, peers: readonly ChokerPeer[]): ChokeDecision {
    return {
      unchoked: new Set(peers.filter((peer) => peer.interested).map((peer) => peer.id)),
      optimistic: -1,
    };
  }
}

export class NeverUnchoke {
  rechoke(): ChokeDecision {
    return { unchoked: new Set(), optimistic: -1 };
  }
}
