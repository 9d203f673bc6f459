/**
 * Writes bencode as the DHT needs it: what was decoded comes out canonical, integers beyond 2^53 exact (BEP 44 signs
 * and hashes values that strangers made), and values that are encoded already are put in as they are.
 */
import type { BencodeValue } from '../../metainfo/bencode.js';

/** Bencode, to be written as it is. */
export class Encoded {
  constructor(readonly bytes: Uint8Array) {}
}

export type Writable =
  | BencodeValue
  | string
  | Encoded
  | readonly Writable[]
  | { readonly [key: string]: Writable | undefined };

/** Text as UTF-8; keys of objects are ASCII; undefined leaves a key out. */
export function writeBencode(value: Writable): Buffer {
  const parts: Buffer[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

const END = Buffer.from('e');
const LIST = Buffer.from('l');
const DICT = Buffer.from('d');

function write(value: Writable, parts: Buffer[]): void {
  if (typeof value === 'number' || typeof value === 'bigint') parts.push(Buffer.from(`i${value}e`));
  else if (typeof value === 'string') writeBytes(Buffer.from(value), parts);
  else if (value instanceof Uint8Array) writeBytes(value, parts);
  else if (value instanceof Encoded) parts.push(view(value.bytes));
  else if (isList(value)) {
    parts.push(LIST);
    for (const item of value) write(item, parts);
    parts.push(END);
  } else {
    parts.push(DICT);
    // Keys hold one byte a character, so the order of strings is that of bytes.
    const pairs = value instanceof Map ? [...value] : Object.entries(value);
    for (const [key, item] of pairs.sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (item === undefined) continue;
      writeBytes(Buffer.from(key, 'latin1'), parts);
      write(item, parts);
    }
    parts.push(END);
  }
}

function writeBytes(bytes: Uint8Array, parts: Buffer[]): void {
  parts.push(Buffer.from(`${bytes.length}:`), view(bytes));
}

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const isList = (value: Writable): value is readonly Writable[] => Array.isArray(value);
