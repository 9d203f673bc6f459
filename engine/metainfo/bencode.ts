/**
 * Bencode (BEP 3): a strict, iterative, bounded decoder for untrusted bytes, and an encoder for what we send.
 *
 * The package `bencode` only encodes: its decoder hangs or runs out of memory on four bytes (`d-3:`, `l-3:`).
 */
import bencode from 'bencode';

/** An integer is a number when that is exact, else a bigint. A string is a view into the input. */
export type BencodeValue = number | bigint | Uint8Array | BencodeValue[] | BencodeDict;
/** Keys are bytes, written as latin1 ("binary") strings: nothing is lost, and no key can reach a prototype. */
export type BencodeDict = Map<string, BencodeValue>;

export class BencodeError extends Error {
  override readonly name = 'BencodeError';

  constructor(
    readonly reason: string,
    /** Byte at which the input stops being bencode. */
    readonly offset: number,
  ) {
    super(`${reason} at byte ${offset}`);
  }
}

export interface BencodeLimits {
  /** Lists and dictionaries within each other. Default 64. */
  readonly maxDepth?: number;
  /** Strings, integers, keys, and starts and ends of lists and dictionaries: bounds memory. Default 1,000,000. */
  readonly maxTokens?: number;
}

/** Where a value stands in the input: [start, end). */
export interface BencodeSpan {
  readonly start: number;
  readonly end: number;
}

const DEFAULT_MAX_DEPTH = 64;
const DEFAULT_MAX_TOKENS = 1_000_000;
/** The longest keys in use are 32-byte hashes (BEP 52). */
const MAX_KEY_BYTES = 4_096;
/** Digits of the largest 64-bit integers. */
const MAX_INTEGER_DIGITS = 20;
/** No input is longer than a 10-digit number of bytes. */
const MAX_LENGTH_DIGITS = 10;

const EMPTY = new Uint8Array(0);
const EMPTY_DICT: BencodeDict = new Map();

/** @throws BencodeError when `bytes` is not exactly one value, or exceeds a limit */
export function decodeBencode(bytes: Uint8Array, limits: BencodeLimits = {}): BencodeValue {
  const decoder = new Decoder(bytes, limits);
  const value = decoder.decode();
  decoder.expectEnd();
  return value;
}

/** Decodes the value that `bytes` starts with; `end` is where it ends (BEP 9 and 10 append a payload). */
export function decodeBencodePrefix(
  bytes: Uint8Array,
  limits: BencodeLimits = {},
): { value: BencodeValue; end: number } {
  const decoder = new Decoder(bytes, limits);
  const value = decoder.decode();
  return { value, end: decoder.offset };
}

/**
 * Like `decodeBencode`, and tells where the value of `key` of the outermost dictionary stands, so that its raw
 * bytes can be hashed: encoding again what was decoded need not give the same bytes.
 */
export function decodeBencodeWithSpan(
  bytes: Uint8Array,
  key: string,
  limits: BencodeLimits = {},
): { value: BencodeValue; span: BencodeSpan | undefined } {
  const decoder = new Decoder(bytes, limits, key);
  const value = decoder.decode();
  decoder.expectEnd();
  return { value, span: decoder.span };
}

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const COLON = 0x3a;
const DICT = 0x64;
const END = 0x65;
const INTEGER = 0x69;
const LIST = 0x6c;

/** A list or dictionary whose end has not come yet. */
interface OpenContainer {
  readonly value: BencodeValue[] | BencodeDict;
  /** In a dictionary: the key whose value comes next. */
  key: string | undefined;
}

/** V8 makes room for so many items at a list's first one. */
const FIRST_ROOM_ITEMS = 17;

/**
 * A closed list or dictionary without the room that V8 makes ahead: of 1 MB, 262,144 lists of one item took 58 MB
 * of heap, 524,288 empty dictionaries more than 96 MB.
 */
function trimmed(container: BencodeValue[] | BencodeDict): BencodeValue[] | BencodeDict {
  if (!Array.isArray(container)) return container.size === 0 ? EMPTY_DICT : container;
  return container.length < FIRST_ROOM_ITEMS ? container.slice() : container;
}

class Decoder {
  offset = 0;
  span: BencodeSpan | undefined;
  readonly #bytes: Buffer;
  readonly #maxDepth: number;
  readonly #maxTokens: number;
  readonly #spanKey: string | undefined;
  readonly #outer: OpenContainer[] = [];

  constructor(bytes: Uint8Array, limits: BencodeLimits, spanKey?: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = limits.maxDepth ?? DEFAULT_MAX_DEPTH;
    this.#maxTokens = limits.maxTokens ?? DEFAULT_MAX_TOKENS;
    this.#spanKey = spanKey;
  }

  decode(): BencodeValue {
    const outer = this.#outer;
    let spanStart = 0;
    for (let tokens = 1; ; tokens++) {
      if (tokens > this.#maxTokens) this.#fail('too many tokens');
      const open = outer[outer.length - 1];
      const byte = this.#bytes[this.offset];
      let value: BencodeValue;
      if (byte === END && open !== undefined) {
        if (open.key !== undefined) this.#fail('a key without a value');
        this.offset++;
        outer.pop();
        value = trimmed(open.value);
      } else if (open?.value instanceof Map && open.key === undefined) {
        open.key = this.#key(open.value);
        if (outer.length === 1 && open.key === this.#spanKey) spanStart = this.offset;
        continue;
      } else if (byte === LIST || byte === DICT) {
        if (outer.length >= this.#maxDepth) this.#fail('nested too deep');
        this.offset++;
        outer.push({ value: byte === LIST ? [] : new Map(), key: undefined });
        continue;
      } else {
        value = byte === INTEGER ? this.#integer() : this.#string();
      }

      const parent = outer[outer.length - 1];
      if (parent === undefined) return value;
      if (Array.isArray(parent.value)) {
        parent.value.push(value);
        continue;
      }
      const key = parent.key as string;
      if (outer.length === 1 && key === this.#spanKey) this.span = { start: spanStart, end: this.offset };
      parent.value.set(key, value);
      parent.key = undefined;
    }
  }

  expectEnd(): void {
    if (this.offset !== this.#bytes.length) this.#fail('bytes after the end');
  }

  #key(dict: BencodeDict): string {
    const start = this.offset;
    const length = this.#length();
    if (length > MAX_KEY_BYTES) this.#fail('key too long', start);
    const key = this.#bytes.toString('latin1', this.offset, this.offset + length);
    this.offset += length;
    if (dict.has(key)) this.#fail('duplicate key', start);
    return key;
  }

  #string(): Uint8Array {
    const length = this.#length();
    const start = this.#bytes.byteOffset + this.offset;
    this.offset += length;
    return length === 0 ? EMPTY : new Uint8Array(this.#bytes.buffer, start, length);
  }

  /** Reads `<digits>:` and checks that as many bytes follow. */
  #length(): number {
    const start = this.offset;
    const digits = this.#digits(MAX_LENGTH_DIGITS, 'length');
    if (this.#bytes[this.offset] !== COLON) this.#failHere('":" expected');
    this.offset++;
    if (digits > this.#bytes.length - this.offset) this.#fail('string beyond the end', start);
    return digits;
  }

  #integer(): number | bigint {
    this.offset++;
    const start = this.offset;
    const negative = this.#bytes[start] === MINUS;
    if (negative) this.offset++;
    const magnitude = this.#digits(MAX_INTEGER_DIGITS, 'integer');
    if (negative && magnitude === 0) this.#fail('negative zero', start);
    if (this.#bytes[this.offset] !== END) this.#failHere('"e" expected');
    const exact = Number.isSafeInteger(magnitude);
    const value = exact
      ? negative
        ? -magnitude
        : magnitude
      : BigInt(this.#bytes.toString('latin1', start, this.offset));
    this.offset++;
    return value;
  }

  /** Exact up to 2^53; beyond, only that it is beyond is sure. */
  #digits(maxDigits: number, what: string): number {
    const start = this.offset;
    let value = 0;
    for (;;) {
      const byte = this.#bytes[this.offset];
      if (byte === undefined || byte < ZERO || byte > NINE) break;
      if (this.offset - start === maxDigits) this.#fail(`${what} too long`, start);
      value = value * 10 + (byte - ZERO);
      this.offset++;
    }
    if (this.offset === start) this.#failHere('digit expected');
    if (this.#bytes[start] === ZERO && this.offset - start > 1) this.#fail('leading zero', start);
    return value;
  }

  #failHere(reason: string): never {
    this.#fail(this.offset >= this.#bytes.length ? 'cut short' : reason);
  }

  #fail(reason: string, offset = this.offset): never {
    throw new BencodeError(reason, offset);
  }
}

/** What can be encoded. In an object, undefined leaves the key out; numbers must be safe integers. */
export type EncodableValue =
  | string
  | number
  | bigint
  | Uint8Array
  | readonly EncodableValue[]
  | ReadonlyMap<string, EncodableValue>
  | { readonly [key: string]: EncodableValue | undefined };

/**
 * Canonical bencode: keys sorted by their bytes, whatever the order given. Text, keys of objects included, is
 * encoded as UTF-8; keys of Maps are latin1 bytes, as the decoder gives them.
 * @throws TypeError for a number that is not a safe integer: the package would write another one
 */
export function encodeBencode(value: EncodableValue): Uint8Array {
  return bencode.encode(toPackageValue(value));
}

/** A dictionary key as bytes that the package sorts, by its string form, into byte order. */
class KeyBytes extends Uint8Array {
  override toString(): string {
    return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString('latin1');
  }
}

type PackageValue = string | number | Uint8Array | PackageValue[] | Map<string | KeyBytes, PackageValue>;

function toPackageValue(value: EncodableValue): PackageValue {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value === 'number' || typeof value === 'bigint') return toSafeNumber(value);
  if (isList(value)) return value.map(toPackageValue);
  const dict = new Map<string | KeyBytes, PackageValue>();
  if (isMap(value)) {
    for (const [key, item] of value) dict.set(toPackageKey(key, 'latin1'), toPackageValue(item));
  } else {
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined) dict.set(toPackageKey(key, 'utf8'), toPackageValue(item));
    }
  }
  return dict;
}

const isList = (value: EncodableValue): value is readonly EncodableValue[] => Array.isArray(value);
const isMap = (value: EncodableValue): value is ReadonlyMap<string, EncodableValue> => value instanceof Map;

function toPackageKey(key: string, encoding: 'latin1' | 'utf8'): string | KeyBytes {
  if (/^[\x20-\x7e]*$/.test(key)) return key;
  return new KeyBytes(Buffer.from(key, encoding));
}

function toSafeNumber(value: number | bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new TypeError(`bencode: ${value} is not a safe integer`);
}
