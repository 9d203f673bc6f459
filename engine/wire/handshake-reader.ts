/**
 * Handshake reader: gathers the 68 bytes that open a connection (BEP 3): 19, "BitTorrent protocol", 8 reserved
 * bytes, info-hash, peer id. Refuses as soon as one byte cannot belong to a handshake.
 */

const HANDSHAKE_BYTES = 68;
const INFO_HASH_AT = 28;
const PEER_ID_AT = 48;
const PROTOCOL = new TextEncoder().encode('\x13BitTorrent protocol');

export class HandshakeReader {
  readonly bytes = new Uint8Array(HANDSHAKE_BYTES);
  #filled = 0;

  /** @returns how many bytes of `chunk` belong to the handshake, or -1 when this is no handshake */
  take(chunk: Uint8Array): number {
    const taken = Math.min(HANDSHAKE_BYTES - this.#filled, chunk.length);
    this.bytes.set(chunk.subarray(0, taken), this.#filled);
    const known = Math.min(this.#filled + taken, PROTOCOL.length);
    for (let i = this.#filled; i < known; i++) if (this.bytes[i] !== PROTOCOL[i]) return -1;
    this.#filled += taken;
    return taken;
  }

  /** What was taken so far. */
  get taken(): Uint8Array {
    return this.bytes.subarray(0, this.#filled);
  }

  get complete(): boolean {
    return this.#filled === HANDSHAKE_BYTES;
  }

  /** As lower-case hex, once it is here; the peer id may come later (BEP 3: answer as soon as you see it). */
  get infoHash(): string | undefined {
    if (this.#filled < PEER_ID_AT) return undefined;
    return Buffer.from(this.bytes.buffer, INFO_HASH_AT, 20).toString('hex');
  }

  /** 20 bytes; only meaningful when complete. */
  get peerId(): Uint8Array {
    return this.bytes.subarray(PEER_ID_AT);
  }
}
