/**
 * Parting: whether a peer that has everything stays for a little. Where all lack one same piece, and who gets it leaves
 * at once, those that wait for it pile up without bound (Hajek and Zhu 2010, the missing piece syndrome); where each
 * gives two pieces before it leaves they do not (docs/strategic-peers.md). Elsewhere nobody need stay.
 */
import type { Millis } from '../units.js';

/** With one the rare piece only just holds its number. */
const PIECES_GIVEN = 2;
/** Nobody stays longer, however slow. */
const MAX_STAY_MS = 30_000;
/** With fewer others, each of them is near who has the piece. */
const LEAST_WAITING = 10;
/** A piece is scarce when at most one has it for so many that wait. */
const WAITING_PER_COPY = 10;

export interface Waiting {
  /** Connected peers that lack something. */
  readonly peers: number;
  /** How many connected peers have the piece that fewest have, of those that we have. */
  fewestCopies(): number;
}

export class Parting {
  readonly #leavesAt: number;
  readonly #givenBytes: number;

  /** At the time when the last piece came. @param uploadedBytes all that we have sent until then */
  constructor(now: Millis, uploadedBytes: number, pieceLength: number) {
    this.#leavesAt = now + MAX_STAY_MS;
    this.#givenBytes = uploadedBytes + PIECES_GIVEN * pieceLength;
  }

  isNeeded(now: Millis, uploadedBytes: number, waiting: Waiting): boolean {
    if (now >= this.#leavesAt || uploadedBytes >= this.#givenBytes) return false;
    return waiting.peers >= LEAST_WAITING && waiting.fewestCopies() * WAITING_PER_COPY <= waiting.peers;
  }
}
