/**
 * Metadata serving: answers those who have a magnet only (BEP 9). They do not wait for uploads that fill the limit: what
 * they take is lent by it, and that is a small share (see TokenBucket), whoever asks and over however many connections.
 */
import { METADATA_PIECE_BYTES } from '../policy/metadata-assembly.js';
import { borrowFromAll } from '../policy/token-bucket.js';
import type { MetadataMessage } from '../ports.js';
import type { Millis } from '../units.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';

/** How often one connection may have the whole of it; who loses it asks again by another. */
const MAX_COPIES = 3;
/** Who takes no more than this of what it asked for waits. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** Of what may be lent, to networks that have had the whole lately: the rest is for those that have not. */
const PART_OF_OTHERS = 1 / 2;
/** So long "lately" is. */
const REMEMBERED_MS = 600_000;
/** Beyond it the oldest is forgotten: who comes from so many networks is as good as new anyway. */
const MAX_REMEMBERED = 1_024;

/** What a network had since then. */
interface Had {
  readonly since: Millis;
  pieces: number;
}

export class MetadataServing {
  readonly #metadata: Uint8Array;
  readonly #pieces: number;
  readonly #served = new WeakMap<Peer, number>();
  /** By prefix, oldest first. */
  readonly #had = new Map<string, Had>();
  readonly #state: SwarmState;

  /** @param metadata the raw `info` dictionary; empty: nobody is given any */
  constructor(metadata: Uint8Array, state: SwarmState) {
    this.#state = state;
    this.#metadata = metadata;
    this.#pieces = Math.ceil(metadata.length / METADATA_PIECE_BYTES);
  }

  onMessage(peer: Peer, { kind, piece }: MetadataMessage): void {
    if (kind !== 'request') return;
    const served = this.#served.get(peer) ?? 0;
    const { connection } = peer;
    const isTooMuch = served >= MAX_COPIES * this.#pieces || connection.bufferedBytes > MAX_BUFFERED_BYTES;
    const begin = piece * METADATA_PIECE_BYTES;
    const bytes = this.#metadata.subarray(begin, begin + METADATA_PIECE_BYTES);
    if (piece >= this.#pieces || isTooMuch || !this.#borrow(peer, bytes.length)) {
      connection.metadata({ kind: 'reject', piece });
      return;
    }
    this.#served.set(peer, served + 1);
    connection.metadata({ kind: 'data', piece, totalBytes: this.#metadata.length, bytes });
  }

  #borrow({ prefix }: Peer, bytes: number): boolean {
    const now = this.#state.now();
    let had = this.#had.get(prefix);
    if (had === undefined || now - had.since >= REMEMBERED_MS) had = { since: now, pieces: 0 };
    const part = had.pieces < this.#pieces ? 1 : PART_OF_OTHERS;
    if (!borrowFromAll(this.#state.uploadBuckets, now, bytes, part)) return false;
    if (had.pieces++ === 0) this.#remember(prefix, had);
    return true;
  }

  #remember(prefix: string, had: Had): void {
    this.#had.delete(prefix);
    this.#had.set(prefix, had);
    const [oldest = prefix] = this.#had.keys();
    if (this.#had.size > MAX_REMEMBERED) this.#had.delete(oldest);
  }
}
