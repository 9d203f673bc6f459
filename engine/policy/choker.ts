/**
 * Choker: whom we upload to. While downloading, half of the slots go tit for tat, to those who send us the most
 * (BEP 3), half, or one more, to those who have the least, on credit: slow uplinks win no slot by their rate, and
 * would leave their downlinks idle until the quick are done. One more goes by chance. While seeding, everybody in turn:
 * a turn ends by bytes or by time, so that being quick gains nobody more than a share. May be called at any time:
 * between rounds nobody loses a slot that he uses while others want it, and free ones are filled.
 */
import type { Millis, Rng } from '../units.js';
import { shuffle } from './shuffle.js';

/** BEP 3: often enough to answer generosity, seldom enough for TCP to reach its speed between. */
export const ROUND_MS = 10_000;
const OPTIMISTIC_MS = 30_000;
/** How much likelier a peer that never had a slot is to get the one by chance: it has nothing to trade yet. */
const NEWCOMER_WEIGHT = 3;
/**
 * Of the slots by merit, those for who has the least, the larger half; a single one every other round. With a quarter,
 * links of four kinds (B4) end 8 % later.
 */
const NEED_SHARE = 0.5;
/**
 * Who has so many times what the poorest has, or one piece more, is as poor: where all are equal, the very poorest
 * would get from everybody at once what its downlink cannot take, and peers of its kind (B2) end 1.5 % later.
 */
const ALIKE = 1.03;
/**
 * In credit is who got less than this, and so many times what it gave us: a line of 8:1 pays for its downlink twice
 * over. Who is not goes last: of 100 MiB behind a scarce seed, peers that give nothing take 3.3 times as long.
 */
const CREDIT_BYTES = 384 * 1024;
const CREDIT_RATIO = 16;
/** A seed's turn ends after so much, but not before `MIN_TURN_MS`: reaching full speed takes a while. */
const TURN_BYTES = 16 * 1024 * 1024;
const MIN_TURN_MS = 30_000;
/** … and after this long in any case. */
const MAX_TURN_MS = 180_000;

export interface ChokerPeer {
  readonly id: number;
  readonly interested: boolean;
  /** It lets our requests time out: it gets nothing for what it sent before. */
  readonly snubbed: boolean;
  /** What it sends us, bytes a second over the last 20 s or so. */
  readonly downloadRate: number;
  /** Bytes that we sent it in all. */
  readonly uploadedBytes: number;
  /** Bytes that it sent us in all. */
  readonly downloadedBytes: number;
  /** How many it says it has; Infinity where that is in doubt. Who has more than it says would gain slots, on credit. */
  readonly pieces: number;
  /** It never has what it is sent: a seed gives its turn to others. */
  readonly stalled?: boolean;
  /** It asks for nothing, or does not read what it asked for: where no bytes flow, that is not our doing. */
  readonly idle: boolean;
  /** See addressPrefix: of one prefix, no more than a share gets slots while others wait. */
  readonly prefix: string;
}

export interface ChokerContext {
  readonly seeding: boolean;
  /** Slots by merit, or by turn. One more goes by chance. */
  readonly uploadSlots: number;
  /** While downloading: nothing is asked of us, though somebody waits. Who has a slot for nothing loses it to him. */
  readonly uplinkIdle?: boolean;
}

export interface ChokeDecision {
  readonly unchoked: ReadonlySet<number>;
  /** Which of them by chance; −1 when none. */
  readonly optimistic: number;
}

/** What we remember of a peer between rounds. */
interface Turn {
  unchoked: boolean;
  /** When its latest turn began; −∞ when it never had one. */
  sinceMs: number;
  uploadedBefore: number;
  /** What we had sent it at the last round. */
  uploadedAtRound: number;
}

export class Choker {
  readonly #rng: Rng;
  /** By id. */
  #turns: (Turn | undefined)[] = [];
  /** How many there are. */
  #turnCount = 0;
  #optimistic = -1;
  /** Who has a slot by need, until the round ends. */
  #needy = new Set<number>();
  #optimisticUntil = Number.NEGATIVE_INFINITY;
  #nextRoundAt = Number.NEGATIVE_INFINITY;
  #betweenRounds = false;
  #roundCount = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** @param peers every connected peer, each id once */
  rechoke(now: Millis, peers: readonly ChokerPeer[], context: ChokerContext): ChokeDecision {
    this.#forgetLeavers(peers);
    this.#betweenRounds = now < this.#nextRoundAt;
    if (!this.#betweenRounds) {
      this.#nextRoundAt = now + ROUND_MS;
      this.#roundCount++;
      this.#needy.clear();
    }
    const unchoked = new Set<number>();
    if (context.seeding) {
      this.#optimistic = -1;
      this.#needy.clear();
      this.#unchokeInTurn(now, peers, context.uploadSlots + 1, unchoked);
    } else {
      const { uploadSlots, uplinkIdle } = context;
      const resting = uplinkIdle ? peers.filter((peer) => peer.idle && this.#isUnchoked(peer)) : [];
      const asking = resting.length === 0 ? peers : peers.filter((peer) => !resting.includes(peer));
      this.#unchokeForTrade(now, asking, uploadSlots, unchoked);
      // Losing a slot that nobody else wants would only cost a round trip later.
      for (const { id, interested } of resting)
        if (interested && unchoked.size <= uploadSlots) unchoked.add(id);
    }
    this.#remember(now, peers, unchoked);
    return { unchoked, optimistic: this.#optimistic };
  }

  // ─── Downloading ───────────────────────────────────────────────────────────────────────────────────────

  #unchokeForTrade(now: Millis, peers: readonly ChokerPeer[], slots: number, unchoked: Set<number>): void {
    const byRate = this.#byMerit(shuffle([...peers], this.#rng));
    const byNeed = this.#slotsByNeed(peers, slots);
    this.#unchokeByMerit(byRate, slots - byNeed, unchoked);
    this.#unchokeByNeed(peers, byNeed, unchoked);
    // What nobody needs goes by merit too.
    this.#unchokeByMerit(byRate, slots - this.#needy.size, unchoked);
    this.#unchokeByChance(now, peers, unchoked);
  }

  /**
   * The best by rate, until `slots` interested ones are found. Better ones that are not interested come along
   * (BEP 3), so that they can ask at once; they are as many as the slots at most.
   */
  #unchokeByMerit(byRate: readonly ChokerPeer[], slots: number, unchoked: Set<number>): void {
    const chosen = byRate.filter(({ id }) => unchoked.has(id) && !this.#needy.has(id));
    let interested = chosen.filter((peer) => peer.interested).length;
    let others = chosen.length - interested;
    for (const peer of byRate) {
      if (interested >= slots) return;
      if (unchoked.has(peer.id) || this.#needy.has(peer.id)) continue;
      if (peer.snubbed && !this.#keeps(peer)) continue;
      if (peer.interested) interested++;
      else if (peer.downloadRate === 0 || ++others > slots) continue;
      unchoked.add(peer.id);
    }
  }

  /** The best first, without those who neither want a slot nor have earned one. */
  #byMerit(peers: readonly ChokerPeer[]): ChokerPeer[] {
    return peers
      .filter((peer) => peer.interested || peer.downloadRate > 0)
      .map((peer) => ({
        peer,
        keeps: Number(this.#keeps(peer)),
        rate: peer.downloadRate,
        inCredit: Number(isInCredit(peer)),
        unchoked: Number(this.#isUnchoked(peer)),
      }))
      .sort(
        (a, b) =>
          b.keeps - a.keeps ||
          // Prefer who sends us more,
          b.rate - a.rate ||
          // then who may still give something back,
          b.inCredit - a.inCredit ||
          // then who has a slot: changing hands costs both a round trip.
          b.unchoked - a.unchoked,
      )
      .map(({ peer }) => peer);
  }

  /** Fewer while merit keeps some of them until the round ends. */
  #slotsByNeed(peers: readonly ChokerPeer[], slots: number): number {
    const kept = peers.filter((peer) => peer.interested && this.#keeps(peer)).length;
    const byNeed = slots === 1 ? this.#roundCount % 2 : Math.ceil(slots * NEED_SHARE);
    return Math.max(0, Math.min(byNeed, slots - kept));
  }

  #unchokeByNeed(peers: readonly ChokerPeer[], slots: number, unchoked: Set<number>): void {
    const isEntitled = (peer: ChokerPeer): boolean => this.#needy.has(peer.id) || isInCredit(peer);
    const waiting = peers.filter((peer) => peer.interested && !unchoked.has(peer.id) && isEntitled(peer));
    const lots = shuffle(waiting, this.#rng);
    // The poorest of a half of them: everybody sees the same poorest, and together we would fill its downlink.
    const drawn = lots.slice(0, Math.max(slots, Math.ceil(lots.length / 2)));
    const keeping = lots.filter(({ id }) => this.#needy.has(id) && !drawn.some((peer) => peer.id === id));
    const asPoor = ALIKE * Math.min(...drawn.map(({ pieces }) => pieces)) + 1;
    const byNeed = [...keeping, ...drawn].sort((a, b) => this.#compareNeed(a, b, asPoor));
    this.#needy = new Set(byNeed.slice(0, slots).map(({ id }) => id));
    for (const id of this.#needy) unchoked.add(id);
  }

  #compareNeed(a: ChokerPeer, b: ChokerPeer, asPoor: number): number {
    // Prefer who has a slot by need until the round ends,
    const keeping = Number(this.#needy.has(b.id)) - Number(this.#needy.has(a.id));
    if (keeping !== 0) return keeping;
    // then who has the least; of those that have about as little, by lot.
    return Math.max(a.pieces, asPoor) - Math.max(b.pieces, asPoor) || 0;
  }

  #unchokeByChance(now: Millis, peers: readonly ChokerPeer[], unchoked: Set<number>): void {
    const current = peers.find((peer) => peer.id === this.#optimistic);
    const stays = current?.interested === true && now < this.#optimisticUntil && !unchoked.has(current.id);
    if (!stays) {
      const waiting = peers.filter((peer) => peer.interested && !unchoked.has(peer.id));
      // Its time is over: anybody else goes first.
      const others = waiting.filter((peer) => peer.id !== this.#optimistic);
      const inCredit = others.filter(isInCredit);
      this.#optimistic = this.#draw([inCredit, others].find(({ length }) => length > 0) ?? waiting);
      this.#optimisticUntil = now + OPTIMISTIC_MS;
    }
    if (this.#optimistic >= 0) unchoked.add(this.#optimistic);
  }

  /** By lot: the prefixes have equal chances, and within one newcomers the better. */
  #draw(peers: readonly ChokerPeer[]): number {
    const weightOf = (peer: ChokerPeer): number => (this.#turns[peer.id] === undefined ? NEWCOMER_WEIGHT : 1);
    const heaviest = new Map<string, number>();
    const sums = new Map<string, number>();
    for (const peer of peers) {
      const weight = weightOf(peer);
      heaviest.set(peer.prefix, Math.max(heaviest.get(peer.prefix) ?? 0, weight));
      sums.set(peer.prefix, (sums.get(peer.prefix) ?? 0) + weight);
    }
    let total = 0;
    for (const weight of heaviest.values()) total += weight;
    let lot = this.#rng() * total;
    for (const peer of peers) {
      lot -= (weightOf(peer) / sums.get(peer.prefix)!) * heaviest.get(peer.prefix)!;
      if (lot < 0) return peer.id;
    }
    return peers[peers.length - 1]?.id ?? -1;
  }

  // ─── Seeding ───────────────────────────────────────────────────────────────────────────────────────────

  #unchokeInTurn(now: Millis, peers: readonly ChokerPeer[], slots: number, unchoked: Set<number>): void {
    const waiting = shuffle(
      peers.filter((peer) => peer.interested),
      this.#rng,
    ).sort((a, b) => this.#compareTurn(now, a, b));
    const share = Math.max(1, Math.ceil(slots / 4));
    const perPrefix = new Map<string, number>();
    for (const peer of waiting) {
      if (unchoked.size === slots) return;
      const count = perPrefix.get(peer.prefix) ?? 0;
      if (count === share) continue;
      perPrefix.set(peer.prefix, count + 1);
      unchoked.add(peer.id);
    }
    // Slots that nobody else wants are better used by one network than not at all.
    for (const peer of waiting) {
      if (unchoked.size === slots) return;
      unchoked.add(peer.id);
    }
  }

  #compareTurn(now: Millis, a: ChokerPeer, b: ChokerPeer): number {
    // Prefer whose turn is not over,
    const staying = Number(this.#isInTurn(now, b)) - Number(this.#isInTurn(now, a));
    if (staying !== 0) return staying;
    // then whose latest turn began the longest ago.
    const aSince = this.#turns[a.id]?.sinceMs ?? Number.NEGATIVE_INFINITY;
    const bSince = this.#turns[b.id]?.sinceMs ?? Number.NEGATIVE_INFINITY;
    return aSince === bSince ? 0 : aSince - bSince;
  }

  #isInTurn(now: Millis, peer: ChokerPeer): boolean {
    const turn = this.#turns[peer.id];
    if (turn === undefined || !turn.unchoked) return false;
    if (this.#betweenRounds) return true;
    if (peer.stalled) return false;
    // A slot that nothing goes through is for others: otherwise a crowd that does not read would hold them all.
    if (peer.idle && peer.uploadedBytes === turn.uploadedAtRound) return false;
    const lastedMs = now - turn.sinceMs;
    if (lastedMs >= MAX_TURN_MS) return false;
    return lastedMs < MIN_TURN_MS || peer.uploadedBytes - turn.uploadedBefore < TURN_BYTES;
  }

  // ─── Memory ────────────────────────────────────────────────────────────────────────────────────────────

  #isUnchoked(peer: ChokerPeer): boolean {
    return this.#turns[peer.id]?.unchoked === true;
  }

  /** Has a slot by merit that it cannot lose before the next round. */
  #keeps(peer: ChokerPeer): boolean {
    if (!this.#betweenRounds || peer.id === this.#optimistic || this.#needy.has(peer.id)) return false;
    return this.#isUnchoked(peer);
  }

  #forgetLeavers(peers: readonly ChokerPeer[]): void {
    let staying = 0;
    for (const { id } of peers) if (this.#turns[id] !== undefined) staying++;
    if (staying < this.#turnCount) {
      const turns = this.#turns;
      this.#turns = [];
      this.#turnCount = staying;
      for (const { id } of peers) if (turns[id] !== undefined) this.#turns[id] = turns[id];
    }
    if (this.#optimistic >= 0 && this.#turns[this.#optimistic] === undefined) this.#optimistic = -1;
  }

  #remember(now: Millis, peers: readonly ChokerPeer[], unchoked: ReadonlySet<number>): void {
    for (const peer of peers) {
      const turn = this.#turns[peer.id];
      if (!unchoked.has(peer.id)) {
        if (turn !== undefined) turn.unchoked = false;
      } else if (turn === undefined || !this.#isInTurn(now, peer)) {
        // A turn that is over while nobody waits is followed by another.
        const { uploadedBytes } = peer;
        const started = { sinceMs: now, uploadedBefore: uploadedBytes, uploadedAtRound: uploadedBytes };
        if (turn === undefined) this.#turnCount++;
        this.#turns[peer.id] = { unchoked: true, ...started };
      } else if (!this.#betweenRounds) turn.uploadedAtRound = peer.uploadedBytes;
    }
  }
}

function isInCredit({ uploadedBytes, downloadedBytes }: ChokerPeer): boolean {
  return uploadedBytes < CREDIT_BYTES + CREDIT_RATIO * downloadedBytes;
}
