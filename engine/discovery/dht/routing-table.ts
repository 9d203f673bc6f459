/**
 * Routing table (BEP 5): the nodes that answered us, by how many leading bits their ids share with ours.
 *
 * Only a node that answered a query of ours gets in. One entry an address and, outside of local networks, one a host
 * and one a network (/24, /48) in each bucket: places cost addresses. A node that fails is replaced by the latest
 * that waited for its place; where all answer, whoever is there stays, unless its id is not of its address (BEP 42)
 * and the newcomer's is.
 */
import { addressKey, asMillis, type Millis, type PeerAddress } from '../../units.js';
import { type Network, networkOf } from './node-address.js';
import {
  compareDistance,
  distanceShare,
  ID_BYTES,
  type NodeContact,
  type NodeId,
  sameId,
  sharedBits,
} from './node-id.js';
import { isSecureId } from './secure-id.js';

/** Places in a bucket (BEP 5's K), and how many nodes a reply names. */
export const K = 8;
/**
 * Places in the buckets farthest from us, where half, a quarter … of all nodes are: with more of them the first hop of
 * a lookup comes closer by up to four bits, which is one round trip less.
 */
const WIDE_BUCKETS = [128, 64, 32, 16] as const;
/** How many nodes that share exactly `bits` bits with its id a node knows at most; others' tables are no wider. */
export const placesAt = (bits: number): number => WIDE_BUCKETS[bits] ?? K;
/** Nodes that wait for a place, a bucket. */
const MAX_WAITING = 8;
/** After so long without an answer a node is asked again (BEP 5). */
export const QUESTIONABLE_MS = 15 * 60_000;
/** Queries without an answer in a row after which a node is bad. */
const MAX_FAILURES = 2;

export interface TableEntry extends NodeContact {
  readonly network: Network;
  /** Its id follows from its address (BEP 42). */
  readonly secure: boolean;
  /** -Infinity when it has not answered since the program started. */
  lastReplyAt: Millis;
  /** Round trip of its last answer; undefined before. */
  rttMs: number | undefined;
  /** Queries without an answer since its last one. */
  failures: number;
}

interface Bucket {
  readonly entries: TableEntry[];
  /** They answered too; latest last. */
  readonly waiting: TableEntry[];
  /** Last time that somebody got in, or that its range was looked up. */
  changedAt: Millis;
}

const NEVER_YET = asMillis(Number.NEGATIVE_INFINITY);

export class RoutingTable {
  #ownId: NodeId;
  #buckets: Bucket[] = [];
  /** By address. */
  readonly #entries = new Map<string, TableEntry>();
  /** Hosts of entries outside of local networks. */
  readonly #hosts = new Set<string>();
  readonly #wide: boolean;

  /** @param wide with the larger buckets far from us; else 8 everywhere */
  constructor(ownId: NodeId, wide = true) {
    this.#ownId = ownId;
    this.#wide = wide;
  }

  get ownId(): NodeId {
    return this.#ownId;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Somebody answered, and has not failed since. */
  get hasLiveNode(): boolean {
    for (const { failures, lastReplyAt } of this.#entries.values())
      if (failures === 0 && Number.isFinite(lastReplyAt)) return true;
    return false;
  }

  entries(): IterableIterator<TableEntry> {
    return this.#entries.values();
  }

  get(address: PeerAddress): TableEntry | undefined {
    return this.#entries.get(addressKey(address));
  }

  /** Whether a node that has not answered yet is worth a ping: it would get a place. */
  wants(contact: NodeContact): boolean {
    if (this.#entries.has(addressKey(contact)) || sameId(contact.id, this.#ownId)) return false;
    const entry = makeEntry(contact);
    if (entry === undefined || !this.#fits(entry)) return false;
    const { entries } = this.#bucketOf(contact.id);
    return entries.length < this.#capacity(contact.id) || this.#victim(entries, entry) !== undefined;
  }

  /**
   * The node answered a query of ours.
   * @returns a node to be asked whether it is still there, for this one waits for its place
   */
  onReply(contact: NodeContact, rttMs: number, now: Millis): TableEntry | undefined {
    if (sameId(contact.id, this.#ownId)) return undefined;
    const known = this.#entries.get(addressKey(contact));
    if (known !== undefined) {
      if (sameId(known.id, contact.id)) {
        known.lastReplyAt = now;
        known.failures = 0;
        known.rttMs = rttMs;
        return undefined;
      }
      // Who changes its id with every answer never has a place; who was restarted gets one with its next.
      this.#remove(known);
      return undefined;
    }
    const entry = makeEntry(contact);
    if (entry === undefined || !this.#fits(entry)) return undefined;
    entry.lastReplyAt = now;
    entry.rttMs = rttMs;
    return this.#place(entry, now);
  }

  /** A node of an earlier run: it has a place if there is room, and is not named to others before it answers. */
  restore(contact: NodeContact): void {
    const entry = makeEntry(contact);
    if (entry === undefined || sameId(contact.id, this.#ownId) || this.#entries.has(addressKey(contact)))
      return;
    if (this.#fits(entry) && this.#bucketOf(entry.id).entries.length < this.#capacity(entry.id))
      this.#insert(entry, NEVER_YET);
  }

  /** A query of ours got no answer. */
  onFailure(address: PeerAddress): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined || ++entry.failures < MAX_FAILURES) return;
    const bucket = this.#bucketOf(entry.id);
    const next = bucket.waiting.pop();
    // Without anybody to take its place it stays, as the last hope of somebody whose own line was down.
    if (next === undefined && entry.failures < 3 * MAX_FAILURES) return;
    this.#remove(entry);
    if (next !== undefined && this.#fits(next) && !this.#entries.has(addressKey(next)))
      this.#insert(next, next.lastReplyAt);
  }

  /** The closest to `target`, closest first, but the bad ones. */
  closest(target: NodeId, count: number): TableEntry[] {
    return this.#nearest(target, count, (entry) => entry.failures < MAX_FAILURES);
  }

  /**
   * What is told to others: nodes that answered, and did last time. Half of the places are for nodes whose ids are of
   * their addresses, where there are such, so that made-up ids cannot hide those who really are there.
   */
  closestGood(target: NodeId): NodeContact[] {
    const isGood = (entry: TableEntry): boolean => entry.failures === 0 && entry.lastReplyAt > NEVER_YET;
    const any = this.#nearest(target, K, isGood);
    if (any.filter(({ secure }) => secure).length >= K / 2) return any;
    const secure = this.#nearest(target, K / 2, (entry) => entry.secure && isGood(entry));
    const others = any.filter((entry) => !entry.secure).slice(0, K - secure.length);
    return [...secure, ...others].sort((a, b) => compareDistance(target, a.id, b.id));
  }

  /** Nodes to be asked whether they are still there, the longest silent first. */
  questionable(now: Millis, count: number): TableEntry[] {
    return [...this.#entries.values()]
      .filter(({ lastReplyAt }) => lastReplyAt <= now - QUESTIONABLE_MS)
      .sort((a, b) => a.failures - b.failures || a.lastReplyAt - b.lastReplyAt)
      .slice(0, count);
  }

  /**
   * A bucket in whose range nothing changed for 15 minutes: how many bits its ids share with ours. It counts as
   * looked up from now on.
   */
  takeStaleBucket(now: Millis): number | undefined {
    // Beyond the last two buckets that hold somebody there is hardly anybody.
    const last = Math.min(this.#buckets.length, ID_BYTES * 8 - 1);
    for (let bits = 0; bits < last; bits++) {
      const bucket = this.#buckets[bits];
      if (bucket === undefined || bucket.changedAt > now - QUESTIONABLE_MS) continue;
      bucket.changedAt = now;
      return bits;
    }
    return undefined;
  }

  /**
   * How many nodes the network has, by how close the closest ones are to us; undefined when too few are known.
   * Around our own id, we know everybody.
   */
  estimateNetworkSize(): number | undefined {
    const nearest = this.#nearest(this.#ownId, K, () => true);
    const farthest = nearest[K - 1];
    if (farthest === undefined) return undefined;
    return K / Math.max(distanceShare(this.#ownId, farthest.id), Number.EPSILON);
  }

  /** Everybody is sorted anew around the new id. */
  changeId(id: NodeId): void {
    const entries = [...this.#entries.values()];
    this.#ownId = id;
    this.#buckets = [];
    this.#entries.clear();
    this.#hosts.clear();
    for (const entry of entries)
      if (!sameId(entry.id, id) && this.#fits(entry)) this.#place(entry, entry.lastReplyAt);
  }

  #place(entry: TableEntry, now: Millis): TableEntry | undefined {
    const bucket = this.#bucketOf(entry.id);
    if (bucket.entries.length < this.#capacity(entry.id)) {
      this.#insert(entry, now);
      return undefined;
    }
    const victim = this.#victim(bucket.entries, entry);
    if (victim !== undefined) {
      this.#remove(victim);
      this.#insert(entry, now);
      return undefined;
    }
    if (bucket.waiting.some((other) => other.network.key === entry.network.key && !entry.network.local))
      return undefined;
    bucket.waiting.push(entry);
    if (bucket.waiting.length > MAX_WAITING) bucket.waiting.shift();
    let oldest: TableEntry | undefined;
    for (const other of bucket.entries)
      if (other.lastReplyAt <= now - QUESTIONABLE_MS && !(oldest && oldest.lastReplyAt <= other.lastReplyAt))
        oldest = other;
    return oldest;
  }

  /** Who gives its place to `entry` in a full bucket. */
  #victim(entries: readonly TableEntry[], entry: TableEntry): TableEntry | undefined {
    return (
      entries.find(({ failures }) => failures >= MAX_FAILURES) ??
      (entry.secure ? entries.find(({ secure }) => !secure) : undefined)
    );
  }

  /** One a host in the table, one a network in a bucket. */
  #fits(entry: TableEntry): boolean {
    if (entry.network.local) return true;
    if (this.#hosts.has(entry.host)) return false;
    return !this.#bucketOf(entry.id).entries.some(({ network }) => network.key === entry.network.key);
  }

  #insert(entry: TableEntry, now: Millis): void {
    const bucket = this.#bucketOf(entry.id);
    bucket.entries.push(entry);
    bucket.changedAt = asMillis(Math.max(bucket.changedAt, now));
    this.#entries.set(addressKey(entry), entry);
    if (!entry.network.local) this.#hosts.add(entry.host);
  }

  #remove(entry: TableEntry): void {
    const { entries } = this.#bucketOf(entry.id);
    const at = entries.indexOf(entry);
    if (at >= 0) entries.splice(at, 1);
    this.#entries.delete(addressKey(entry));
    this.#hosts.delete(entry.host);
  }

  #capacity(id: NodeId): number {
    return this.#wide ? placesAt(sharedBits(this.#ownId, id)) : K;
  }

  #bucketOf(id: NodeId): Bucket {
    const bits = sharedBits(this.#ownId, id);
    while (this.#buckets.length <= bits)
      this.#buckets.push({ entries: [], waiting: [], changedAt: NEVER_YET });
    return this.#buckets[bits] as Bucket;
  }

  /**
   * Of a target that shares `n` bits with us, bucket n is closer than all deeper ones together, and these than
   * bucket n − 1, n − 2, ….
   */
  #nearest(target: NodeId, count: number, accept: (entry: TableEntry) => boolean): TableEntry[] {
    const found: TableEntry[] = [];
    const own = sharedBits(this.#ownId, target);
    const take = (from: number, to: number): void => {
      const group: TableEntry[] = [];
      for (let bits = from; bits < to; bits++)
        for (const entry of this.#buckets[bits]?.entries ?? []) if (accept(entry)) group.push(entry);
      group.sort((a, b) => compareDistance(target, a.id, b.id));
      for (const entry of group) if (found.length < count) found.push(entry);
    };
    take(own, own + 1);
    if (found.length < count) take(own + 1, this.#buckets.length);
    for (let bits = own - 1; bits >= 0 && found.length < count; bits--) take(bits, bits + 1);
    return found;
  }
}

function makeEntry({ id, host, port }: NodeContact): TableEntry | undefined {
  const network = networkOf(host);
  if (network === undefined) return undefined;
  return {
    id,
    host,
    port,
    network,
    secure: isSecureId(id, host),
    lastReplyAt: NEVER_YET,
    rttMs: undefined,
    failures: 0,
  };
}
