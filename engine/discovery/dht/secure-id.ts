/**
 * BEP 42: the first 21 bits of a node's id follow from its address and three bits of choice, so that whoever has
 * few addresses cannot place nodes wherever they like.
 */

import { ipBytes } from '../../policy/ip-address.js';
import { addressScope } from '../address-guard.js';
import { ID_BYTES, type NodeId, type RandomBytes } from './node-id.js';

const MASK_4 = [0x03, 0x0f, 0x3f, 0xff] as const;
const MASK_6 = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff] as const;
/** Castagnoli's polynomial, its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The 32 bits whose first 21 begin the id of a node at `ip` (4 or 16 bytes) that chose `choice`, 0…7. */
function securePrefix(ip: Uint8Array, choice: number): number {
  const mask = ip.length === 4 ? MASK_4 : MASK_6;
  const masked = new Uint8Array(mask.length);
  for (let at = 0; at < mask.length; at++) masked[at] = (ip[at] ?? 0) & (mask[at] ?? 0);
  masked[0] = (masked[0] ?? 0) | (choice << 5);
  return crc32c(masked);
}

/** An id for a node at `ip`, 4 or 16 bytes. */
export function makeSecureId(ip: Uint8Array, randomBytes: RandomBytes): NodeId {
  const id = Uint8Array.from(randomBytes(ID_BYTES));
  const prefix = securePrefix(ip, (id[19] ?? 0) & 7);
  id[0] = prefix >>> 24;
  id[1] = (prefix >>> 16) & 0xff;
  id[2] = ((prefix >>> 8) & 0xf8) | ((id[2] ?? 0) & 7);
  return id;
}

/** Whether a node at `host` may have this id. Local networks are exempt. */
export function isSecureId(id: NodeId, host: string): boolean {
  const ip = ipBytes(host);
  if (ip === undefined) return false;
  if (addressScope(ip) === 'local') return true;
  const prefix = securePrefix(ip, (id[19] ?? 0) & 7);
  const top = ((id[0] ?? 0) << 24) | ((id[1] ?? 0) << 16) | ((id[2] ?? 0) << 8);
  return ((top ^ prefix) & 0xffff_f800) === 0;
}
