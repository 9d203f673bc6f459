/** Metadata serving: answers those who have a magnet only (BEP 9). */
import { METADATA_PIECE_BYTES } from '../policy/metadata-assembly.js';
import type { MetadataMessage } from '../ports.js';
import type { Peer } from './peer.js';
import type { SwarmState } from './swarm-state.js';

/** How often one connection may have the whole of it; who loses it asks again by another. */
const MAX_COPIES = 3;
/** Newcomers do not wait for uploads that fill the limit: what they take is taken off these, up to so much. */
const CREDIT_MS = 2_000;
/** Who takes no more than this of what it asked for waits. */
const MAX_BUFFERED_BYTES = 256 * 1024;

export class MetadataServing {
  readonly #metadata: Uint8Array;
  readonly #pieces: number;
  readonly #served = new WeakMap<Peer, number>();
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
    if (piece >= this.#pieces || isTooMuch || !this.#isWithinLimits()) {
      connection.metadata({ kind: 'reject', piece });
      return;
    }
    this.#served.set(peer, served + 1);
    const begin = piece * METADATA_PIECE_BYTES;
    const bytes = this.#metadata.subarray(begin, begin + METADATA_PIECE_BYTES);
    connection.metadata({ kind: 'data', piece, totalBytes: this.#metadata.length, bytes });
  }

  #isWithinLimits(): boolean {
    const now = this.#state.now();
    return this.#state.uploadBuckets.every((bucket) => bucket.borrow(now, METADATA_PIECE_BYTES, CREDIT_MS));
  }
}
