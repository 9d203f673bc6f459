/**
 * Peer addresses as trackers, PEX and the DHT write them: 6 bytes for IPv4 (BEP 23), 18 for IPv6 (BEP 7), or
 * dictionaries (BEP 3). One canonical text per address, so that a text can be a key.
 */
import type { BencodeValue } from '../metainfo/bencode.js';
import { ipBytes, ipText, isUnicast, unmapped } from '../policy/ip-address.js';
import type { PeerAddress } from '../units.js';

/** Bytes of one IPv4 peer: address, port. */
export const COMPACT4_BYTES = 6;
/** Bytes of one IPv6 peer: address, port. */
const COMPACT6_BYTES = 18;

const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535;

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
