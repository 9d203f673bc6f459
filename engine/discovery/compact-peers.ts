/**
 * Peer addresses as trackers, PEX and the DHT write them: 6 bytes for IPv4 (BEP 23), 18 for IPv6 (BEP 7), or
 * dictionaries (BEP 3). One canonical text per address, so that a text can be a key.
 */
import { isIP } from 'node:net';
import type { BencodeValue } from '../metainfo/bencode.js';
import type { PeerAddress } from '../units.js';

/** Bytes of one IPv4 peer: address, port. */
export const COMPACT4_BYTES = 6;
/** Bytes of one IPv6 peer: address, port. */
const COMPACT6_BYTES = 18;

/** ::ffff:0:0/96, the IPv4 addresses inside IPv6. */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535;

/**
 * The bytes of a literal address in network order: 4 for IPv4 and for IPv4 inside IPv6, else 16.
 * Undefined for anything that is not a plain literal: names, zones (`%eth0`), short or octal IPv4 forms.
 */
export function ipBytes(host: string): Uint8Array | undefined {
  const family = isIP(host);
  if (family === 4) return dottedBytes(host);
  if (family !== 6 || host.includes('%')) return undefined;
  const bytes = groupedBytes(host);
  return isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/** Canonical text of 4 or 16 address bytes (RFC 5952); IPv4 inside IPv6 comes out as IPv4. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, got ${bytes.length}`);
  if (isMapped(bytes)) return bytes.subarray(12).join('.');
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  const gap = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (gap.length < 2) return hex.join(':');
  return `${hex.slice(0, gap.start).join(':')}::${hex.slice(gap.start + gap.length).join(':')}`;
}

/** The one canonical text of a literal address; undefined when `host` is none. */
export function canonicalHost(host: string): string | undefined {
  const bytes = ipBytes(host);
  return bytes === undefined ? undefined : ipText(bytes);
}

/** Peers of a BEP 23 string, at most `limit`. Peers that nobody can be at and a short tail are dropped. */
export function parseCompactPeers4(bytes: Uint8Array, limit = Number.POSITIVE_INFINITY): PeerAddress[] {
  return parseCompact(bytes, COMPACT4_BYTES, limit);
}

/** Peers of a BEP 7 string, at most `limit`. Peers that nobody can be at and a short tail are dropped. */
export function parseCompactPeers6(bytes: Uint8Array, limit = Number.POSITIVE_INFINITY): PeerAddress[] {
  return parseCompact(bytes, COMPACT6_BYTES, limit);
}

/** Peers of a BEP 3 list of dictionaries, at most `limit`; entries with a name or anything odd are dropped. */
export function parseDictPeers(
  list: readonly BencodeValue[],
  limit = Number.POSITIVE_INFINITY,
): PeerAddress[] {
  const peers: PeerAddress[] = [];
  for (const entry of list) {
    if (peers.length >= limit) break;
    if (!(entry instanceof Map)) continue;
    const ip = entry.get('ip');
    const port = entry.get('port');
    if (!(ip instanceof Uint8Array) || ip.length > 45 || !isPort(port)) continue;
    const bytes = ipBytes(Buffer.from(ip.buffer, ip.byteOffset, ip.length).toString('latin1'));
    if (bytes !== undefined && isUnicast(bytes)) peers.push({ host: ipText(bytes), port });
  }
  return peers;
}

/** False for addresses that no single host can have: this-network, multicast, reserved, unspecified. */
export function isUnicast(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  if (bytes.length === 4) return first > 0 && first < 224;
  if (first === 0xff) return false;
  return bytes.some((byte) => byte !== 0);
}

function parseCompact(bytes: Uint8Array, entryBytes: number, limit: number): PeerAddress[] {
  const peers: PeerAddress[] = [];
  for (let at = 0; at + entryBytes <= bytes.length && peers.length < limit; at += entryBytes) {
    const portAt = at + entryBytes - 2;
    const port = ((bytes[portAt] ?? 0) << 8) | (bytes[portAt + 1] ?? 0);
    const address = unmapped(bytes.subarray(at, portAt));
    if (port > 0 && isUnicast(address)) peers.push({ host: ipText(address), port });
  }
  return peers;
}

const unmapped = (bytes: Uint8Array): Uint8Array => (isMapped(bytes) ? bytes.subarray(12) : bytes);

const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && MAPPED_PREFIX.every((byte, at) => bytes[at] === byte);

const dottedBytes = (host: string): Uint8Array => Uint8Array.from(host.split('.'), Number);

/** `host` is valid IPv6 without a zone; it may end in a dotted IPv4 and hold one `::`. */
function groupedBytes(host: string): Uint8Array {
  const [head = '', tail] = host.split('::');
  const front = groupBytes(head);
  const bytes = new Uint8Array(16);
  bytes.set(front);
  if (tail !== undefined) {
    const back = groupBytes(tail);
    bytes.set(back, 16 - back.length);
  }
  return bytes;
}

function groupBytes(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return [...dottedBytes(group)];
    const value = Number.parseInt(group, 16);
    return [value >>> 8, value & 0xff];
  });
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}
