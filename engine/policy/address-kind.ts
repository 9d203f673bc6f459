/** Address kind: from where in the world a literal IPv4 or IPv6 address can be reached (RFC 6890). */

/**
 * `public`: from anywhere. `shared`: from a provider's network (RFC 6598, carrier NAT). `private`: from a home or
 * office network. `link`: from one cable. `loopback`: from this machine. `none`: from nowhere, or not an address.
 */
export type AddressKind = 'public' | 'shared' | 'private' | 'link' | 'loopback' | 'none';

export function addressKind(host: string): AddressKind {
  const mapped = /^(?:0*:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  const address = mapped?.[1] ?? host;
  return address.includes(':') ? kind6(address) : kind4(address);
}

function kind4(address: string): AddressKind {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address)) return 'none';
  const bytes = address.split('.').map(Number);
  const [a = 0, b = 0, c = 0] = bytes;
  if (bytes.some((byte) => byte > 255) || a === 0 || a >= 224) return 'none';
  if (a === 127) return 'loopback';
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return 'private';
  if (a === 169 && b === 254) return 'link';
  if (a === 100 && b >= 64 && b < 128) return 'shared';
  if (a === 192 && b === 0 && (c === 0 || c === 2)) return 'none'; // protocol assignments, documentation
  if (a === 198 && (b === 18 || b === 19)) return 'private'; // benchmarking networks
  if ((a === 198 && b === 51 && c === 100) || (a === 203 && b === 0 && c === 113)) return 'none'; // documentation
  return 'public';
}

/** By its first group: all global unicast is in 2000::/3. */
function kind6(address: string): AddressKind {
  if (!/^[0-9a-f:.]+(?:%\S+)?$/i.test(address)) return 'none';
  if (/^(?:0*:)*:?0*1$/.test(address)) return 'loopback';
  const first = Number.parseInt(address.split(':')[0] || '0', 16);
  if ((first & 0xfe00) === 0xfc00) return 'private';
  if ((first & 0xffc0) === 0xfe80) return 'link';
  if ((first & 0xe000) !== 0x2000) return 'none';
  if (/^2001:0*db8:/i.test(address)) return 'none'; // documentation
  if (/^2001:(?:0*:|:)/.test(address)) return 'none'; // Teredo
  return 'public';
}
