/**
 * Fields: reads one value of a decoded torrent file at a time. What is required and wrong is refused with the
 * field's name and value; what is optional and wrong is as if it were not there.
 */
import { TextDecoder } from 'node:util';
import { type ErrorCode, SwarmError } from '../errors.js';
import type { BencodeDict, BencodeValue } from './bencode.js';

/** Characters of a foreign value that an error repeats. */
const SHOWN_CHARACTERS = 100;

/** Controls beyond ASCII, bidi controls and other characters without a shape, and spaces that are not the space. */
const INVISIBLE = /(?! )[\p{C}\p{Z}]/gu;

/** A refusal. `problem` follows the field's name: "must be …". */
export function refuse(
  field: string,
  value: BencodeValue | string | undefined,
  problem: string,
  code: ErrorCode = 'TORRENT_INVALID',
): SwarmError {
  const shown = describeValue(value);
  return new SwarmError(code, `"${field}" ${problem}: ${shown}`, { field, value: shown });
}

function describeValue(value: BencodeValue | string | undefined): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a dictionary of ${value.size}`;
  const text = typeof value === 'string' ? value : decodeUtf8Loosely(value.subarray(0, SHOWN_CHARACTERS));
  const quoted = JSON.stringify(
    text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text,
  );
  return quoted.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

const decodeUtf8Loosely = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

export function asDict(value: BencodeValue | undefined, field: string): BencodeDict {
  if (value instanceof Map) return value;
  throw refuse(field, value, 'must be a dictionary');
}

export function asList(value: BencodeValue | undefined, field: string): BencodeValue[] {
  if (Array.isArray(value)) return value;
  throw refuse(field, value, 'must be a list');
}

export function asBytes(value: BencodeValue | undefined, field: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw refuse(field, value, 'must be a string');
}

/** A number from `min` to `max`, both safe integers. */
export function asWhole(value: BencodeValue | undefined, field: string, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw refuse(field, value, `must be a whole number from ${min} to ${max}`);
}

/** Decodes the text of one torrent: UTF-8, else what its `encoding` names, else latin1, in which every byte is a character. */
export class TextDecoding {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #legacy: TextDecoder | undefined;

  /** `encoding`: the label that the torrent gives; one that is not known is as none. */
  constructor(encoding: BencodeValue | undefined) {
    if (!(encoding instanceof Uint8Array) || encoding.length > SHOWN_CHARACTERS) return;
    try {
      this.#legacy = new TextDecoder(decodeUtf8Loosely(encoding), { fatal: true });
    } catch {
      // A label that no decoder knows.
    }
  }

  decode(bytes: Uint8Array): string {
    try {
      return this.#utf8.decode(bytes);
    } catch {
      // Not UTF-8.
    }
    try {
      if (this.#legacy !== undefined) return this.#legacy.decode(bytes);
    } catch {
      // Not what the torrent says either.
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }

  /** The first of `keys` that holds a string, decoded. */
  optional(dict: BencodeDict, ...keys: readonly string[]): string | null {
    for (const key of keys) {
      const value = dict.get(key);
      if (value instanceof Uint8Array) return this.decode(value);
    }
    return null;
  }
}
