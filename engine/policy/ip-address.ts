/** IP addresses as bytes, and from where in the world they can be reached; pure, so that policies can ask. */

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
 * 4 bytes for IPv4 and IPv4 inside IPv6, else 16; a zone (`%eth0`) is left out. Undefined for what is no literal
 * address.
 */
export function hostBytes(host: string): Uint8Array | undefined {
  const zone = host.indexOf('%');
  const plain = zone < 0 ? host : host.slice(0, zone);
  if (!plain.includes(':')) return dotted(plain);
  const lastColon = plain.lastIndexOf(':');
  const embedded = plain.includes('.') ? dotted(plain.slice(lastColon + 1)) : undefined;
  if (plain.includes('.') && embedded === undefined) return undefined;
  const text =
    embedded === undefined ? plain : plain.slice(0, lastColon + 1) + groupsOf(embedded).map(hex).join(':');
  const groups = expand(text);
  if (groups === undefined) return undefined;
  const bytes = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
  return isMapped(bytes) ? bytes.subarray(12) : bytes;
}

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

function dotted(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255))
    return undefined;
  return Uint8Array.from(parts, Number);
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

const groupsOf = (bytes: Uint8Array): number[] => [
  ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0),
  ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0),
];

const hex = (group: number): string => group.toString(16);

const isMapped = (bytes: Uint8Array): boolean =>
  bytes.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff));
