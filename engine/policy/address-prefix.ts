/** Address prefix: the network that one party usually holds whole, the unit of fairness between addresses. */

/**
 * The /24 of an IPv4 address (also of an IPv4-mapped one), the /64 of an IPv6 address, as a key.
 * Anything else is its own prefix.
 */
export function addressPrefix(host: string): string {
  const mapped = /^(?:0*:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  const address = mapped?.[1] ?? host;
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.') + 1) || address;
  const zone = address.indexOf('%');
  const [head = '', tail] = (zone < 0 ? address : address.slice(0, zone)).split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    const afterCount = after.length + (tail.includes('.') ? 1 : 0);
    while (groups.length + afterCount < 8) groups.push('0');
    groups.push(...after);
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** This machine itself: its programs share the address, so it is never blamed as a whole. */
export const isLoopback = (host: string): boolean => /^127\.|^::1$|^(?:0*:)*:?ffff:127\./i.test(host);
