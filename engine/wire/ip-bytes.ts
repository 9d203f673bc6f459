/** IP addresses as 4 or 16 bytes, as `yourip` of BEP 10 carries them; and as the host that a limit is kept for. */
import { isIPv4 } from 'node:net';

/** `ip` is a literal address. An IPv6 scope is left out. */
export function packIp(ip: string): Uint8Array {
  if (isIPv4(ip)) return Uint8Array.from(ip.split('.'), Number);
  // The URL parser knows every way to write an IPv6 address, embedded IPv4 included.
  const plain = new URL(`http://[${ip.split('%')[0]}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Undefined unless `bytes` are 4 or 16. */
export function unpackIp(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const parts: string[] = [];
  for (let i = 0; i < 16; i += 2) parts.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return new URL(`http://[${parts.join(':')}]`).hostname.slice(1, -1);
}

/** One IPv4 address, or the /64 that one IPv6 host commonly has to itself. */
export function hostKey(address: string): string {
  return isIPv4(address) || address.startsWith('::ffff:')
    ? address
    : Buffer.from(packIp(address)).toString('hex', 0, 8);
}

const groups = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
