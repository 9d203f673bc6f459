/**
 * Parting: whether a peer that has everything stays for a little. Where all lack one same piece, and who gets it leaves
 * at once, those that wait for it pile up without bound (Hajek and Zhu 2010, the missing piece syndrome); where each
 * gives two pieces before it leaves they do not (docs/strategic-peers.md). Elsewhere nobody need stay.
 */
import type { Millis, PeerAddress } from '../units.js';
import { addressPrefix, isLoopback } from './address-prefix.js';
import { Counter } from './counter.js';
import { addressKind, hostKey } from './ip-address.js';

/** With one the rare piece only just holds its number. */
const PIECES_GIVEN = 2;
/** Nobody stays longer, however slow. */
const MAX_STAY_MS = 30_000;
/** With fewer others, each of them is near who has the piece. */
const LEAST_WAITING = 10;
/** A piece is scarce when at most one has it for so many that wait. */
const WAITING_PER_COPY = 10;

/** Of one party count no more, whatever it connects: on the Internet one may hold a network, at home each has a host. */
const MAX_OF_ONE_PARTY = 3;
/** Time to hear that we have the last piece, and to say that one wants it. */
const HEARD_MS = 5_000;

export interface RemainingPeer {
  readonly has: { readonly isFull: boolean };
  readonly peerInterested: boolean;
  readonly connection: { readonly remote: PeerAddress };
}

export interface Remaining {
  /** Connected. */
  readonly peers: Iterable<RemainingPeer>;
  /** How many connected peers have the piece that fewest have, of those that we have. */
  fewestCopies(): number;
}

export class Parting {
  readonly #heardAt: number;
  readonly #leavesAt: number;
  readonly #givenBytes: number;

  /** At the time when the last piece came. @param uploadedBytes all that we have sent until then */
  constructor(now: Millis, uploadedBytes: number, pieceLength: number) {
    this.#heardAt = now + HEARD_MS;
    this.#leavesAt = now + MAX_STAY_MS;
    this.#givenBytes = uploadedBytes + PIECES_GIVEN * pieceLength;
  }

  isNeeded(now: Millis, uploadedBytes: number, { peers, fewestCopies }: Remaining): boolean {
    if (now >= this.#leavesAt || uploadedBytes >= this.#givenBytes) return false;
    const waiting = this.#countWaiting(now, peers);
    return waiting >= LEAST_WAITING && fewestCopies() * WAITING_PER_COPY <= waiting;
  }

  /** Who lacks something and wants it of us, or may not have heard yet that we have it. */
  #countWaiting(now: Millis, peers: Iterable<RemainingPeer>): number {
    const perParty = new Counter();
    let waiting = 0;
    for (const { has, peerInterested, connection } of peers) {
      if (has.isFull || (now >= this.#heardAt && !peerInterested)) continue;
      const { host } = connection.remote;
      const party = addressKind(host) === 'public' ? addressPrefix(host) : hostKey(host);
      if (perParty.add(party, 1) <= MAX_OF_ONE_PARTY || isLoopback(host)) waiting++;
    }
    return waiting;
  }
}
