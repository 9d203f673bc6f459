/** The packets of the UDP tracker protocol (BEP 15), with the URL in an announce (BEP 41). Integers are big-endian. */
import { SwarmError } from '../errors.js';
import {
  type AnnounceAnswer,
  type AnnounceEvent,
  type AnnounceRequest,
  boundedText,
  MAX_PEERS_PER_ANSWER,
  type ScrapeAnswer,
} from './announce.js';
import { parseCompactPeers4, parseCompactPeers6 } from './compact-peers.js';

export const UDP_ACTION = { connect: 0, announce: 1, scrape: 2, error: 3 } as const;

const PROTOCOL_ID = 0x41727101980n;
/** BEP 15 has no word for partial seeds. */
const EVENT_CODE: Readonly<Record<AnnounceEvent, number>> = {
  ...{ none: 0, completed: 1, started: 2, stopped: 3 },
  paused: 0,
};
const ANNOUNCE_BYTES = 98;
const OPTION_URL_DATA = 2;
const MAX_OPTION_BYTES = 255;
/** Keeps an announce in one unfragmented packet; a longer path is not sent. */
const MAX_URL_DATA_BYTES = 1_000;

/** What starts every answer. */
export interface UdpAnswerHeader {
  readonly action: number;
  readonly transactionId: number;
}

export function formatConnect(transactionId: number): Uint8Array {
  const packet = Buffer.alloc(16);
  packet.writeBigUInt64BE(PROTOCOL_ID, 0);
  packet.writeUInt32BE(UDP_ACTION.connect, 8);
  packet.writeUInt32BE(transactionId, 12);
  return packet;
}

/** `urlData` is the path and query of the tracker's URL, empty for none. */
export function formatAnnounce(
  connectionId: Uint8Array,
  transactionId: number,
  request: AnnounceRequest,
  urlData: string,
): Uint8Array {
  const packet = Buffer.alloc(ANNOUNCE_BYTES);
  packet.set(connectionId, 0);
  packet.writeUInt32BE(UDP_ACTION.announce, 8);
  packet.writeUInt32BE(transactionId, 12);
  packet.set(request.infoHash, 16);
  packet.set(request.peerId, 36);
  packet.writeBigUInt64BE(BigInt(request.downloadedBytes), 56);
  packet.writeBigUInt64BE(BigInt(request.leftBytes), 64);
  packet.writeBigUInt64BE(BigInt(request.uploadedBytes), 72);
  packet.writeUInt32BE(EVENT_CODE[request.event], 80);
  // 84: our address; 0 is the one that the packet comes from.
  packet.writeUInt32BE(request.key, 88);
  packet.writeInt32BE(request.numWant, 92);
  packet.writeUInt16BE(request.port, 96);
  return Buffer.concat([packet, ...urlDataOptions(urlData)]);
}

export function formatScrape(
  connectionId: Uint8Array,
  transactionId: number,
  infoHash: Uint8Array,
): Uint8Array {
  const packet = Buffer.alloc(36);
  packet.set(connectionId, 0);
  packet.writeUInt32BE(UDP_ACTION.scrape, 8);
  packet.writeUInt32BE(transactionId, 12);
  packet.set(infoHash, 16);
  return packet;
}

/** Undefined when the packet is too short to have a header. */
export function parseHeader(packet: Buffer): UdpAnswerHeader | undefined {
  if (packet.length < 8) return undefined;
  return { action: packet.readUInt32BE(0), transactionId: packet.readUInt32BE(4) };
}

/** The 8 bytes of a connection id. @throws SwarmError TRACKER_BAD_ANSWER */
export function parseConnectAnswer(packet: Buffer): Uint8Array {
  needs(packet, 16, 'connect');
  return Uint8Array.from(packet.subarray(8, 16));
}

/** Peers have the address family of the socket. @throws SwarmError TRACKER_BAD_ANSWER */
export function parseAnnounceAnswer(packet: Buffer, family: 4 | 6): AnnounceAnswer {
  needs(packet, 20, 'announce');
  const peers = packet.subarray(20);
  return {
    intervalSeconds: packet.readInt32BE(8),
    minIntervalSeconds: null,
    leechers: count(packet, 12),
    seeders: count(packet, 16),
    peers:
      family === 4
        ? parseCompactPeers4(peers, MAX_PEERS_PER_ANSWER)
        : parseCompactPeers6(peers, MAX_PEERS_PER_ANSWER),
    warning: null,
    externalIp: null,
  };
}

/** @throws SwarmError TRACKER_BAD_ANSWER */
export function parseScrapeAnswer(packet: Buffer): ScrapeAnswer {
  needs(packet, 20, 'scrape');
  return { seeders: count(packet, 8), downloads: count(packet, 12), leechers: count(packet, 16) };
}

/** The refusal that an error packet carries. */
export function parseErrorAnswer(packet: Buffer): SwarmError {
  const text = boundedText(packet.subarray(8)) || 'it gave no reason';
  return new SwarmError('TRACKER_REFUSED', `the tracker refused: ${text}`);
}

function urlDataOptions(urlData: string): Uint8Array[] {
  const bytes = Buffer.from(urlData, 'latin1');
  if (bytes.length > MAX_URL_DATA_BYTES) return [];
  const options: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += MAX_OPTION_BYTES) {
    const part = bytes.subarray(at, at + MAX_OPTION_BYTES);
    options.push(Uint8Array.of(OPTION_URL_DATA, part.length), part);
  }
  return options;
}

/** A count beyond 2^31 is a tracker's −1. */
function count(packet: Buffer, at: number): number | null {
  const value = packet.readInt32BE(at);
  return value < 0 ? null : value;
}

function needs(packet: Buffer, bytes: number, name: string): void {
  if (packet.length >= bytes) return;
  throw new SwarmError(
    'TRACKER_BAD_ANSWER',
    `the tracker's ${name} answer has ${packet.length} bytes instead of at least ${bytes}`,
  );
}
