/**
 * Peer priority (BEP 40): a number that both ends of a connection compute alike from their addresses and nobody
 * can choose. Where all prefer high ones, every peer has the same chance to get in, and a flood gets its share only.
 */
import type { PeerAddress } from '../units.js';
import { hostBytes } from './ip-address.js';

/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78;
/** Bytes of the network that count in full however far apart the two are. */
const NETWORK_BYTES = { 4: 2, 16: 6 } as const;
/** Of a byte that may be chosen by who holds the network, every second bit counts. */
const HOST_MASK = 0x55;

/** 32 bits, the higher the better; undefined for addresses of different families. */
export function peerPriority(a: PeerAddress, b: PeerAddress): number | undefined {
  const [left, right] = [hostBytes(a.host), hostBytes(b.host)];
  if (left === undefined || left.length !== right?.length) return undefined;
  const common = left.findIndex((byte, i) => byte !== right[i]);
  if (common < 0) return crc32c(sorted(portBytes(a.port), portBytes(b.port)));
  const network = left.length === 4 ? NETWORK_BYTES[4] : NETWORK_BYTES[16];
  const exactBytes = common < network ? network : common + 1;
  const masked = (bytes: Uint8Array): Uint8Array =>
    bytes.map((byte, i) => (i < exactBytes ? byte : byte & HOST_MASK));
  return crc32c(sorted(masked(left), masked(right)));
}

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function sorted(a: Uint8Array, b: Uint8Array): Uint8Array {
  const differs = a.findIndex((byte, i) => byte !== b[i]);
  const inOrder = differs < 0 || (a[differs] ?? 0) < (b[differs] ?? 0);
  return Uint8Array.from(inOrder ? [...a, ...b] : [...b, ...a]);
}

const portBytes = (port: number): Uint8Array => Uint8Array.of(port >>> 8, port & 0xff);
