/** Compact node info (BEP 5, BEP 32): 20 bytes of id, then the address as trackers write it. */
import { familyOf, ipBytes, ipText, isUnicast } from '../../policy/ip-address.js';
import { ID_BYTES, type NodeContact } from './node-id.js';

const ADDRESS_BYTES = { 4: 6, 6: 18 } as const;
export const NODE_BYTES = { 4: ID_BYTES + 6, 6: ID_BYTES + 18 } as const;

/** All of one family. */
export function encodeNodes(nodes: readonly NodeContact[], family: 4 | 6): Uint8Array {
  const bytes = new Uint8Array(nodes.length * NODE_BYTES[family]);
  let at = 0;
  for (const { id, host, port } of nodes) {
    bytes.set(id, at);
    writeAddress(bytes, at + ID_BYTES, host, port, family);
    at += NODE_BYTES[family];
  }
  return bytes;
}

/** At most `limit`; what nobody can be at, and a short tail, is dropped. Ids are copies. */
export function decodeNodes(bytes: Uint8Array, family: 4 | 6, limit: number): NodeContact[] {
  const nodes: NodeContact[] = [];
  const size = NODE_BYTES[family];
  for (let at = 0; at + size <= bytes.length && nodes.length < limit; at += size) {
    const address = readAddress(bytes.subarray(at + ID_BYTES, at + size), family);
    if (address !== undefined) nodes.push({ id: bytes.slice(at, at + ID_BYTES), ...address });
  }
  return nodes;
}

export function encodeAddress(host: string, port: number, family: 4 | 6): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES[family]);
  writeAddress(bytes, 0, host, port, family);
  return bytes;
}

/** Undefined for what nobody can be at, IPv4 inside IPv6 included: it belongs to the other DHT. */
export function readAddress(
  bytes: Uint8Array,
  family: 4 | 6,
): { readonly host: string; readonly port: number } | undefined {
  const length = ADDRESS_BYTES[family];
  if (bytes.length !== length) return undefined;
  const port = ((bytes[length - 2] ?? 0) << 8) | (bytes[length - 1] ?? 0);
  const ip = bytes.subarray(0, length - 2);
  if (port === 0 || !isUnicast(ip)) return undefined;
  const host = ipText(ip);
  return familyOf(host) === family ? { host, port } : undefined;
}

function writeAddress(bytes: Uint8Array, at: number, host: string, port: number, family: 4 | 6): void {
  bytes.set(ipBytes(host) ?? [], at);
  const portAt = at + ADDRESS_BYTES[family] - 2;
  bytes[portAt] = port >>> 8;
  bytes[portAt + 1] = port & 0xff;
}
