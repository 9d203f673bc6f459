/**
 * Smart ban: who lied about a piece. Of a corrupt piece it remembers a digest of each block and who sent it;
 * once the piece is verified, whoever had sent a block of other content is a proven liar. Suspicion alone
 * bans nobody: an honest peer always sends the verified content.
 *
 * Blame is by address and port: a NAT's other peers are other ports.
 */
import { addressKey, type PeerAddress, type PieceIndex } from '../units.js';

/** Remembered (block, sender, digest) entries over all pieces: about 10 MB at most. The oldest piece goes first. */
const MAX_ENTRIES = 65_536;

/** A block of a corrupt piece. */
export interface SentBlock {
  readonly block: number;
  readonly address: PeerAddress;
  /** Equal for equal content. */
  readonly digest: string;
}

export class SmartBan {
  readonly #maxEntries: number;
  /** What was sent for each piece that failed, by block, sender and digest; oldest piece first. */
  readonly #pieces = new Map<PieceIndex, Map<string, SentBlock>>();
  #entryCount = 0;

  constructor(maxEntries: number = MAX_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  /** Whether `onVerified` will want the digests of this piece. */
  remembers(piece: PieceIndex): boolean {
    return this.#pieces.has(piece);
  }

  /** The piece is corrupt. @returns the liar, when all blocks came from one peer */
  onCorrupt(piece: PieceIndex, blocks: readonly SentBlock[]): PeerAddress[] {
    const first = blocks[0];
    if (first === undefined) return [];
    const firstKey = addressKey(first.address);
    if (blocks.every(({ address }) => addressKey(address) === firstKey)) return [first.address];
    const sent = this.#pieces.get(piece) ?? new Map<string, SentBlock>();
    this.#pieces.set(piece, sent);
    this.#entryCount -= sent.size;
    for (const entry of blocks) {
      if (sent.size >= this.#maxEntries) break;
      sent.set(`${entry.block} ${addressKey(entry.address)} ${entry.digest}`, entry);
    }
    this.#entryCount += sent.size;
    for (const oldest of this.#pieces.keys()) {
      if (this.#entryCount <= this.#maxEntries) break;
      this.#forget(oldest);
    }
    return [];
  }

  /**
   * The piece is verified.
   * @param digestOf digest of each block's good content
   * @returns the proven liars, each once
   */
  onVerified(piece: PieceIndex, digestOf: (block: number) => string): PeerAddress[] {
    const liars = new Map<string, PeerAddress>();
    for (const { block, address, digest } of this.#pieces.get(piece)?.values() ?? []) {
      if (digest !== digestOf(block)) liars.set(addressKey(address), address);
    }
    this.#forget(piece);
    return [...liars.values()];
  }

  #forget(piece: PieceIndex): void {
    this.#entryCount -= this.#pieces.get(piece)?.size ?? 0;
    this.#pieces.delete(piece);
  }
}
