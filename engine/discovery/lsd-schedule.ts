/**
 * LSD schedule (BEP 14): when which torrents are announced to the neighbours. A torrent at most once in five
 * minutes, and in the long run one datagram a minute for all of them together.
 */
import { asMillis, type InfoHash, type Millis } from '../units.js';
import { MAX_LSD_INFO_HASHES } from './lsd-packet.js';

const TORRENT_INTERVAL_MS = 5 * 60_000;
const ANNOUNCE_INTERVAL_MS = 60_000;
/** Torrents that are added by and by need not wait for a minute each. */
const ANNOUNCES_AT_ONCE = 4;
/** Torrents that are added together share an announce. */
const GATHER_MS = 250;

export class LsdSchedule {
  /** When each may be announced next, in the order of their turns. */
  readonly #dueAt = new Map<InfoHash, Millis>();
  /** When all announces so far would have been said at one a minute. */
  #evenAt = asMillis(Number.NEGATIVE_INFINITY);

  add(now: Millis, infoHash: InfoHash): void {
    if (!this.#dueAt.has(infoHash)) this.#dueAt.set(infoHash, asMillis(now + GATHER_MS));
  }

  remove(infoHash: InfoHash): void {
    this.#dueAt.delete(infoHash);
  }

  /** When `take` will have something; undefined without torrents. */
  nextAt(): Millis | undefined {
    if (this.#dueAt.size === 0) return undefined;
    const dueAt = Math.min(...this.#dueAt.values());
    return asMillis(Math.max(dueAt, this.#allowedAt));
  }

  /** What to announce now, in one datagram; empty when it is too early. */
  take(now: Millis): InfoHash[] {
    const due = [...this.#dueAt].filter(([, at]) => at <= now).slice(0, MAX_LSD_INFO_HASHES);
    if (due.length === 0 || now < this.#allowedAt) return [];
    this.#evenAt = asMillis(Math.max(this.#evenAt, now) + ANNOUNCE_INTERVAL_MS);
    const infoHashes = due.map(([infoHash]) => infoHash);
    for (const infoHash of infoHashes) this.#dueAt.delete(infoHash);
    // Some receivers read the first one only: who is first now is last the next time.
    const [first, ...rest] = infoHashes;
    for (const infoHash of [...rest, ...(first === undefined ? [] : [first])]) {
      this.#dueAt.set(infoHash, asMillis(now + TORRENT_INTERVAL_MS));
    }
    return infoHashes;
  }

  get #allowedAt(): number {
    return this.#evenAt - (ANNOUNCES_AT_ONCE - 1) * ANNOUNCE_INTERVAL_MS;
  }
}
