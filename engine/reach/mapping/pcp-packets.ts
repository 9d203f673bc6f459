/** PCP on the wire (RFC 6887): ANNOUNCE and MAP requests, and answers read from bytes that anybody may have sent. */
import { isIPv4 } from 'node:net';
import type { Transport } from '../../units.js';

const VERSION = 2;
const ANNOUNCE = 0;
const MAP = 1;
const ANSWER = 0x80;
const HEADER_BYTES = 24;
const MAP_BYTES = 36;
export const NONCE_BYTES = 12;
/** IANA's protocol numbers. */
const PROTOCOL: Readonly<Record<Transport, number>> = { tcp: 6, udp: 17 };
/** A gateway sends no longer ones (RFC 6887, section 7). */
export const MAX_PCP_BYTES = 1_100;

export interface PcpMapRequest {
  /** Our address towards the gateway, IPv4: the gateway compares it with where the packet comes from. */
  readonly localHost: string;
  /** The same for renewing and removing; nobody else can change the mapping without it. */
  readonly nonce: Uint8Array;
  readonly transport: Transport;
  readonly internalPort: number;
  readonly externalPort: number;
  /** 0 removes the mapping. */
  readonly lifetimeSeconds: number;
}

export interface PcpAnswer {
  /** 0 is success; others in `pcpResult`. */
  readonly result: number;
  /** Of the mapping; of a refusal, how long not to ask again. */
  readonly lifetimeSeconds: number;
  /** Seconds since the gateway lost its mappings. */
  readonly epochSeconds: number;
}

export interface PcpMapAnswer extends PcpAnswer {
  readonly externalPort: number;
  /** IPv4 only, else null. */
  readonly externalHost: string | null;
}

export function formatAnnounce(localHost: string): Buffer {
  return header(ANNOUNCE, 0, localHost, HEADER_BYTES);
}

export function formatMap(request: PcpMapRequest): Buffer {
  const packet = header(MAP, request.lifetimeSeconds, request.localHost, HEADER_BYTES + MAP_BYTES);
  packet.set(request.nonce, HEADER_BYTES);
  packet.writeUInt8(PROTOCOL[request.transport], HEADER_BYTES + 12);
  packet.writeUInt16BE(request.internalPort, HEADER_BYTES + 16);
  packet.writeUInt16BE(request.externalPort, HEADER_BYTES + 18);
  packet.set(mapped('0.0.0.0'), HEADER_BYTES + 20);
  return packet;
}

/** Undefined for anything but an answer to ANNOUNCE, asked for or not. */
export const parseAnnounce = (packet: Buffer): PcpAnswer | undefined => parseHeader(packet, ANNOUNCE);

/** Undefined for anything but an answer to this very request. */
export function parseMap(packet: Buffer, request: PcpMapRequest): PcpMapAnswer | undefined {
  const answer = parseHeader(packet, MAP);
  if (answer === undefined || packet.length < HEADER_BYTES + MAP_BYTES) return undefined;
  const ours =
    packet.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES).equals(request.nonce) &&
    packet[HEADER_BYTES + 12] === PROTOCOL[request.transport] &&
    packet.readUInt16BE(HEADER_BYTES + 16) === request.internalPort;
  if (!ours) return undefined;
  const host = packet.subarray(HEADER_BYTES + 20, HEADER_BYTES + 36);
  const isV4 = host.subarray(0, 12).equals(mapped('0.0.0.0').subarray(0, 12));
  return {
    ...answer,
    externalPort: packet.readUInt16BE(HEADER_BYTES + 18),
    externalHost: isV4 ? host.subarray(12).join('.') : null,
  };
}

/** A gateway that speaks only NAT-PMP says so in NAT-PMP, which begins with the version 0. */
export const speaksOtherVersion = (packet: Buffer): boolean =>
  packet.length >= 4 &&
  ((packet[1] ?? 0) & ANSWER) !== 0 &&
  (packet[0] !== VERSION || packet[3] === UNSUPPORTED_VERSION);

const UNSUPPORTED_VERSION = 1;
const RESULTS = [
  'success',
  'it does not speak this version of PCP',
  'it does not allow it',
  'it could not read the request',
  'it does not know this request',
  'it does not know an option',
  'it could not read an option',
  'it has no connection to the Internet itself',
  'it has no room for another mapping',
  'it does not forward this protocol',
  'we have all the ports that one host may have',
  'it cannot give this external port',
  'there is another router between us and it',
  'too many remote peers',
];

export const pcpResult = (result: number): string => RESULTS[result] ?? `result ${result}`;

function header(opcode: number, lifetimeSeconds: number, localHost: string, length: number): Buffer {
  const packet = Buffer.alloc(length);
  packet.writeUInt8(VERSION, 0);
  packet.writeUInt8(opcode, 1);
  packet.writeUInt32BE(lifetimeSeconds, 4);
  packet.set(mapped(localHost), 8);
  return packet;
}

function parseHeader(packet: Buffer, opcode: number): PcpAnswer | undefined {
  const whole = packet.length >= HEADER_BYTES && packet.length <= MAX_PCP_BYTES;
  if (!whole || packet[0] !== VERSION || packet[1] !== (ANSWER | opcode)) return undefined;
  return {
    result: packet.readUInt8(3),
    lifetimeSeconds: packet.readUInt32BE(4),
    epochSeconds: packet.readUInt32BE(8),
  };
}

/** ::ffff:a.b.c.d, as which PCP carries IPv4. */
function mapped(host: string): Buffer {
  if (!isIPv4(host)) throw new RangeError(`expected an IPv4 address, got "${host}"`);
  const bytes = Buffer.alloc(16);
  bytes.fill(0xff, 10, 12);
  bytes.set(host.split('.').map(Number), 12);
  return bytes;
}
