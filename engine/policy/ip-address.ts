/** IP addresses as bytes, and how far from here they mean the same host; pure, so that policies can ask. */

/** From the narrowest to the widest: an address means the same to all within its scope, and nothing beyond. */
const SCOPES = ['loopback', 'link-local', 'private', 'public'] as const;

export type AddressScope = (typeof SCOPES)[number];

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

export function addressScope(host: string): AddressScope {
  const bytes = hostBytes(host);
  const [first = 0, second = 0] = bytes ?? [];
  if (bytes?.length === 4) {
    if (first === 127) return 'loopback';
    if (first === 169 && second === 254) return 'link-local';
    const isPrivate =
      first === 10 ||
      (first === 172 && second >> 4 === 1) ||
      (first === 192 && second === 168) ||
      (first === 100 && second >> 6 === 1); // RFC 6598: behind the provider's NAT
    return isPrivate ? 'private' : 'public';
  }
  if (bytes?.every((byte, i) => byte === (i === 15 ? 1 : 0))) return 'loopback';
  if (first === 0xfe && second >> 6 === 2) return 'link-local';
  return first >> 1 === 0x7e ? 'private' : 'public';
}

/**
 * Whether somebody at `to` has any use for the address `about`, and, the other way round, may send us there: hosts
 * of a narrower scope are of no use further away, and whoever names them is after our own network.
 */
export function meansSomethingTo(to: string, about: string): boolean {
  const scope = addressScope(about);
  // Of an IPv6 link-local address the zone is ours alone.
  if (scope === 'link-local' && about.includes(':')) return false;
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(addressScope(to));
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
