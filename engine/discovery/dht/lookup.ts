/**
 * Lookup: whom to ask next on the way to the nodes closest to a target, and when that is done. Pure: told what
 * happened, asked what to do.
 *
 * A few are asked at a time; who is slow no longer counts, though its late answer does. It ends when the 8 closest
 * that are there have answered, beside them those with ids of their addresses (BEP 42) in the part of the space where,
 * by the size of the network, 12 nodes should be, and some on other ways. Whoever crowds a target with nodes of its own
 * makes the lookup wider, and does not push the others out. So does whoever names closer nodes than it can know.
 */
import { addressKey, type PeerAddress } from '../../units.js';
import { mayName, networkOf } from './node-address.js';
import {
  compareDistance,
  distanceShare,
  type NodeContact,
  type NodeId,
  sameId,
  sharedBits,
} from './node-id.js';
import { K, placesAt } from './routing-table.js';
import { isSecureId } from './secure-id.js';

/** How many of the closest nodes hold what is stored. */
const WIDTH = K;
/** The most that a crowded target is worth: a third of them honest where a fifth of all nodes crowd it. */
const MAX_WIDTH = 64;
/** Candidates kept, the closest; of those whose ids are not of their addresses fewer, for they are free to make. */
const MAX_CANDIDATES = 300;
const MAX_INSECURE = 48;
/**
 * How wide a lookup is: it covers the part of the space where `width` nodes should be, and takes the next stage when
 * `crowd` answer there. Without an attack a quarter take the second, and one or two of a hundred the third.
 */
const STAGES = [
  { width: 12, crowd: 13, own: 16, aside: 5 },
  { width: 24, crowd: 32, own: 16, aside: 40 },
  { width: 48, crowd: Number.POSITIVE_INFINITY, own: 40, aside: 200 },
] as const;
/**
 * At first, nodes aside are asked only when few others are being waited for, so that most of them are known. With 1
 * a lookup takes 0.15 s longer (median), for as many queries.
 */
const SETTLED = 5;
/** So many of those that one node named: else one that names its friends would have all of them. */
const MAX_ASIDE_OF_ONE = 2;
/**
 * Of a part of the space a node keeps some nodes only, wherever in it the target is (`placesAt`): of those that it names
 * about one is within 1 / places of the part, and five in one answer of 500. Sybils that name each other only all name
 * closer ones. Three such answers, so that no single node makes lookups dear: one ordinary lookup in 100, or fewer.
 */
const NAMED_TOO_CLOSE = 5;
const CLIQUE = 3;
/**
 * Then ways count that answer, not those that are asked, and each leads to one more. Without, one lookup in fourteen
 * failed: begun mostly with sybils, it had ended in two round trips, before the others had answered.
 */
const OWN_IN_CLIQUE = 24;
const MAX_ASIDE_OF_ONE_IN_CLIQUE = 3;
/** Nodes believed of one answer. */
const MAX_NAMED = 8;
/** Whoever named so many that did not answer, and none that did, is not asked for more. */
const MAX_DEAD_NAMED = 4;

interface LookupLimits {
  /** Asked at once, the slow ones and those farther away aside. 10 not 8: 4 queries more, a fifth less at 99 %. */
  readonly parallel: number;
  /** Asked at all: some 50 usually, the most where the target is crowded. */
  readonly maxQueries: number;
}

const DEFAULT_LOOKUP_LIMITS: LookupLimits = { parallel: 10, maxQueries: 400 };

type State = 'known' | 'asked' | 'slow' | 'answered' | 'dead';

interface Candidate {
  readonly contact: NodeContact;
  readonly secure: boolean;
  /** /24 or /48; undefined in local networks, where it does not count. */
  readonly network: string | undefined;
  /** Distance as a share of the space. */
  readonly share: number;
  /** Who named it; undefined for our own table. */
  readonly source: Source | undefined;
  state: State;
  /** Asked for being on another way. */
  isAside: boolean;
}

/** What came of the nodes that one node named. */
interface Source {
  /** Steps from our own table. */
  readonly steps: number;
  /** How many were asked for being on other ways. */
  aside: number;
  dead: number;
  alive: number;
}

export class Lookup {
  readonly target: NodeId;
  readonly #ownId: NodeId;
  readonly #limits: LookupLimits;
  /** The share of the space that belongs to one node. */
  readonly #spacing: number;
  /** Of STAGES; it only rises. */
  #stage: 0 | 1 | 2 = 0;
  /** Closest first. */
  readonly #candidates: Candidate[] = [];
  readonly #byAddress = new Map<string, Candidate>();
  #underWay = 0;
  #ownAsked = 0;
  /** Of those, slow or dead. */
  #ownLost = 0;
  #asideAsked = 0;
  #insecure = 0;
  /** Of those asked; one that is nobody's fault, so that the first are not despaired of. */
  #answered = 1;
  #lost = 0;
  #queries = 0;
  /** Answers with nodes too close to be known to who named them. */
  #suspicious = 0;

  /** @param networkSize about how many nodes there are; undefined when not known */
  constructor(
    target: NodeId,
    ownId: NodeId,
    networkSize: number | undefined,
    limits = DEFAULT_LOOKUP_LIMITS,
  ) {
    this.target = target;
    this.#ownId = ownId;
    this.#limits = limits;
    this.#spacing = networkSize === undefined ? 0 : 1 / networkSize;
  }

  get queries(): number {
    return this.#queries;
  }

  /** Compliant nodes are asked within this share of the space. */
  get #radius(): number {
    return this.#spacing * STAGES[this.#stage].width;
  }

  /** Nodes of our own table. */
  add(contacts: readonly NodeContact[]): void {
    for (const contact of contacts) this.#add(contact, undefined);
  }

  /** @returns whom to ask now; undefined: nobody until something happens */
  next(): NodeContact | undefined {
    if (this.#queries >= this.#limits.maxQueries) return undefined;
    const candidate = this.#next();
    if (candidate === undefined) return undefined;
    candidate.state = 'asked';
    if (candidate.source === undefined) this.#ownAsked++;
    else if (candidate.isAside) {
      candidate.source.aside++;
      this.#asideAsked++;
    }
    this.#underWay++;
    this.#queries++;
    return candidate.contact;
  }

  /** Nobody is left to ask or to wait for. */
  get isDone(): boolean {
    if (this.#queries >= this.#limits.maxQueries) return this.#underWay === 0;
    for (const { state } of this.#needed(1)) if (state === 'known' || state === 'asked') return false;
    return (
      this.#nextAside(true) === undefined &&
      !this.#candidates.some(
        ({ state, source, isAside }) => state === 'asked' && (source === undefined || isAside),
      )
    );
  }

  #noteCrowd(): void {
    let secure = 0;
    for (const candidate of this.#candidates) {
      if (candidate.share > this.#radius) break;
      if (candidate.state === 'answered' && candidate.secure) secure++;
    }
    if (secure >= STAGES[this.#stage].crowd) this.#stage = this.#stage === 0 ? 1 : 2;
    else if (this.#stage === 0 && this.#isClique) this.#stage = 1;
  }

  get #isClique(): boolean {
    return this.#suspicious >= CLIQUE;
  }

  /** Whether `by` names more nodes near the target than somebody with that id would know. */
  #isTooClose(by: NodeId, named: readonly NodeContact[]): boolean {
    const bits = sharedBits(this.target, by);
    const reach = 2 ** -(bits + 1) / placesAt(bits);
    let close = 0;
    for (const { id, host } of named.slice(0, MAX_NAMED))
      if (distanceShare(this.target, id) < reach && isSecureId(id, host)) close++;
    return close >= NAMED_TOO_CLOSE;
  }

  /** It answered as `id`. @returns false when it is not who it was said to be, and nothing of it counts */
  onAnswer(address: PeerAddress, id: NodeId, named: readonly NodeContact[]): boolean {
    const candidate = this.#byAddress.get(addressKey(address));
    if (candidate === undefined) return false;
    this.#end(candidate);
    if (!sameId(id, candidate.contact.id)) {
      this.#bury(candidate);
      return false;
    }
    if (candidate.source !== undefined) candidate.source.alive++;
    if (candidate.state === 'slow' && candidate.source === undefined) this.#ownLost--;
    candidate.state = 'answered';
    this.#answered++;
    if (this.#isTooClose(candidate.contact.id, named)) this.#suspicious++;
    this.#noteCrowd();
    this.#addNamed(address, named);
    return true;
  }

  /** It takes longer than it should: others are asked, too. */
  onSlow(address: PeerAddress): void {
    const candidate = this.#byAddress.get(addressKey(address));
    if (candidate?.state !== 'asked') return;
    candidate.state = 'slow';
    if (candidate.source === undefined) this.#ownLost++;
    this.#lost++;
    this.#underWay--;
  }

  onDead(address: PeerAddress): void {
    const candidate = this.#byAddress.get(addressKey(address));
    if (candidate === undefined || candidate.state === 'answered') return;
    this.#end(candidate);
    this.#bury(candidate);
  }

  /** Those that answered, closest first: where to store. */
  closest(): NodeContact[] {
    const found: NodeContact[] = [];
    let any = 0;
    let secure = 0;
    for (const candidate of this.#candidates) {
      if (candidate.state !== 'answered') continue;
      const needed = this.#isNeeded(candidate, any, secure);
      any++;
      if (candidate.secure) secure++;
      if (needed) found.push(candidate.contact);
    }
    return found;
  }

  #addNamed(by: PeerAddress, named: readonly NodeContact[]): void {
    const from = networkOf(by.host);
    const steps = (this.#byAddress.get(addressKey(by))?.source?.steps ?? 0) + 1;
    const source: Source = { steps, aside: 0, dead: 0, alive: 0 };
    if (from === undefined) return;
    for (const contact of named.slice(0, MAX_NAMED)) if (mayName(from, contact)) this.#add(contact, source);
  }

  #add(contact: NodeContact, source: Source | undefined): void {
    const key = addressKey(contact);
    const network = networkOf(contact.host);
    if (network === undefined || this.#byAddress.has(key) || sameId(contact.id, this.#ownId)) return;
    const candidate: Candidate = {
      contact,
      secure: isSecureId(contact.id, contact.host),
      network: network.local ? undefined : network.key,
      share: distanceShare(this.target, contact.id),
      source,
      state: 'known',
      isAside: false,
    };
    const at = this.#indexFor(candidate);
    if (at >= MAX_CANDIDATES) return;
    this.#candidates.splice(at, 0, candidate);
    this.#byAddress.set(key, candidate);
    if (!candidate.secure) this.#insecure++;
    if (this.#insecure > MAX_INSECURE) this.#dropFarthest((other) => !other.secure);
    if (this.#candidates.length > MAX_CANDIDATES) this.#dropFarthest((other) => other.source !== undefined);
  }

  #dropFarthest(matches: (candidate: Candidate) => boolean): void {
    const at = this.#candidates.findLastIndex(matches);
    const [farthest] = at < 0 ? [] : this.#candidates.splice(at, 1);
    if (farthest === undefined) return;
    this.#end(farthest);
    this.#byAddress.delete(addressKey(farthest.contact));
    if (!farthest.secure) this.#insecure--;
  }

  #indexFor({ contact }: Candidate): number {
    let low = 0;
    let high = this.#candidates.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#candidates[middle] as Candidate;
      if (compareDistance(this.target, other.contact.id, contact.id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The closest to be asked, while not too many that are closer have yet to answer; then those aside. */
  #next(): Candidate | undefined {
    let underWay = 0;
    for (const candidate of this.#needed(this.#answered / (this.#answered + this.#lost))) {
      if (candidate.state === 'known') return candidate;
      if (candidate.state === 'asked' && ++underWay >= this.#limits.parallel) return undefined;
    }
    const next = this.#nextAside(this.#stage > 0 || underWay <= SETTLED);
    if (next !== undefined) next.isAside = true;
    return next;
  }

  /**
   * Independent ways to the target, whatever those close to it say: nodes of our own table, then those that few steps
   * lead to.
   * @param anyOther else those of our own table only
   */
  #nextAside(anyOther: boolean): Candidate | undefined {
    const { own, aside } = STAGES[this.#stage];
    const ofOne = this.#isClique ? MAX_ASIDE_OF_ONE_IN_CLIQUE : MAX_ASIDE_OF_ONE;
    const ownInAnyCase = this.#isClique ? OWN_IN_CLIQUE : 0;
    const isOpen = ({ source, share }: Candidate): boolean =>
      source === undefined
        ? this.#ownAsked < own || this.#ownAsked - this.#ownLost < ownInAnyCase
        : anyOther &&
          !isDisbelieved(source) &&
          this.#asideAsked < aside &&
          source.aside < ofOne &&
          share > this.#radius;
    let best: Candidate | undefined;
    for (const candidate of this.#candidates)
      if (candidate.state === 'known' && isOpen(candidate) && !(best && stepsTo(best) <= stepsTo(candidate)))
        best = candidate;
    return best;
  }

  /**
   * Those that the result is made of if they answer, closest first. Of one network only the closest counts.
   * @param hope what one that was asked and has not answered counts for, 0…1
   */
  *#needed(hope: number): Generator<Candidate> {
    const networks = new Set<string>();
    let any = 0;
    let secure = 0;
    for (const candidate of this.#candidates) {
      const { state, network, source } = candidate;
      if (state === 'dead' || state === 'slow') continue;
      if (state === 'known' && isDisbelieved(source)) continue;
      if (network !== undefined) {
        if (networks.has(network)) continue;
        networks.add(network);
      }
      const weight = state === 'asked' ? hope : 1;
      if (this.#isNeeded(candidate, any, secure)) {
        yield candidate;
        if (candidate.secure) secure += weight;
      } else if (secure >= MAX_WIDTH || (secure >= WIDTH && candidate.share > this.#radius)) return;
      any += weight;
    }
  }

  /** @param any how many are closer @param secure how many of them have ids of their addresses */
  #isNeeded(candidate: Candidate, any: number, secure: number): boolean {
    if (any < WIDTH) return true;
    if (!candidate.secure) return false;
    return secure < WIDTH || (secure < MAX_WIDTH && candidate.share <= this.#radius);
  }

  #end(candidate: Candidate): void {
    if (candidate.state === 'asked') this.#underWay--;
  }

  #bury(candidate: Candidate): void {
    if (candidate.source !== undefined) candidate.source.dead++;
    else if (candidate.state === 'asked') this.#ownLost++;
    candidate.state = 'dead';
  }
}

const isDisbelieved = (source: Source | undefined): boolean =>
  source !== undefined && source.dead >= MAX_DEAD_NAMED && source.alive === 0;
const stepsTo = ({ source }: Candidate): number => source?.steps ?? 0;
