/**
 * PEX diff (BEP 11): what one peer is told of those that we are connected to, as differences to what it was told
 * before. Everything told is taken back once it is no longer so; nothing is told and taken back in one message.
 */
import { addressKey, asMillis, type Millis, type PeerAddress } from '../units.js';

/** Bits of `PexPeer.flags` (BEP 11). */
export const PEX_FLAG = {
  prefersEncryption: 0x01,
  /** A seed, or a partial one (BEP 21). */
  uploadOnly: 0x02,
  holepunch: 0x08,
  /** Who tells it connected to it, rather than the reverse. */
  reachable: 0x10,
} as const;

export interface PexPeer extends PeerAddress {
  readonly flags: number;
}

export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly PeerAddress[];
}

/** What there is to tell, by address key. */
export interface PexView {
  /** Those that we are connected to. */
  readonly live: ReadonlyMap<string, PexPeer>;
  /** Those that we left only for lack of use or room, and may be of use to others; each is told once. */
  readonly parted: readonly PartedPeer[];
}

export interface PartedPeer {
  readonly peer: PexPeer;
  /** Grows from one to the next. */
  readonly number: number;
}

/** BEP 11: at most one message a minute, 50 peers added and 50 dropped in each. Some receivers take no more at all. */
export const PEX_INTERVAL_MS = 60_000;
export const MAX_PEX_PEERS = 50;

export class PexDiff {
  /** Told and not taken back. */
  readonly #told = new Map<string, PeerAddress>();
  #lastParted = 0;
  #dueAt: Millis;

  /** @param firstAt not before this */
  constructor(firstAt: Millis) {
    this.#dueAt = firstAt;
  }

  /** When something may be told again. */
  get dueAt(): Millis {
    return this.#dueAt;
  }

  get toldCount(): number {
    return this.#told.size;
  }

  /** The next message; undefined when it is too early or there is nothing to say. */
  next(now: Millis, view: PexView, isFor: (peer: PexPeer) => boolean): PexMessage | undefined {
    if (now < this.#dueAt) return undefined;
    const dropped = this.#dropped(view);
    const added = this.#added(view, isFor);
    if (added.length === 0 && dropped.length === 0) return undefined;
    for (const address of dropped) this.#told.delete(addressKey(address));
    for (const { host, port } of added) this.#told.set(addressKey({ host, port }), { host, port });
    this.#lastParted = view.parted.at(-1)?.number ?? this.#lastParted;
    this.#dueAt = asMillis(now + PEX_INTERVAL_MS);
    return { added, dropped };
  }

  #dropped({ live }: PexView): PeerAddress[] {
    const dropped: PeerAddress[] = [];
    for (const [key, address] of this.#told) {
      if (dropped.length === MAX_PEX_PEERS) break;
      if (!live.has(key)) dropped.push(address);
    }
    return dropped;
  }

  /** Those that surely can be reached come first. */
  #added({ live, parted }: PexView, isFor: (peer: PexPeer) => boolean): PexPeer[] {
    const fresh: PexPeer[] = [];
    for (const [key, peer] of live) if (!this.#told.has(key) && isFor(peer)) fresh.push(peer);
    fresh.sort((a, b) => (b.flags & PEX_FLAG.reachable) - (a.flags & PEX_FLAG.reachable));
    for (const { peer, number } of parted) {
      const key = addressKey(peer);
      if (number > this.#lastParted && !live.has(key) && !this.#told.has(key) && isFor(peer))
        fresh.push(peer);
    }
    return fresh.slice(0, MAX_PEX_PEERS);
  }
}
