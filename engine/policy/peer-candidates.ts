/**
 * Peer candidates: addresses that we may connect to, and those that we never will again. Bounded: each source,
 * each address prefix, and each network of those that tell of others fills a share at most, so that nobody's flood
 * drives out what others told us. What only a peer, a DHT node or a neighbour told is hearsay until a connection has
 * shown that it is true: it is tried with care, so that nobody makes us a nuisance to whom he names.
 *
 * An address is waiting (perhaps until a time), or out: handed out by `next`, or connected.
 */
import {
  addressKey,
  asMillis,
  type Millis,
  type PeerAddress,
  type PeerSourceName,
  type Rng,
} from '../units.js';
import { addressPrefix, isLoopback } from './address-prefix.js';
import { Counter } from './counter.js';
import { familyOf, hostKey } from './ip-address.js';
import { peerPriority } from './peer-priority.js';

const MAX_CANDIDATES = 2_000;
/** Of one source, except the user. */
const MAX_PER_SOURCE = 1_000;
/** Of one /24 or /64. */
const MAX_PER_PREFIX = 256;
/** Of what the peers, DHT nodes and neighbours of one network told. */
const MAX_PER_TELLER = 100;
/** Of hearsay, with different ports. */
const MAX_PER_HOST = 4;
/** Attempts at hearsay of one network under way at once. */
const MAX_HEARSAY_OUT_PER_PREFIX = 8;
/** Attempts at one IPv4 address or /64 under way at once, whoever told of its ports, except the user. */
const MAX_ATTEMPTS_PER_HOST = 8;
/** Waiting time after the first failure; each further one doubles it. */
const BACKOFF_MS = 15_000;
const MAX_BACKOFF_MS = 30 * 60_000;
/** After this many failures in a row an address is forgotten; one that the user gave is not. */
const MAX_FAILURES = 6;
/** What hearsay's waiting time grows by each time: nobody who can be believed says that somebody is there. */
const HEARSAY_BACKOFF_FACTOR = 8;
/** A user's peer is worth trying at least this often: it may not be up yet. */
const MAX_USER_BACKOFF_MS = 15_000;
/** A peer that was useful may have dropped us by accident. */
const USEFUL_RETRY_MS = 10_000;
/** With fewer failures since than this, who was connected once is not given up for who never was. */
const TRIED_FAILURES = 3;
/** Addresses of our own: a few, and as many again as a peer can make us believe that are ours. */
const MAX_OWN = 64;
/** Waiting times are stretched by up to this share, so that many do not come due at once. */
const JITTER = 0.3;
/** Bans beyond this forget the oldest. */
const MAX_BANS = 2_000;
/** This many banned ports ban the whole address (or /64): a poisoner that comes back by another port. */
const BANS_PER_HOST = 3;

/** By bit of `Entry.toldBy`. */
const SOURCES: readonly PeerSourceName[] = ['user', 'tracker', 'dht', 'pex', 'lsd', 'incoming'];

export interface Candidate {
  readonly address: PeerAddress;
  readonly source: PeerSourceName;
}

interface Entry {
  readonly key: string;
  readonly address: PeerAddress;
  readonly prefix: string;
  /** See hostKey. */
  readonly hostKey: string;
  /** Whose share of the room it takes: who told of it first, or the user. */
  source: PeerSourceName;
  /** All who told of it, a bit each. */
  toldBy: number;
  /** Hearsay: the network of who told it, whose share it takes. Empty when a source that is believed told of it too, or it is proven. */
  teller: string;
  /** We were connected to it. */
  proven: boolean;
  /** BEP 40; undefined while not asked for, 0 where there is none. */
  priority: number | undefined;
  out: boolean;
  /** Out, and not connected. */
  attempted: boolean;
  useful: boolean;
  failures: number;
  dueAt: Millis;
}

export class PeerCandidates {
  readonly #rng: Rng;
  readonly #entries = new Map<string, Entry>();
  readonly #perSource = new Counter();
  readonly #perPrefix = new Counter();
  readonly #outPerPrefix = new Counter();
  readonly #perTeller = new Counter();
  /** When each had its last turn. */
  readonly #turnOfTeller = new Map<string, number>();
  /** By the address itself: an IPv6 /64 may be a whole campus. */
  readonly #hearsayPerHost = new Counter();
  readonly #hearsayOutPerPrefix = new Counter();
  readonly #attemptsPerHost = new Counter();
  /** By family; where others see us. */
  readonly #ours = new Map<4 | 6, PeerAddress>();
  /** Addresses where we found ourselves, oldest first. */
  readonly #own = new Set<string>();
  /** When each of `SOURCES` had its last turn, counted in turns; 0 for never. */
  readonly #lastTurn = new Float64Array(SOURCES.length);
  #turns = 0;
  #waiting = 0;
  /** Banned addresses, oldest first. */
  readonly #banned = new Map<string, string>();
  readonly #bansPerHost = new Counter();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** How many addresses wait to be tried. */
  get size(): number {
    return this.#waiting;
  }

  /**
   * Tells of an address.
   * @param teller who told it, where it was a peer, a DHT node or a neighbour
   * @returns whether it is new to us and kept
   */
  add(now: Millis, address: PeerAddress, source: PeerSourceName, teller?: PeerAddress): boolean {
    const key = addressKey(address);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // Hearing of it again does not shorten its waiting time, or a dead address would be dialled all the time.
      if (source === 'user') this.#setSource(known, source);
      known.toldBy |= bitOf(source);
      if (teller === undefined) this.#believe(known);
      return false;
    }
    if (address.port === 0 || this.#own.has(key) || this.isBanned(address)) return false;
    const prefix = addressPrefix(address.host);
    const tellerPrefix = teller === undefined ? '' : addressPrefix(teller.host);
    if (!this.#makeRoomForHearsay(address, tellerPrefix) || !this.#makeRoom(source, prefix)) return false;
    this.#perSource.add(source, 1);
    this.#perPrefix.add(prefix, 1);
    this.#waiting++;
    const entry: Entry = {
      key,
      address,
      prefix,
      hostKey: hostKey(address.host),
      source,
      toldBy: bitOf(source),
      teller: tellerPrefix,
      proven: false,
      priority: undefined,
      out: false,
      attempted: false,
      useful: false,
      failures: 0,
      dueAt: now,
    };
    this.#entries.set(key, entry);
    this.#countHearsay(entry, 1);
    return true;
  }

  /** Takes out the best address that is due; say then what came of it. */
  next(now: Millis): Candidate | undefined {
    let best: Entry | undefined;
    let equals = 0;
    for (const entry of this.#entries.values()) {
      if (entry.dueAt > now || !this.#mayGoOut(entry)) continue;
      const order = best === undefined ? -1 : this.#compare(entry, best);
      if (order < 0) {
        best = entry;
        equals = 1;
      } else if (order === 0 && this.#rng() * ++equals < 1) best = entry;
    }
    if (best === undefined) return undefined;
    this.#lastTurn[this.#nextSource(best)] = ++this.#turns;
    if (best.teller !== '') this.#turnOfTeller.set(best.teller, this.#turns);
    this.#setOut(best, true);
    this.#setAttempted(best, true);
    return { address: best.address, source: best.source };
  }

  /** How many addresses `next` has to give now. */
  dueCount(now: Millis): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.dueAt <= now && this.#mayGoOut(entry)) count++;
    return count;
  }

  /** When the next address is due, which may be past; undefined when none waits but for others to be out no more. */
  nextAt(): Millis | undefined {
    let at: Millis | undefined;
    for (const entry of this.#entries.values()) {
      if ((at === undefined || entry.dueAt < at) && this.#mayGoOut(entry)) at = entry.dueAt;
    }
    return at;
  }

  /** We are connected to the address, whoever dialled. */
  onConnected(_now: Millis, address: PeerAddress): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined) return;
    this.#believe(entry);
    entry.proven = true;
    entry.failures = 0;
    this.#setOut(entry, true);
    this.#setAttempted(entry, false);
  }

  /** It could not be connected, or broke the protocol. */
  onFailed(now: Millis, address: PeerAddress): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry !== undefined) this.#retryLater(entry, now);
  }

  /** The attempt, or the connection, was ended for reasons of ours. */
  onAborted(now: Millis, address: PeerAddress): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry !== undefined) this.#wait(entry, now, 0);
  }

  /** The connection is over. A useful one is tried again soon, another as if it had failed. */
  onClosed(now: Millis, address: PeerAddress, wasUseful: boolean): void {
    if (wasUseful) this.add(now, address, 'incoming');
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined) return;
    if (wasUseful) {
      entry.useful = true;
      entry.failures = 0;
      this.#wait(entry, now, USEFUL_RETRY_MS);
    } else this.#retryLater(entry, now);
  }

  /** It is we who answer there: never again. */
  exclude(address: PeerAddress): void {
    const key = addressKey(address);
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
    this.#own.delete(key);
    this.#own.add(key);
    if (this.#own.size > MAX_OWN) for (const oldest of this.#own) return void this.#own.delete(oldest);
  }

  /** Where others see us, one address a family: never dialled, and of equals those come first that BEP 40 prefers. */
  setOurAddress(address: PeerAddress): void {
    const known = this.#ours.get(familyOf(address.host));
    if (known?.host === address.host && known.port === address.port) return;
    if (address.port > 0) this.exclude(address);
    this.#ours.set(familyOf(address.host), address);
    for (const entry of this.#entries.values()) entry.priority = undefined;
  }

  // ─── Bans ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Proven liars are banned by address and port: others may share the address. Several ports ban the address. */
  ban(address: PeerAddress): void {
    const key = addressKey(address);
    if (this.#banned.has(key)) return;
    const host = hostKey(address.host);
    this.#banned.set(key, host);
    this.#bansPerHost.add(host, 1);
    for (const other of this.#entries.values()) if (this.isBanned(other.address)) this.#remove(other);
    if (this.#banned.size <= MAX_BANS) return;
    for (const [oldest, itsHost] of this.#banned) {
      this.#banned.delete(oldest);
      this.#bansPerHost.add(itsHost, -1);
      break;
    }
  }

  isBanned(address: PeerAddress): boolean {
    if (this.#banned.has(addressKey(address))) return true;
    return !isLoopback(address.host) && this.#bansPerHost.get(hostKey(address.host)) >= BANS_PER_HOST;
  }

  get bannedCount(): number {
    return this.#banned.size;
  }

  // ─── Inside ────────────────────────────────────────────────────────────────────────────────────────────

  /** Negative when `a` is to be tried before `b`. */
  #compare(a: Entry, b: Entry): number {
    // Prefer what the user asked for,
    if ((a.source === 'user') !== (b.source === 'user')) return a.source === 'user' ? -1 : 1;
    // then who was useful before,
    if (a.useful !== b.useful) return a.useful ? -1 : 1;
    // then who failed less often,
    if (a.failures !== b.failures) return a.failures - b.failures;
    // then sources in turn, so that what one floods does not keep waiting what another tells,
    if (a.toldBy !== b.toldBy) {
      const turns = this.#lastTurn[this.#nextSource(a)]! - this.#lastTurn[this.#nextSource(b)]!;
      if (turns !== 0) return turns;
    }
    // then those that tell of others in turn, for the same reason,
    const tellers = (this.#turnOfTeller.get(a.teller) ?? 0) - (this.#turnOfTeller.get(b.teller) ?? 0);
    if (tellers !== 0) return tellers;
    // then networks that we are connected to, or try, the least,
    const prefixes = this.#outPerPrefix.get(a.prefix) - this.#outPerPrefix.get(b.prefix);
    if (prefixes !== 0) return prefixes;
    // then what more sources tell,
    const sources = countBits(b.toldBy) - countBits(a.toldBy);
    if (sources !== 0 || this.#ours.size === 0) return sources;
    // then whom everybody's formula gives us.
    return this.#priority(b) - this.#priority(a);
  }

  /** Of the sources that told of it the one whose last turn is longest ago: its turn will be taken. */
  #nextSource(entry: Entry): number {
    let next = -1;
    for (let bits = entry.toldBy; bits !== 0; bits &= bits - 1) {
      const source = 31 - Math.clz32(bits & -bits);
      if (next < 0 || this.#lastTurn[source]! < this.#lastTurn[next]!) next = source;
    }
    return next;
  }

  #priority(entry: Entry): number {
    if (entry.priority === undefined) {
      const ours = this.#ours.get(familyOf(entry.address.host));
      entry.priority = (ours && peerPriority(ours, entry.address)) ?? 0;
    }
    return entry.priority;
  }

  /** Whoever names one network to us does not make us flood it. */
  #mayGoOut({ out, source, teller, prefix, hostKey, address }: Entry): boolean {
    if (out) return false;
    if (source === 'user' || isLoopback(address.host)) return true;
    if (this.#attemptsPerHost.get(hostKey) >= MAX_ATTEMPTS_PER_HOST) return false;
    return teller === '' || this.#hearsayOutPerPrefix.get(prefix) < MAX_HEARSAY_OUT_PER_PREFIX;
  }

  /** It is hearsay no more. */
  #believe(entry: Entry): void {
    const { teller } = entry;
    this.#countHearsay(entry, -1);
    entry.teller = '';
    if (this.#perTeller.get(teller) === 0) this.#turnOfTeller.delete(teller);
  }

  #countHearsay({ teller, address, prefix, out }: Entry, change: 1 | -1): void {
    if (teller === '') return;
    this.#perTeller.add(teller, change);
    this.#hearsayPerHost.add(address.host, change);
    if (out) this.#hearsayOutPerPrefix.add(prefix, change);
  }

  #retryLater(entry: Entry, now: Millis): void {
    entry.failures++;
    entry.useful = false;
    const byUser = entry.source === 'user';
    if (entry.failures >= MAX_FAILURES && !byUser) this.#remove(entry);
    else {
      const factor = entry.teller === '' ? 2 : HEARSAY_BACKOFF_FACTOR;
      const backoff = BACKOFF_MS * factor ** Math.min(entry.failures - 1, 20);
      this.#wait(entry, now, Math.min(backoff, byUser ? MAX_USER_BACKOFF_MS : MAX_BACKOFF_MS));
    }
  }

  #wait(entry: Entry, now: Millis, waitMs: number): void {
    entry.dueAt = asMillis(now + waitMs * (1 + JITTER * this.#rng()));
    this.#setOut(entry, false);
  }

  #setAttempted(entry: Entry, attempted: boolean): void {
    if (entry.attempted === attempted) return;
    entry.attempted = attempted;
    this.#attemptsPerHost.add(entry.hostKey, attempted ? 1 : -1);
  }

  #setOut(entry: Entry, out: boolean): void {
    if (!out) this.#setAttempted(entry, false);
    if (entry.out === out) return;
    entry.out = out;
    if (entry.teller !== '') this.#hearsayOutPerPrefix.add(entry.prefix, out ? 1 : -1);
    this.#waiting += out ? -1 : 1;
    this.#outPerPrefix.add(entry.prefix, out ? 1 : -1);
  }

  #setSource(entry: Entry, source: PeerSourceName): void {
    this.#perSource.add(entry.source, -1);
    this.#perSource.add(source, 1);
    entry.source = source;
  }

  /** What those of one network tell has a share of its own, and so has each host that they name. */
  #makeRoomForHearsay({ host }: PeerAddress, teller: string): boolean {
    if (teller === '') return true;
    if (!isLoopback(host) && this.#hearsayPerHost.get(host) >= MAX_PER_HOST) return false;
    return this.#perTeller.get(teller) < MAX_PER_TELLER || this.#evict((entry) => entry.teller === teller);
  }

  /** A share that is full gives up one of its own, never one of another's; when all is full, the largest does. */
  #makeRoom(source: PeerSourceName, prefix: string): boolean {
    if (source !== 'user') {
      const prefixIsFull = this.#perPrefix.get(prefix) >= MAX_PER_PREFIX;
      if (prefixIsFull && !this.#evict((entry) => entry.prefix === prefix)) return false;
      const sourceIsFull = this.#perSource.get(source) >= MAX_PER_SOURCE;
      if (sourceIsFull && !this.#evict((entry) => entry.source === source)) return false;
    }
    if (this.#entries.size < MAX_CANDIDATES) return true;
    const largest = this.#perSource.largest('user');
    return this.#evict((entry) => entry.source === largest) || this.#evict(() => true);
  }

  /**
   * Forgets the waiting address that was never connected, then of the hearsay of who told the most, then that failed
   * most often, then that the fewest told of, equals at random; none that was useful or the user's.
   */
  #evict(mayGo: (entry: Entry) => boolean): boolean {
    let worst: Entry | undefined;
    let equals = 0;
    for (const entry of this.#entries.values()) {
      if (entry.out || entry.useful || entry.source === 'user' || !mayGo(entry)) continue;
      const order =
        worst === undefined
          ? -1
          : Number(isTried(entry)) - Number(isTried(worst)) ||
            this.#perTeller.get(worst.teller) - this.#perTeller.get(entry.teller) ||
            worst.failures - entry.failures ||
            countBits(entry.toldBy) - countBits(worst.toldBy);
      if (order < 0) {
        worst = entry;
        equals = 1;
      } else if (order === 0 && this.#rng() * ++equals < 1) worst = entry;
    }
    if (worst !== undefined) this.#remove(worst);
    return worst !== undefined;
  }

  #remove(entry: Entry): void {
    this.#setAttempted(entry, false);
    this.#setOut(entry, true);
    this.#believe(entry);
    this.#outPerPrefix.add(entry.prefix, -1);
    this.#perSource.add(entry.source, -1);
    this.#perPrefix.add(entry.prefix, -1);
    this.#entries.delete(entry.key);
  }
}

const isTried = ({ proven, failures }: Entry): boolean => proven && failures < TRIED_FAILURES;

const bitOf = (source: PeerSourceName): number => 1 << SOURCES.indexOf(source);

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
