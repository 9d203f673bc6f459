/**
 * Fields: reads one value of a decoded torrent file at a time. What is required and wrong is refused with the
 * field's name and value; what is optional and wrong is as if it were not there.
 */
import { isUtf8 } from 'node:buffer';
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

/** What ICU puts for bytes that are not text; GB18030, UTF-16 and the byte 1A say the same and mean it. */
const SUBSTITUTE = /[\x1a\ufffd]/;
/** Times that a decoder is asked whether it was meant: it throws when not, 5 us each, and a torrent has a million strings. */
const MAX_SECOND_LOOKS = 1_000;

/**
 * Decodes the text of one torrent: UTF-8, else what its `encoding` names, else latin1, in which every byte is a character.
 * What is neither is told without a throw, so that it costs as much as what is.
 */
export class TextDecoding {
  readonly #legacy: { readonly lenient: TextDecoder; readonly strict: TextDecoder } | undefined;
  #secondLooks = MAX_SECOND_LOOKS;

  /** `encoding`: the label that the torrent gives; one that is not known is as none. */
  constructor(encoding: BencodeValue | undefined) {
    if (!(encoding instanceof Uint8Array) || encoding.length > SHOWN_CHARACTERS) return;
    const label = decodeUtf8Loosely(encoding);
    try {
      this.#legacy = { lenient: new TextDecoder(label), strict: new TextDecoder(label, { fatal: true }) };
    } catch {
      // A label that no decoder knows.
    }
  }

  decode(bytes: Uint8Array): string {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return isUtf8(bytes) ? buffer.toString('utf8') : (this.#decodeLegacy(bytes) ?? buffer.toString('latin1'));
  }

  /** Undefined when it is not what the torrent says. */
  #decodeLegacy(bytes: Uint8Array): string | undefined {
    if (this.#legacy === undefined) return undefined;
    const text = this.#legacy.lenient.decode(bytes);
    if (!SUBSTITUTE.test(text)) return text;
    if (this.#secondLooks-- <= 0) return undefined;
    try {
      return this.#legacy.strict.decode(bytes);
    } catch {
      return undefined;
    }
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
