/** DNS packets: a question for the addresses of a name and its answer (RFC 1035, section 4; RFC 3596). */
import { ipText } from '../policy/ip-address.js';

const DNS_TYPE = { 4: 1, 6: 28 } as const;

const CLASS_IN = 1;
const HEADER_BYTES = 12;
const MAX_LABEL_BYTES = 63;
const MAX_NAME_BYTES = 253;
const FLAG_ANSWER = 0x8000;
const FLAG_CUT = 0x0200;
const FLAG_RECURSE = 0x0100;
const RCODE_MASK = 0x000f;
const NO_SUCH_NAME = 3;
const ADDRESS_BYTES = { 4: 4, 6: 16 } as const;
/** An answer over UDP has no room for more. */
const MAX_RECORDS = 64;

/** Undefined where `name` is none that can be asked for. */
export function formatQuestion(id: number, name: string, family: 4 | 6): Uint8Array | undefined {
  const plain = name.replace(/\.$/, '');
  const labels = plain.split('.');
  const isName = plain.length <= MAX_NAME_BYTES && labels.every(isLabel);
  if (!isName) return undefined;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(FLAG_RECURSE, 2);
  header.writeUInt16BE(1, 4);
  const parts = labels.map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1'));
  return Buffer.concat([header, ...parts, Buffer.from([0, 0, DNS_TYPE[family], 0, CLASS_IN])]);
}

/**
 * Addresses that `packet` names, when it answers `question`: at least none, where there is no such name or address.
 * `useless`: the server could not say, or not in a datagram. Undefined: it is no answer to that.
 */
export function parseAnswer(
  packet: Buffer,
  question: Uint8Array,
  family: 4 | 6,
): string[] | 'useless' | undefined {
  if (packet.length < question.length) return undefined;
  const flags = packet.readUInt16BE(2);
  const code = flags & RCODE_MASK;
  const isOurs =
    packet.readUInt16BE(0) === ((question[0] ?? 0) << 8) + (question[1] ?? 0) &&
    packet.readUInt16BE(4) === 1 &&
    sameQuestion(packet, question);
  if (!isOurs || (flags & FLAG_ANSWER) === 0) return undefined;
  if (code !== 0 && code !== NO_SUCH_NAME) return 'useless';
  const found: string[] = [];
  let at = question.length;
  const records = Math.min(packet.readUInt16BE(6), MAX_RECORDS);
  for (let i = 0; i < records; i++) {
    const fixed = endOfName(packet, at);
    if (fixed === undefined || fixed + 10 > packet.length) break;
    const length = packet.readUInt16BE(fixed + 8);
    const data = packet.subarray(fixed + 10, fixed + 10 + length);
    const isAddress =
      packet.readUInt16BE(fixed) === DNS_TYPE[family] &&
      packet.readUInt16BE(fixed + 2) === CLASS_IN &&
      length === ADDRESS_BYTES[family] &&
      data.length === length;
    if (isAddress) found.push(ipText(data));
    at = fixed + 10 + length;
  }
  return found.length === 0 && (flags & FLAG_CUT) !== 0 ? 'useless' : found;
}

const isLabel = (label: string): boolean =>
  label.length > 0 && label.length <= MAX_LABEL_BYTES && /^[a-z0-9_-]+$/i.test(label);

/** Servers may answer in another case. */
const sameQuestion = (packet: Buffer, question: Uint8Array): boolean =>
  packet.toString('latin1', HEADER_BYTES, question.length).toLowerCase() ===
  Buffer.from(question).toString('latin1', HEADER_BYTES).toLowerCase();

/** Names are passed over: whatever owns the records, the server names them in answer to our question. */
function endOfName(packet: Buffer, from: number): number | undefined {
  let at = from;
  while (at < packet.length) {
    const length = packet[at] ?? 0;
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2;
    if (length > MAX_LABEL_BYTES) return undefined;
    at += 1 + length;
  }
  return undefined;
}
