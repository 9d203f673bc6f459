/**
 * Sources: where a torrent file says that peers and data can be found. All of it is optional; what is malformed
 * is dropped, so that an odd entry does not cost the download. Whether a URL is one to talk to is for its user to judge.
 */
import type { BencodeDict, BencodeValue } from './bencode.js';
import type { TextDecoding } from './fields.js';

/** More than the longest lists seen in the wild. */
const MAX_URLS = 500;
const MAX_URL_BYTES = 2_048;
const MAX_NODES = 100;
/** Longest host name (RFC 1035). */
const MAX_HOST_BYTES = 253;

/** BEP 12: `announce-list`, else `announce` alone. A tracker that is listed twice keeps its first tier. */
export function parseTrackers(root: BencodeDict, text: TextDecoding): readonly (readonly string[])[] {
  const seen = new Set<string>();
  const list = root.get('announce-list');
  const tiers = (Array.isArray(list) ? list : []).map((tier) => parseUrls(tier, text, seen));
  if (seen.size === 0) tiers.push(parseUrls(root.get('announce'), text, seen));
  return tiers.filter((tier) => tier.length > 0);
}

/** BEP 19: a list, or one URL by itself. */
export const parseWebSeeds = (value: BencodeValue | undefined, text: TextDecoding): readonly string[] =>
  parseUrls(value, text, new Set());

/** One URL or a list of them, without those already in `seen`, which is added to. */
function parseUrls(value: BencodeValue | undefined, text: TextDecoding, seen: Set<string>): string[] {
  const urls: string[] = [];
  for (const item of Array.isArray(value) ? value : [value]) {
    if (!(item instanceof Uint8Array) || item.length > MAX_URL_BYTES || seen.size >= MAX_URLS) continue;
    const url = text.decode(item).trim();
    if (url === '' || seen.has(url)) continue;
    seen.add(url);
    urls.push(url);
  }
  return urls;
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
