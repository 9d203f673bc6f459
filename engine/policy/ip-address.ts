/** IP addresses as bytes and as text, and from where in the world they can be reached; pure, so that policies can ask. */

/**
 * From where in the world an address can be reached (RFC 6890). `public`: from anywhere. `shared`: from a provider's
 * network (RFC 6598, carrier NAT). `private`: from a home or office network. `link`: from one cable. `loopback`: from
 * this machine. `none`: from nowhere, or not an address.
 */
export type AddressKind = 'public' | 'shared' | 'private' | 'link' | 'loopback' | 'none';

/** The wider it is, the more hosts an address means the same to. What is reached from nowhere is nobody's secret. */
const WIDTH: Readonly<Record<AddressKind, number>> = {
  loopback: 0,
  link: 1,
  private: 2,
  shared: 2,
  none: 3,
  public: 3,
};

/**
 * The bytes of a literal address in network order: 4 for IPv4 and for IPv4 inside IPv6, else 16.
 * Undefined for anything that is not a plain literal: names, zones (`%eth0`), short or octal IPv4 forms.
 */
export function ipBytes(host: string): Uint8Array | undefined {
  if (!host.includes(':')) return dotted(host);
  const lastColon = host.lastIndexOf(':');
  const embedded = host.includes('.') ? dotted(host.slice(lastColon + 1)) : undefined;
  if (host.includes('.') && embedded === undefined) return undefined;
  const text =
    embedded === undefined ? host : host.slice(0, lastColon + 1) + groupsOf(embedded).map(hex).join(':');
  const groups = expand(text);
  if (groups === undefined) return undefined;
  const bytes = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
  return unmapped(bytes);
}

/** The same of an address that may have a zone (`%eth0`), which is left out. */
export function hostBytes(host: string): Uint8Array | undefined {
  const zone = host.indexOf('%');
  return ipBytes(zone < 0 ? host : host.slice(0, zone));
}

/** Canonical text of 4 or 16 address bytes (RFC 5952); IPv4 inside IPv6 comes out as IPv4. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, got ${bytes.length}`);
  if (isMapped(bytes)) return bytes.subarray(12).join('.');
  const groups = groupsOf(bytes);
  const gap = longestZeroRun(groups);
  const texts = groups.map(hex);
  if (gap.length < 2) return texts.join(':');
  return `${texts.slice(0, gap.start).join(':')}::${texts.slice(gap.start + gap.length).join(':')}`;
}

/** The one canonical text of a literal address; undefined when `host` is none. */
export function canonicalHost(host: string): string | undefined {
  const bytes = ipBytes(host);
  return bytes === undefined ? undefined : ipText(bytes);
}

/** IPv4 inside IPv6 as IPv4. */
export const unmapped = (bytes: Uint8Array): Uint8Array => (isMapped(bytes) ? bytes.subarray(12) : bytes);

/** The same of a text, whose zone stays: sockets of both families show IPv4 as `::ffff:1.2.3.4`. */
export const unmappedHost = (host: string): string => host.replace(/^::ffff:(?=[\d.]+$)/i, '');

/** False for addresses that no single host can have: this-network, multicast, reserved, unspecified. */
export function isUnicast(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  if (bytes.length === 4) return first > 0 && first < 224;
  if (first === 0xff) return false;
  return bytes.some((byte) => byte !== 0);
}

/** Who a limit is kept for: one IPv4 address, or the /64 that one IPv6 host commonly has to itself. */
export function hostKey(host: string): string {
  const bytes = hostBytes(host);
  if (bytes === undefined) return host;
  return ipText(bytes.length === 16 ? bytes.map((byte, i) => (i < 8 ? byte : 0)) : bytes);
}

/** Of an address that is one, zone or not. */
export const familyOf = (host: string): 4 | 6 => (host.includes(':') ? 6 : 4);

export function addressKind(host: string): AddressKind {
  const bytes = hostBytes(host);
  if (bytes === undefined) return 'none';
  return bytes.length === 4 ? kind4(bytes) : kind6(bytes);
}

/**
 * Whether somebody at `to` has any use for the address `about`, and, the other way round, may send us there: hosts
 * of a narrower scope are of no use further away, and whoever names them is after our own network.
 */
export function meansSomethingTo(to: string, about: string): boolean {
  const kind = addressKind(about);
  // Of an IPv6 link-local address the zone is ours alone.
  if (kind === 'link' && about.includes(':')) return false;
  return WIDTH[kind] >= WIDTH[addressKind(to)];
}

function kind4([a = 0, b = 0, c = 0]: Uint8Array): AddressKind {
  if (a === 0 || a >= 224) return 'none'; // this network, multicast, reserved
  if (a === 127) return 'loopback';
  if (a === 10 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168)) return 'private';
  if (a === 169 && b === 254) return 'link';
  if (a === 100 && b >> 6 === 1) return 'shared';
  if (a === 192 && b === 0 && (c === 0 || c === 2)) return 'none'; // protocol assignments, documentation
  if (a === 198 && b >> 1 === 9) return 'private'; // benchmarking networks
  if ((a === 198 && b === 51 && c === 100) || (a === 203 && b === 0 && c === 113)) return 'none'; // documentation
  return 'public';
}

/** All global unicast is in 2000::/3. */
function kind6(bytes: Uint8Array): AddressKind {
  if (bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))) return 'loopback';
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (a >> 1 === 0x7e) return 'private';
  if (a === 0xfe && b >> 6 === 2) return 'link';
  if (a >> 5 !== 1) return 'none';
  const isTeredoOrDocumentation =
    a === 0x20 && b === 0x01 && ((c === 0 && d === 0) || (c === 0x0d && d === 0xb8));
  return isTeredoOrDocumentation ? 'none' : 'public';
}

const [DOT, ZERO, NINE] = [46, 48, 57];

/** By its characters: a DHT lookup reads thousands, and with `split` and a pattern they were a third of its time. */
function dotted(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let at = 0;
  let value: number | undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (value === undefined || at === 3) return undefined;
      bytes[at++] = value;
      value = undefined;
      continue;
    }
    // No leading zeros: others read them as octal.
    if (code < ZERO || code > NINE || value === 0) return undefined;
    value = (value ?? 0) * 10 + code - ZERO;
    if (value > 255) return undefined;
  }
  if (value === undefined || at !== 3) return undefined;
  bytes[3] = value;
  return bytes;
}

/** The eight groups of an IPv6 address without a dotted part. */
function expand(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = [...head, ...(tail ?? [])];
  if (!given.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - given.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const zeros = new Array<string>(missing).fill('0');
  return [...head, ...zeros, ...(tail ?? [])].map((group) => Number.parseInt(group, 16));
}

function groupsOf(bytes: Uint8Array): number[] {
  const groups: number[] = [];
  for (let at = 0; at < bytes.length; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  return groups;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}

const hex = (group: number): string => group.toString(16);

/** ::ffff:0:0/96, the IPv4 addresses inside IPv6. */
const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff));
