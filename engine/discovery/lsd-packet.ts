/** The datagrams of local discovery (BEP 14): a request as HTTP writes it, read strictly and bounded. */
import { asInfoHash, type InfoHash } from '../units.js';

export interface LsdAnnounce {
  /** Where the sender takes peers. */
  readonly port: number;
  readonly infoHashes: readonly InfoHash[];
  /** Lets a sender know its own. */
  readonly cookie: string | undefined;
}

/** BEP 14, so that it is not fragmented. */
export const MAX_LSD_BYTES = 1_400;
const MAX_COOKIE_CHARS = 64;
/** Bytes of one `Infohash` line. */
const INFO_HASH_LINE_BYTES = 'Infohash: \r\n'.length + 40;
/** All the rest of a datagram: the request line, three lines of fields, the end. */
const FRAME_BYTES = 160;
/** Info-hashes of one datagram. */
export const MAX_LSD_INFO_HASHES = Math.floor((MAX_LSD_BYTES - FRAME_BYTES) / INFO_HASH_LINE_BYTES);

/** @param group address and port of the multicast group, as a `Host` field has them */
export function formatLsd(group: string, { port, infoHashes, cookie }: LsdAnnounce): Buffer {
  const lines = [
    'BT-SEARCH * HTTP/1.1',
    `Host: ${group}`,
    `Port: ${port}`,
    ...infoHashes.map((infoHash) => `Infohash: ${infoHash}`),
    ...(cookie === undefined ? [] : [`cookie: ${cookie}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n\r\n`, 'latin1');
}

/** Undefined for anything else than an announce; fields that we do not know are passed over. */
export function parseLsd(packet: Uint8Array): LsdAnnounce | undefined {
  if (packet.length > MAX_LSD_BYTES) return undefined;
  const text = Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [request = '', ...fields] = text.slice(0, Math.max(end, 0)).split('\r\n');
  if (!/^BT-SEARCH \* HTTP\/1\.\d$/.test(request)) return undefined;
  let port: number | undefined;
  let cookie: string | undefined;
  const infoHashes = new Set<InfoHash>();
  for (const field of fields) {
    const colon = field.indexOf(':');
    const value = field.slice(colon + 1).trim();
    switch (field.slice(0, Math.max(colon, 0)).toLowerCase()) {
      case 'port':
        if (port !== undefined || !/^\d{1,5}$/.test(value)) return undefined;
        port = Number(value);
        break;
      case 'infohash':
        if (!/^[\da-f]{40}$/i.test(value)) return undefined;
        infoHashes.add(asInfoHash(value));
        break;
      case 'cookie':
        if (value.length <= MAX_COOKIE_CHARS) cookie = value;
        break;
    }
  }
  if (port === undefined || port === 0 || port > 65_535 || infoHashes.size === 0) return undefined;
  return { port, infoHashes: [...infoHashes], cookie };
}
