/**
 * Keeps trackers from making us talk to whom we should not: a torrent is a stranger's list of URLs that this
 * machine opens from inside its network. A name is resolved once a request, every address is judged, and the
 * connection goes to exactly the judged addresses.
 *
 * Public addresses are fine. Loopback and LAN are fine for a URL that looks like a tracker's, unless this
 * tracker was public before: then a redirect or a changed DNS answer leads inside. Link-local addresses and
 * cloud metadata services are never talked to. A name that only a proxy looks up may be anywhere: on the proxy's
 * own machine and network too, so its URL has to look like a tracker's as well.
 */
import { isIP } from 'node:net';
import { SwarmError } from '../errors.js';
import { canonicalHost, ipBytes } from '../policy/ip-address.js';
import type { Resolve } from './resolve.js';

export interface TrackerUrl {
  readonly scheme: 'http' | 'https' | 'udp';
  /** A name, or a canonical literal without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Empty, or starting with `?`. */
  readonly query: string;
  /** Value of the `Authorization` header, for the first hop only. */
  readonly authorization: string | undefined;
  /** For people: without credentials. */
  readonly text: string;
}

/** One address that was judged; `family` is 4 or 6. */
export interface JudgedAddress {
  readonly host: string;
  readonly family: 4 | 6;
}

const MAX_URL_CHARACTERS = 2_048;
const DEFAULT_PORT = { http: 80, https: 443, udp: 80 } as const;
/** Addresses of one family that are tried for one request. */
const MAX_ADDRESSES_PER_FAMILY = 4;
/** Hosts of one tracker whose addresses are remembered: itself and its redirects. */
const MAX_REMEMBERED_HOSTS = 4;

/** `/announce`, `/scrape`, with `.php`, with a passkey before or after: what may be asked of a local host. */
const TRACKER_PATH =
  /^(?:\/[\w-]{1,128})?\/(?:announce|scrape)(?:\.php)?$|^\/announce(?:\.php)?\/[\w-]{1,128}$/;

/**
 * Reads `http:`, `https:` and `udp:` URLs; odd notations of an IPv4 host (`127.1`, `0x7f000001`) come out
 * canonical. A `udp:` URL is read by the rules of `http:`, as the URL standard leaves its host unchecked.
 * @throws SwarmError TRACKER_FORBIDDEN_ADDRESS for everything else
 */
export function parseTrackerUrl(text: string): TrackerUrl {
  const scheme = /^(https?|udp):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https' && scheme !== 'udp')
    throw forbidden('a tracker URL starts with http://, https:// or udp://', text);
  if (text.length > MAX_URL_CHARACTERS) throw forbidden('the tracker URL is too long', text);
  const standard = scheme === 'udp' ? `http${text.slice(3)}` : text;
  if (!URL.canParse(standard)) throw forbidden('not a URL', text);
  const url = new URL(standard);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  const host = canonicalHost(bare) ?? bare;
  const port = url.port === '' ? DEFAULT_PORT[scheme] : Number(url.port);
  if (port === 0) throw forbidden('a tracker has no port 0', text);
  const credentials = `${safeDecode(url.username)}:${safeDecode(url.password)}`;
  return {
    scheme,
    host,
    port,
    path: url.pathname,
    query: url.search,
    authorization: credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
    text: `${scheme}://${url.hostname}${port === DEFAULT_PORT[scheme] && scheme !== 'udp' ? '' : `:${port}`}${url.pathname}${url.search}`,
  };
}

/** A URL, or what was meant to be one, as it may be shown: without credentials, bounded. */
export function withoutCredentials(text: string): string {
  const url = text.slice(0, MAX_URL_CHARACTERS);
  const [start = '', scheme = ''] = /^([a-z]+:\/*)[^/?#]*@/i.exec(url) ?? [];
  return scheme + url.slice(start.length);
}

/** Who can be behind an address: anybody, this machine and its network, or nobody that a torrent may name. */
export function addressScope(bytes: Uint8Array): 'public' | 'local' | 'never' {
  return bytes.length === 4 ? scope4(bytes) : scope6(bytes);
}

/**
 * Whether a tracker at these addresses may send us to `host`. One on the Internet has no business with this
 * machine's own services or its links; it may know peers of our LAN, as those of providers do.
 */
export function mayNamePeer(tracker: readonly JudgedAddress[], host: string): boolean {
  const bytes = ipBytes(host);
  if (bytes === undefined || addressScope(bytes) === 'never') return false;
  const isPublic = tracker.some((address) => {
    const its = ipBytes(address.host);
    // A name that is left to a proxy.
    return its === undefined || addressScope(its) === 'public';
  });
  return !isPublic || !isLoopback(bytes);
}

const isLoopback = (bytes: Uint8Array): boolean =>
  bytes.length === 4 ? bytes[0] === 127 : hasPrefix(bytes, '00000000000000000000000000000001');

/**
 * Why a URL may not be asked at addresses that are inside, or at a name that a proxy looks up, which may be;
 * undefined: it may.
 */
export type InsideRule = (url: TrackerUrl, addresses: readonly JudgedAddress[]) => string | undefined;

/** Judges one tracker's addresses, its redirects included; lives as long as the tracker is used. */
export class AddressGuard {
  readonly #resolve: Resolve | 'by-proxy';
  readonly #insideRule: InsideRule;
  readonly #remembered = new Map<string, readonly JudgedAddress[]>();
  #wasPublic = false;

  /**
   * @param resolve `by-proxy` leaves names as they are: whoever connects looks them up
   * @param insideRule default: what looks like a tracker's may be asked
   */
  constructor(resolve: Resolve | 'by-proxy', insideRule: InsideRule = onlyTrackers) {
    this.#resolve = resolve;
    this.#insideRule = insideRule;
  }

  /**
   * The addresses to connect to for `url`, IPv4 before IPv6, at least one. With `reuse` those of the last time:
   * a goodbye must not wait for DNS.
   * @throws SwarmError TRACKER_FORBIDDEN_ADDRESS, TRACKER_UNREACHABLE, or the signal's reason
   */
  async admit(url: TrackerUrl, signal: AbortSignal, reuse = false): Promise<readonly JudgedAddress[]> {
    const remembered = this.#remembered.get(url.host);
    if (reuse && remembered !== undefined) return remembered;
    const isLeft = this.#resolve === 'by-proxy' && ipBytes(url.host) === undefined;
    const addresses = isLeft ? this.#judgeName(url) : this.#judge(url, await this.#lookup(url.host, signal));
    if (this.#remembered.size >= MAX_REMEMBERED_HOSTS) this.#remembered.clear();
    this.#remembered.set(url.host, addresses);
    return addresses;
  }

  async #lookup(host: string, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    if (ipBytes(host) !== undefined || this.#resolve === 'by-proxy') return [host];
    return await this.#resolve(host, signal);
  }

  /** Names of the proxy's own machine and network are for nobody. */
  #judgeName(url: TrackerUrl): readonly JudgedAddress[] {
    const name = url.host.toLowerCase().replace(/\.$/, '');
    if (!name.includes('.') || /\.(?:localhost|local|internal|home\.arpa)$/.test(name))
      throw forbidden(`${url.host} is no public name`, url.text);
    const addresses: readonly JudgedAddress[] = [{ host: url.host, family: 4 }];
    this.#demandRule(url, addresses);
    this.#wasPublic = true;
    return addresses;
  }

  #judge(url: TrackerUrl, hosts: readonly string[]): readonly JudgedAddress[] {
    const inside: JudgedAddress[] = [];
    const outside: JudgedAddress[] = [];
    for (const host of hosts) {
      const bytes = ipBytes(host);
      const canonical = canonicalHost(host);
      if (bytes === undefined || canonical === undefined) continue;
      const address: JudgedAddress = { host: canonical, family: bytes.length === 4 ? 4 : 6 };
      const scope = addressScope(bytes);
      if (scope === 'public') outside.push(address);
      else if (scope === 'local') inside.push(address);
    }
    // A name that is both is used as the public one that it claims to be.
    if (outside.length > 0) {
      this.#wasPublic = true;
      return bounded(outside);
    }
    if (inside.length === 0)
      throw forbidden(
        `${url.host} is at no address that may be asked: it is link-local, reserved or the like`,
        url.text,
      );
    if (this.#wasPublic)
      throw forbidden(`a public tracker leads to the local address of ${url.host}`, url.text);
    this.#demandRule(url, inside);
    return bounded(inside);
  }

  #demandRule(url: TrackerUrl, addresses: readonly JudgedAddress[]): void {
    const reason = this.#insideRule(url, addresses);
    if (reason !== undefined) throw forbidden(reason, url.text);
  }
}

/** A UDP tracker is only ever sent the tracker protocol's own 16 bytes first, so it may come without a path. */
function onlyTrackers({ scheme, path }: TrackerUrl, [first]: readonly JudgedAddress[]): string | undefined {
  if (TRACKER_PATH.test(path) || (scheme === 'udp' && path === '/')) return undefined;
  const isName = first !== undefined && ipBytes(first.host) === undefined;
  return isName
    ? 'only /announce is asked of a name that the proxy looks up: it may be inside its network'
    : 'on this machine and its network only /announce is asked';
}

function bounded(addresses: readonly JudgedAddress[]): readonly JudgedAddress[] {
  const family = (wanted: 4 | 6) =>
    addresses.filter((address) => address.family === wanted).slice(0, MAX_ADDRESSES_PER_FAMILY);
  return [...family(4), ...family(6)];
}

function forbidden(reason: string, url: string): SwarmError {
  return new SwarmError('TRACKER_FORBIDDEN_ADDRESS', reason, { url: withoutCredentials(url) });
}

function scope4(bytes: Uint8Array): 'public' | 'local' | 'never' {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (a === 0 || a >= 224) return 'never'; // this network, multicast, reserved
  if (a === 169 && b === 254) return 'never'; // link-local, where clouds keep their metadata service
  if (a === 192 && b === 0 && c === 0) return 'never'; // IETF protocol assignments
  if (a === 100 && b === 100 && c === 100 && d === 200) return 'never'; // a cloud's metadata service
  if (a === 127 || a === 10) return 'local';
  if (a === 172 && b >= 16 && b < 32) return 'local';
  if (a === 192 && b === 168) return 'local';
  if (a === 100 && b >= 64 && b < 128) return 'local'; // shared by carrier NAT
  if (a === 198 && (b === 18 || b === 19)) return 'local'; // benchmarking networks
  return 'public';
}

function scope6(bytes: Uint8Array): 'public' | 'local' | 'never' {
  if (hasPrefix(bytes, '00000000000000000000000000000001')) return 'local'; // ::1
  if (hasPrefix(bytes, '000000000000000000000000')) return 'never'; // unspecified, IPv4-compatible
  if (hasPrefix(bytes, '00000000000000000000ffff')) return scope4(bytes.subarray(12));
  // Addresses that a gateway turns into an IPv4 address: only public ones have a business being written so.
  if (hasPrefix(bytes, '0064ff9b0000000000000000')) return onlyPublic(bytes.subarray(12)); // NAT64
  if (hasPrefix(bytes, '2002')) return onlyPublic(bytes.subarray(2, 6)); // 6to4
  if (hasPrefix(bytes, '0064ff9b0001')) return 'never'; // NAT64 of a local network
  if (hasPrefix(bytes, '20010000')) return 'never'; // Teredo
  if (hasPrefix(bytes, 'fd000ec2')) return 'never'; // a cloud's metadata service
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  if (first === 0xff || (first === 0xfe && second >= 0x80)) return 'never'; // multicast, link- and site-local
  if ((first & 0xfe) === 0xfc) return 'local'; // unique local addresses
  return 'public';
}

const onlyPublic = (bytes: Uint8Array): 'public' | 'never' =>
  scope4(bytes) === 'public' ? 'public' : 'never';

const hasPrefix = (bytes: Uint8Array, hex: string): boolean =>
  Buffer.from(bytes.subarray(0, hex.length / 2)).toString('hex') === hex;

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The name for TLS: literals have none. */
export const tlsServerName = (host: string): string => (isIP(host) === 0 ? host : '');
