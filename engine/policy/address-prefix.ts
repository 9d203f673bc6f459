/** Address prefix: the network that one party usually holds whole, the unit of fairness between addresses. */
import { addressKind, hostBytes } from './ip-address.js';

/**
 * The /24 of an IPv4 address (also of an IPv4-mapped one), the /64 of an IPv6 address, as a key.
 * Anything else is its own prefix.
 */
export const addressPrefix = (host: string): string => leadingBytes(host, 3, 8);

/** The same with another number of bytes for each family. */
export function leadingBytes(host: string, ofIpv4: number, ofIpv6: number): string {
  const bytes = hostBytes(host);
  if (bytes === undefined) return host;
  return bytes.subarray(0, bytes.length === 4 ? ofIpv4 : ofIpv6).join('.');
}

/** This machine itself: its programs share the address, so it is never blamed as a whole. */
export const isLoopback = (host: string): boolean => addressKind(host) === 'loopback';
