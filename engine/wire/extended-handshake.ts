/** Extended handshake: reads a peer's BEP 10 handshake into few, bounded fields; what is odd in one field drops that field. */
import { type BencodeValue, decodeBencode } from '../metainfo/bencode.js';
import { ipText } from '../policy/ip-address.js';
import type { ExtendedHandshake } from '../ports.js';

/** Real ones are below 1 KiB. */
const MAX_BYTES = 16 * 1024;
/** Real ones have about 30 tokens at depth 2. */
const LIMITS = { maxDepth: 8, maxTokens: 1_024 };
const MAX_CLIENT_CHARS = 128;
const MAX_NAME_CHARS = 64;
const MAX_EXTENSIONS = 64;
/** A larger `info` than this is refused anyway, whoever offers it. */
const MAX_METADATA_BYTES = 64 * 1024 * 1024;

export interface DecodedExtendedHandshake {
  readonly handshake: ExtendedHandshake;
  /** Name → the id under which the peer takes its messages; 0 turns the extension off. */
  readonly ids: ReadonlyMap<string, number>;
}

/** @returns why not, when the payload is no bencoded dictionary of a sane size */
export function decodeExtendedHandshake(payload: Uint8Array): DecodedExtendedHandshake | string {
  if (payload.length > MAX_BYTES) return `${payload.length} bytes`;
  let root: BencodeValue;
  try {
    root = decodeBencode(payload, LIMITS);
  } catch (error) {
    return error instanceof Error ? error.message : 'not bencode';
  }
  if (!(root instanceof Map)) return 'not a dictionary';

  const ids = extensionIds(root.get('m'));
  const extensions = new Set<string>();
  for (const [name, id] of ids) if (id > 0) extensions.add(name);

  const client = text(root.get('v'));
  const requestQueue = integer(root.get('reqq'), 1, 65_535);
  const listenPort = integer(root.get('p'), 1, 65_535);
  const metadataSize = integer(root.get('metadata_size'), 1, MAX_METADATA_BYTES);
  const uploadOnly = integer(root.get('upload_only'), 0, 1);
  const prefersEncryption = integer(root.get('e'), 0, 255);
  const yourIpBytes = root.get('yourip');
  const yourIp = yourIpBytes instanceof Uint8Array && isIp(yourIpBytes) ? ipText(yourIpBytes) : undefined;
  const handshake: ExtendedHandshake = {
    extensions,
    ...(client === undefined ? {} : { client }),
    ...(requestQueue === undefined ? {} : { requestQueue }),
    ...(listenPort === undefined ? {} : { listenPort }),
    ...(yourIp === undefined ? {} : { yourIp }),
    ...(metadataSize === undefined ? {} : { metadataSize }),
    ...(uploadOnly === undefined ? {} : { uploadOnly: uploadOnly === 1 }),
    ...(prefersEncryption === undefined ? {} : { prefersEncryption: prefersEncryption > 0 }),
  };
  return { handshake, ids };
}

function extensionIds(m: BencodeValue | undefined): Map<string, number> {
  const ids = new Map<string, number>();
  if (!(m instanceof Map)) return ids;
  for (const [name, value] of m) {
    const id = integer(value, 0, 255);
    if (id === undefined || name.length > MAX_NAME_CHARS) continue;
    ids.set(name, id);
    if (ids.size === MAX_EXTENSIONS) break;
  }
  return ids;
}

function integer(value: BencodeValue | undefined, min: number, max: number): number | undefined {
  return typeof value === 'number' && value >= min && value <= max ? value : undefined;
}

function text(value: BencodeValue | undefined): string | undefined {
  if (!(value instanceof Uint8Array) || value.length === 0) return undefined;
  // At most 4 bytes a character: never decodes more than could be kept.
  return new TextDecoder().decode(value.subarray(0, MAX_CLIENT_CHARS * 4)).slice(0, MAX_CLIENT_CHARS);
}

const isIp = ({ length }: Uint8Array): boolean => length === 4 || length === 16;
