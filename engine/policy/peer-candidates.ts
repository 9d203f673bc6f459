/**
 * Peer candidates: addresses that we may connect to, and those that we never will again. Bounded: each source
 * and each address prefix fills a share at most, so that nobody's flood drives out what others told us.
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

const MAX_CANDIDATES = 2_000;
/** Of one source, except the user. */
const MAX_PER_SOURCE = 1_000;
/** Of one /24 or /64. */
const MAX_PER_PREFIX = 256;
/** Waiting time after the first failure; each further one doubles it. */
const BACKOFF_MS = 15_000;
const MAX_BACKOFF_MS = 30 * 60_000;
/** After this many failures in a row an address is forgotten; one that the user gave is not. */
const MAX_FAILURES = 6;
/** A user's peer is worth trying at least this often: it may not be up yet. */
const MAX_USER_BACKOFF_MS = 15_000;
/** A peer that was useful may have dropped us by accident. */
const USEFUL_RETRY_MS = 10_000;
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
  /** Whose share of the room it takes: who told of it first, or the user. */
  source: PeerSourceName;
  /** All who told of it, a bit each. */
  toldBy: number;
  out: boolean;
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

  /** Tells of an address. @returns whether it is new to us and kept */
  add(now: Millis, address: PeerAddress, source: PeerSourceName): boolean {
    const key = addressKey(address);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // Hearing of it again does not shorten its waiting time, or a dead address would be dialled all the time.
      if (source === 'user') this.#setSource(known, source);
      known.toldBy |= bitOf(source);
      return false;
    }
    if (address.port === 0 || this.isBanned(address)) return false;
    const prefix = addressPrefix(address.host);
    if (!this.#makeRoom(source, prefix)) return false;
    this.#perSource.add(source, 1);
    this.#perPrefix.add(prefix, 1);
    this.#waiting++;
    this.#entries.set(key, {
      key,
      address,
      prefix,
      source,
      toldBy: bitOf(source),
      out: false,
      useful: false,
      failures: 0,
      dueAt: now,
    });
    return true;
  }

  /** Takes out the best address that is due; say then what came of it. */
  next(now: Millis): Candidate | undefined {
    let best: Entry | undefined;
    let equals = 0;
    for (const entry of this.#entries.values()) {
      if (entry.out || entry.dueAt > now) continue;
      const order = best === undefined ? -1 : this.#compare(entry, best);
      if (order < 0) {
        best = entry;
        equals = 1;
      } else if (order === 0 && this.#rng() * ++equals < 1) best = entry;
    }
    if (best === undefined) return undefined;
    this.#lastTurn[this.#nextSource(best)] = ++this.#turns;
    this.#setOut(best, true);
    return { address: best.address, source: best.source };
  }

  /** How many addresses `next` has to give now. */
  dueCount(now: Millis): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (!entry.out && entry.dueAt <= now) count++;
    return count;
  }

  /** When the next address is due, which may be past; undefined when none waits. */
  nextAt(): Millis | undefined {
    let at: Millis | undefined;
    for (const entry of this.#entries.values()) {
      if (!entry.out && (at === undefined || entry.dueAt < at)) at = entry.dueAt;
    }
    return at;
  }

  /** We are connected to the address, whoever dialled. */
  onConnected(_now: Millis, address: PeerAddress): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined) return;
    entry.failures = 0;
    this.#setOut(entry, true);
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

  // ─── Bans ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Proven liars are banned by address and port: others may share the address. Several ports ban the address. */
  ban(address: PeerAddress): void {
    const key = addressKey(address);
    if (this.#banned.has(key)) return;
    const host = banUnit(address.host);
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
    return !isLoopback(address.host) && this.#bansPerHost.get(banUnit(address.host)) >= BANS_PER_HOST;
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
    // then networks that we are connected to, or try, the least,
    const prefixes = this.#outPerPrefix.get(a.prefix) - this.#outPerPrefix.get(b.prefix);
    if (prefixes !== 0) return prefixes;
    // then what more sources tell.
    return countBits(b.toldBy) - countBits(a.toldBy);
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

  #retryLater(entry: Entry, now: Millis): void {
    entry.failures++;
    entry.useful = false;
    const byUser = entry.source === 'user';
    if (entry.failures >= MAX_FAILURES && !byUser) this.#remove(entry);
    else {
      const backoff = BACKOFF_MS * 2 ** Math.min(entry.failures - 1, 20);
      this.#wait(entry, now, Math.min(backoff, byUser ? MAX_USER_BACKOFF_MS : MAX_BACKOFF_MS));
    }
  }

  #wait(entry: Entry, now: Millis, waitMs: number): void {
    entry.dueAt = asMillis(now + waitMs * (1 + JITTER * this.#rng()));
    this.#setOut(entry, false);
  }

  #setOut(entry: Entry, out: boolean): void {
    if (entry.out === out) return;
    entry.out = out;
    this.#waiting += out ? -1 : 1;
    this.#outPerPrefix.add(entry.prefix, out ? 1 : -1);
  }

  #setSource(entry: Entry, source: PeerSourceName): void {
    this.#perSource.add(entry.source, -1);
    this.#perSource.add(source, 1);
    entry.source = source;
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
   * Forgets the waiting address that failed most often, then that the fewest told of, equals at random; none that
   * was useful or the user's.
   */
  #evict(mayGo: (entry: Entry) => boolean): boolean {
    let worst: Entry | undefined;
    let equals = 0;
    for (const entry of this.#entries.values()) {
      if (entry.out || entry.useful || entry.source === 'user' || !mayGo(entry)) continue;
      const order =
        worst === undefined
          ? -1
          : worst.failures - entry.failures || countBits(entry.toldBy) - countBits(worst.toldBy);
      if (order < 0) {
        worst = entry;
        equals = 1;
      } else if (order === 0 && this.#rng() * ++equals < 1) worst = entry;
    }
    if (worst !== undefined) this.#remove(worst);
    return worst !== undefined;
  }

  #remove(entry: Entry): void {
    this.#setOut(entry, true);
    this.#outPerPrefix.add(entry.prefix, -1);
    this.#perSource.add(entry.source, -1);
    this.#perPrefix.add(entry.prefix, -1);
    this.#entries.delete(entry.key);
  }
}

/** What one party can change at will is one unit: the ports of an IPv4 address, all of an IPv6 /64. */
const banUnit = (host: string): string => (host.includes(':') ? addressPrefix(host) : host);

const bitOf = (source: PeerSourceName): number => 1 << SOURCES.indexOf(source);

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** How many of each key; keys with none take no memory. */
class Counter {
  readonly #counts = new Map<string, number>();

  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, change: number): void {
    const count = this.get(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }

  /** The key with the highest count, `except` aside. */
  largest(except: string): string | undefined {
    let largest: string | undefined;
    for (const key of this.#counts.keys()) {
      if (key !== except && (largest === undefined || this.get(key) > this.get(largest))) largest = key;
    }
    return largest;
  }
}
