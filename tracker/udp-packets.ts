/** The datagrams of the UDP tracker protocol (BEP 15): what clients send, decoded; what we answer, encoded. */
import { type PackedHost, packHost } from './addresses.js';
import type { AnnounceAnswer, AnnounceEvent, AnnounceRequest } from './announce.js';
import type { SwarmCounts } from './swarm-store.js';

export const ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;

/** A connect begins with this instead of a connection id: 0x41727101980. */
const PROTOCOL_ID = Buffer.from('0000041727101980', 'hex');
export const CONNECT_BYTES = 16;
const HEADER_BYTES = 16;
const HASH_BYTES = 20;
/** Without the options of BEP 41, which may follow. */
const ANNOUNCE_BYTES = 98;
const ANNOUNCE_ANSWER_BYTES = 20;
const SCRAPE_ANSWER_BYTES = 8;
const SCRAPE_ENTRY_BYTES = 12;
const EVENTS: readonly AnnounceEvent[] = ['none', 'completed', 'started', 'stopped'];

/** Peers whose answer fits one unfragmented datagram: 1,500 bytes of Ethernet, 1,280 that IPv6 guarantees. */
const MAX_IPV4_PEERS = 240;
const MAX_IPV6_PEERS = 66;

/** Shorter than any request. */
export const isTooShort = (packet: Buffer): boolean => packet.length < HEADER_BYTES;

export const actionOf = (packet: Buffer): number => packet.readUInt32BE(8);

export const isConnect = (packet: Buffer): boolean =>
  actionOf(packet) === ACTION.connect && PROTOCOL_ID.compare(packet, 0, 8) === 0;

/** Undefined when the packet is too short to be an announce. The IPv4 `ip` field means nothing over IPv6. Options after it (BEP 41) hold nothing we need. */
export function decodeAnnounce(packet: Buffer, source: PackedHost): AnnounceRequest | undefined {
  if (packet.length < ANNOUNCE_BYTES) return undefined;
  return {
    infoHash: packet.toString('latin1', 16, 36),
    peerId: packet.toString('latin1', 36, 56),
    source,
    claimedHost: source.length === 4 ? packHost(packet.subarray(84, 88).join('.')) : undefined,
    port: packet.readUInt16BE(96),
    seed: packet.readBigUInt64BE(64) === 0n,
    event: EVENTS[packet.readUInt32BE(80)] ?? 'none',
    numWant: packet.readInt32BE(92),
    maxPeers: source.length === 4 ? MAX_IPV4_PEERS : MAX_IPV6_PEERS,
    withPeerIds: false,
  };
}

/** Undefined when the packet does not hold whole hashes. */
export function decodeScrape(packet: Buffer): readonly string[] | undefined {
  if ((packet.length - HEADER_BYTES) % HASH_BYTES !== 0) return undefined;
  const hashes: string[] = [];
  for (let at = HEADER_BYTES; at < packet.length; at += HASH_BYTES)
    hashes.push(packet.toString('latin1', at, at + HASH_BYTES));
  return hashes;
}

/** An answer of `bytes` to `request`, its action and transaction id filled in. */
export function openAnswer(action: number, request: Buffer, bytes: number): Buffer {
  const answer = Buffer.allocUnsafe(bytes);
  answer.writeUInt32BE(action, 0);
  request.copy(answer, 4, 12, 16);
  return answer;
}

export function encodeAnnounce(request: Buffer, answer: AnnounceAnswer): Buffer {
  const { counts, intervalSeconds, peers } = answer;
  const packet = openAnswer(ACTION.announce, request, ANNOUNCE_ANSWER_BYTES + peers.endpoints.length);
  packet.writeUInt32BE(intervalSeconds, 8);
  packet.writeUInt32BE(counts.leechers, 12);
  packet.writeUInt32BE(counts.seeds, 16);
  packet.set(peers.endpoints, ANNOUNCE_ANSWER_BYTES);
  return packet;
}

export function encodeScrape(request: Buffer, swarms: readonly SwarmCounts[]): Buffer {
  const bytes = SCRAPE_ANSWER_BYTES + swarms.length * SCRAPE_ENTRY_BYTES;
  const packet = openAnswer(ACTION.scrape, request, bytes);
  let at = SCRAPE_ANSWER_BYTES;
  for (const { seeds, downloads, leechers } of swarms) {
    at = packet.writeUInt32BE(seeds, at);
    at = packet.writeUInt32BE(downloads, at);
    at = packet.writeUInt32BE(leechers, at);
  }
  return packet;
}

export function encodeError(request: Buffer, reason: string): Buffer {
  const packet = openAnswer(ACTION.error, request, 8 + reason.length);
  packet.write(reason, 8, 'latin1');
  return packet;
}
