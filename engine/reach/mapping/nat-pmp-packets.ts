/** NAT-PMP on the wire (RFC 6886): requests as bytes, and answers read from bytes that anybody may have sent. */
import type { Transport } from '../../units.js';

/** Where a gateway listens, also for PCP. */
export const GATEWAY_PORT = 5351;

const VERSION = 0;
/** RFC 6886, section 3.3. */
const OPCODE: Readonly<Record<Transport, number>> = { udp: 1, tcp: 2 };
const EXTERNAL_ADDRESS = 0;
const ANSWER = 128;

export interface NatPmpMapRequest {
  readonly transport: Transport;
  readonly internalPort: number;
  readonly externalPort: number;
  /** 0 removes the mapping. */
  readonly lifetimeSeconds: number;
}

interface Header {
  /** 0 is success; others in `natPmpResult`. */
  readonly result: number;
  /** Seconds since the gateway lost its mappings. */
  readonly epochSeconds: number;
}

export interface NatPmpAddressAnswer extends Header {
  readonly externalHost: string;
}

export interface NatPmpMapAnswer extends Header {
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeSeconds: number;
}

export const formatAddressRequest = (): Buffer => Buffer.from([VERSION, EXTERNAL_ADDRESS]);

export function formatMapRequest(request: NatPmpMapRequest): Buffer {
  const packet = Buffer.alloc(12);
  packet.writeUInt8(OPCODE[request.transport], 1);
  packet.writeUInt16BE(request.internalPort, 4);
  packet.writeUInt16BE(request.externalPort, 6);
  packet.writeUInt32BE(request.lifetimeSeconds, 8);
  return packet;
}

/** Undefined for anything but an answer to an address request. One that tells of a fault may have no address. */
export function parseAddressAnswer(packet: Buffer): NatPmpAddressAnswer | undefined {
  const header = parseHeader(packet, EXTERNAL_ADDRESS);
  if (header === undefined || (header.result === 0 && packet.length < 12)) return undefined;
  return { ...header, externalHost: header.result === 0 ? packet.subarray(8, 12).join('.') : '0.0.0.0' };
}

/** Undefined for anything but an answer to a mapping request for `transport`. */
export function parseMapAnswer(packet: Buffer, transport: Transport): NatPmpMapAnswer | undefined {
  const header = parseHeader(packet, OPCODE[transport]);
  if (header === undefined || (header.result === 0 && packet.length < 16)) return undefined;
  const whole = Buffer.alloc(16);
  packet.copy(whole);
  return {
    ...header,
    internalPort: whole.readUInt16BE(8),
    externalPort: whole.readUInt16BE(10),
    lifetimeSeconds: whole.readUInt32BE(12),
  };
}

/** A gateway that speaks only PCP says so in PCP, which begins with the version 2. */
export const speaksOtherVersion = (packet: Buffer): boolean =>
  packet.length >= 4 && packet[0] !== VERSION && ((packet[1] ?? 0) & ANSWER) !== 0;

const RESULTS = [
  'success',
  'it does not speak this version of NAT-PMP',
  'port forwarding is switched off',
  'it has no connection to the Internet itself',
  'it has no room for another mapping',
  'it does not know this request',
];

export const natPmpResult = (result: number): string => RESULTS[result] ?? `result ${result}`;

function parseHeader(packet: Buffer, opcode: number): Header | undefined {
  if (packet.length < 8 || packet[0] !== VERSION || packet[1] !== (ANSWER | opcode)) return undefined;
  return { result: packet.readUInt16BE(2), epochSeconds: packet.readUInt32BE(4) };
}
