/** Bloom filters that count the peers of a swarm over many nodes (BEP 33): 2,048 bits, two a host. */
import { createHash } from 'node:crypto';
import { ipBytes } from '../../policy/ip-address.js';
import { BLOOM_BYTES } from './krpc.js';

const BITS = BLOOM_BYTES * 8;

export class BloomFilter {
  readonly bytes = new Uint8Array(BLOOM_BYTES);

  /** @param host literal address; without its port, so that a host counts once */
  add(host: string): void {
    const hash = createHash('sha1')
      .update(ipBytes(host) ?? '')
      .digest();
    this.#set(hash.readUInt16LE(0) % BITS);
    this.#set(hash.readUInt16LE(2) % BITS);
  }

  /** Afterwards it holds what either held. */
  union(bytes: Uint8Array): void {
    for (let at = 0; at < BLOOM_BYTES; at++) this.bytes[at] = (this.bytes[at] ?? 0) | (bytes[at] ?? 0);
  }

  /** About how many hosts were added; good up to some 6,000. */
  estimate(): number {
    let zeros = 0;
    for (const byte of this.bytes) for (let bit = 0; bit < 8; bit++) if (((byte >>> bit) & 1) === 0) zeros++;
    const unset = Math.max(1, Math.min(BITS - 1, zeros));
    return zeros === BITS ? 0 : Math.log(unset / BITS) / (2 * Math.log(1 - 1 / BITS));
  }

  #set(bit: number): void {
    const at = bit >>> 3;
    this.bytes[at] = (this.bytes[at] ?? 0) | (1 << (bit & 7));
  }
}
