/**
 * Sources: where a torrent file says that peers and data can be found. All of it is optional; what is malformed
 * is dropped, so that an odd entry does not cost the download. Whether a URL is one to talk to is for its user to judge.
 */
import type { BencodeDict, BencodeValue } from './bencode.js';
import type { TextDecoding } from './fields.js';

/** More than the longest lists seen in the wild. */
const MAX_URLS = 500;
const MAX_URL_BYTES = 2_048;
/** Looked at, whatever becomes of them: the same one again, or what is none, would cost without end. */
const MAX_URL_ITEMS = 10 * MAX_URLS;
const MAX_NODES = 100;
/** Longest host name (RFC 1035). */
const MAX_HOST_BYTES = 253;

/** BEP 12: `announce-list`, else `announce` alone. A tracker that is listed twice keeps its first tier. */
export function parseTrackers(root: BencodeDict, text: TextDecoding): readonly (readonly string[])[] {
  const urls = new UrlReader(text);
  const list = root.get('announce-list');
  const tiers = (Array.isArray(list) ? list : []).map((tier) => urls.read(tier));
  if (tiers.every((tier) => tier.length === 0)) tiers.push(new UrlReader(text).read(root.get('announce')));
  return tiers.filter((tier) => tier.length > 0);
}

/** BEP 19: a list, or one URL by itself. */
export const parseWebSeeds = (value: BencodeValue | undefined, text: TextDecoding): readonly string[] =>
  new UrlReader(text).read(value);

/** Reads the URLs of one torrent, each but once. */
class UrlReader {
  readonly #text: TextDecoding;
  readonly #seen = new Set<string>();
  #itemsLeft = MAX_URL_ITEMS;

  constructor(text: TextDecoding) {
    this.#text = text;
  }

  /** One URL or a list of them, without those that it has read before. */
  read(value: BencodeValue | undefined): string[] {
    const urls: string[] = [];
    for (const item of Array.isArray(value) ? value : [value]) {
      if (this.#seen.size >= MAX_URLS || this.#itemsLeft-- <= 0) break;
      if (!(item instanceof Uint8Array) || item.length > MAX_URL_BYTES) continue;
      const url = this.#text.decode(item).trim();
      if (url === '' || this.#seen.has(url)) continue;
      this.#seen.add(url);
      urls.push(url);
    }
    return urls;
  }
}

/** BEP 5: pairs of host and port. */
export function parseNodes(
  value: BencodeValue | undefined,
  text: TextDecoding,
): readonly { readonly host: string; readonly port: number }[] {
  const nodes: { host: string; port: number }[] = [];
  for (const pair of Array.isArray(value) ? value : []) {
    if (!Array.isArray(pair) || nodes.length >= MAX_NODES) continue;
    const [host, port] = pair;
    if (!(host instanceof Uint8Array) || host.length === 0 || host.length > MAX_HOST_BYTES) continue;
    if (typeof port !== 'number' || port < 1 || port > 65_535) continue;
    nodes.push({ host: text.decode(host), port });
  }
  return nodes;
}
