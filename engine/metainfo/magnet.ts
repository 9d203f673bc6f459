/** Magnet: parses magnet links (BEP 9, 19, 53). Never expands, never throws anything but a coded error. */
import { SwarmError } from '../errors.js';
import { asInfoHash, type InfoHash } from '../units.js';

export interface Magnet {
  readonly infoHash: InfoHash;
  /** `dn`. Untrusted text. */
  readonly name: string | null;
  /** `tr`, each once. Untrusted text. */
  readonly trackers: readonly string[];
  /** `ws`, each once. Untrusted text. */
  readonly webSeeds: readonly string[];
  /** `x.pe`; `host` may be a name. Untrusted text. */
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  /** `so`: files to choose, as ranges of indices, both ends included; null is all of them. */
  readonly files: readonly (readonly [first: number, last: number])[] | null;
}

const MAX_LINK_CHARS = 64 * 1024;
/** Of each kind of address. */
const MAX_ADDRESSES = 500;
const MAX_ADDRESS_CHARS = 2_048;
const MAX_RANGES = 1_000;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** @throws SwarmError INPUT_INVALID, or TORRENT_NOT_SUPPORTED for a link to a v2-only torrent (BEP 52) */
export function parseMagnet(link: string): Magnet {
  if (!/^magnet:\?/i.test(link)) throw invalid('a magnet link begins with magnet:?', link);
  if (link.length > MAX_LINK_CHARS)
    throw invalid(`a magnet link has at most ${MAX_LINK_CHARS} characters, this has ${link.length}`, link);
  const parameters = new Parameters(link.slice(link.indexOf('?') + 1));
  const chosen = parameters.all('so');
  return {
    infoHash: infoHashOf(parameters.all('xt'), link),
    name: parameters.all('dn')[0]?.replaceAll('+', ' ') ?? null,
    trackers: addresses(parameters.all('tr')),
    webSeeds: addresses(parameters.all('ws')),
    peers: addresses(parameters.all('x.pe')).flatMap(parsePeer),
    files: chosen.length === 0 ? null : parseRanges(chosen.join(',')),
  };
}

/** Decoded values by key, in order. A numbered key (`tr.1`) is one more of its kind. */
class Parameters {
  readonly #values = new Map<string, string[]>();

  constructor(query: string) {
    for (const part of query.split('&')) {
      const equals = part.indexOf('=');
      const key = part
        .slice(0, Math.max(0, equals))
        .toLowerCase()
        .replace(/\.\d+$/, '');
      const values = this.#values.get(key) ?? [];
      values.push(decode(part.slice(equals + 1)));
      this.#values.set(key, values);
    }
  }

  all(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }
}

/** A link that somebody broke while copying is taken as it is, where decoding it would throw. */
function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function infoHashOf(topics: readonly string[], link: string): InfoHash {
  for (const topic of topics) {
    const [, hash = ''] = /^urn:btih:(.*)$/i.exec(topic) ?? [];
    if (/^[0-9a-f]{40}$/i.test(hash)) return asInfoHash(hash);
    if (/^[a-z2-7]{32}$/i.test(hash)) return asInfoHash(base32ToHex(hash.toLowerCase()));
  }
  if (topics.some((topic) => /^urn:btmh:/i.test(topic)))
    throw new SwarmError('TORRENT_NOT_SUPPORTED', 'the link names a v2 torrent only (BEP 52)', {
      link: link.slice(0, 200),
    });
  throw invalid('a magnet link names its torrent by xt=urn:btih: and 40 hex or 32 base32 digits', link);
}

/** 5 bits a digit (RFC 4648), so 32 digits are 40 hex digits. */
function base32ToHex(digits: string): string {
  let value = 0n;
  for (const digit of digits) value = value * 32n + BigInt(BASE32.indexOf(digit));
  return value.toString(16).padStart(40, '0');
}

function addresses(values: readonly string[]): readonly string[] {
  const sane = values.filter((value) => value !== '' && value.length <= MAX_ADDRESS_CHARS);
  return [...new Set(sane)].slice(0, MAX_ADDRESSES);
}

/** `host:port` or `[ipv6]:port`; none for anything else. */
function parsePeer(text: string): { host: string; port: number }[] {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([^\s:[\]/]{1,253})):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port >= 1 && port <= 65_535 ? [{ host, port }] : [];
}

/** BEP 53: `0,2,4-6`. What is no range is left out. */
function parseRanges(text: string): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const part of text.split(',', MAX_RANGES)) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
    if (match === null) continue;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (first <= last) ranges.push([first, last]);
  }
  return ranges;
}

const invalid = (message: string, link: string): SwarmError =>
  new SwarmError('INPUT_INVALID', message, { link: link.slice(0, 200) });
