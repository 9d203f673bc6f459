/**
 * Handshake room: who of the strangers that have connected, and not yet shaken hands, keep their place. Nobody is
 * turned away for want of room: a newcomer takes the place of somebody of the network that has the most.
 *
 * So who comes alone from its network stays, whatever others do, while they come from fewer networks than there are
 * places: some network has two then, and one of those goes. With more networks than that (of IPv4 a /16, of IPv6 a /32),
 * they have to fill the room anew within one handshake: 512 connections a second against one that takes a second.
 * Where n come from the same network, each of the others needs n places.
 */
import type { Millis } from '../units.js';
import { leadingBytes } from './address-prefix.js';
import { hostKey } from './ip-address.js';

/** A place costs 10 KiB, what the kernel keeps for it aside (1,500 of them measured): 5 MiB when all are taken. */
export const MAX_HANDSHAKES = 512;
/** Of an IPv4 /24 or IPv6 /48, which one party commonly holds. */
export const MAX_HANDSHAKES_PER_PREFIX = 64;
/** Of one address or IPv6 /64. Peers behind one NAT share it. */
export const MAX_HANDSHAKES_PER_HOST = 16;
/** Who dials speaks first (BEP 3), so its bytes are here with its connection, unless the first packet was lost. */
const SILENCE_MS = 1_000;

interface Group {
  readonly key: string;
  size: number;
}

interface Guest {
  /** The IPv4 /16 or IPv6 /32, the prefix and the host: each within the one before. */
  readonly network: Group;
  readonly prefix: Group;
  readonly host: Group;
  /** Since it came; undefined: it has sent something. */
  silentSince: Millis | undefined;
}

export class HandshakeRoom<Stranger> {
  /** The oldest first. */
  readonly #guests = new Map<Stranger, Guest>();
  /** Those that somebody is of. */
  readonly #groups = new Map<string, Group>();

  get size(): number {
    return this.#guests.size;
  }

  strangers(): Stranger[] {
    return [...this.#guests.keys()];
  }

  /** @returns who has lost its place to it, and is to be closed; undefined: nobody */
  enter(stranger: Stranger, address: string, now: Millis): Stranger | undefined {
    const guest = {
      network: this.#join(`network ${leadingBytes(address, 2, 4)}`),
      prefix: this.#join(`prefix ${leadingBytes(address, 3, 6)}`),
      host: this.#join(`host ${hostKey(address)}`),
      silentSince: now,
    };
    const leaver = this.#leaverFor(guest, now);
    if (leaver !== undefined) this.leave(leaver);
    this.#guests.set(stranger, guest);
    return leaver;
  }

  onBytes(stranger: Stranger): void {
    const guest = this.#guests.get(stranger);
    if (guest !== undefined) guest.silentSince = undefined;
  }

  leave(stranger: Stranger): void {
    const guest = this.#guests.get(stranger);
    if (guest === undefined) return;
    this.#guests.delete(stranger);
    for (const group of [guest.network, guest.prefix, guest.host])
      if (--group.size === 0) this.#groups.delete(group.key);
  }

  #join(key: string): Group {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { key, size: 0 };
      this.#groups.set(key, group);
    }
    group.size++;
    return group;
  }

  /** `newcomer` is counted in its groups, and not among the guests yet. */
  #leaverFor(newcomer: Guest, now: Millis): Stranger | undefined {
    const { host, prefix } = newcomer;
    if (host.size > MAX_HANDSHAKES_PER_HOST) return this.#worst(now, (guest) => guest.host === host);
    if (prefix.size > MAX_HANDSHAKES_PER_PREFIX) return this.#worst(now, (guest) => guest.prefix === prefix);
    return this.#guests.size < MAX_HANDSHAKES ? undefined : this.#worst(now, () => true);
  }

  #worst(now: Millis, isAmong: (guest: Guest) => boolean): Stranger | undefined {
    let worst: [Stranger, Guest] | undefined;
    for (const entry of this.#guests)
      if (isAmong(entry[1]) && (worst === undefined || compareForLeaving(entry[1], worst[1], now) < 0))
        worst = entry;
    return worst?.[0];
  }
}

/** Negative: `a` goes first. Of equals the older one does, which comes first among the guests. */
function compareForLeaving(a: Guest, b: Guest, now: Millis): number {
  // Prefer a network that has more, so that each has as many as the others.
  if (a.network.size !== b.network.size) return b.network.size - a.network.size;
  // Prefer, within it, a prefix that has more, and a host that has more.
  if (a.prefix.size !== b.prefix.size) return b.prefix.size - a.prefix.size;
  if (a.host.size !== b.host.size) return b.host.size - a.host.size;
  // Prefer who has had the time to say something, and has not.
  return Number(isSilent(b, now)) - Number(isSilent(a, now));
}

const isSilent = ({ silentSince }: Guest, now: Millis): boolean =>
  silentSince !== undefined && now - silentSince >= SILENCE_MS;
