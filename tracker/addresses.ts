/**
 * Client addresses as the tracker keeps them: packed into strings, one character a byte, because such a string is
 * a map key, costs little memory, and is already what a compact answer consists of.
 */
import { ipBytes, isUnicast } from '../engine/policy/ip-address.js';

/** 4 characters for IPv4, 16 for IPv6, in network order; IPv4 inside IPv6 is IPv4. */
export type PackedHost = string;
/** A packed host and 2 characters of port: 6 or 18 characters, an entry of `peers` (BEP 23) or `peers6` (BEP 7). */
export type PackedEndpoint = string;

const IPV6_HOST_BYTES = 16;
const PORT_BYTES = 2;

/** Undefined when `text` is not a literal address that a single host can have. */
export function packHost(text: string): PackedHost | undefined {
  const bytes = ipBytes(text);
  return bytes === undefined || !isUnicast(bytes) ? undefined : String.fromCharCode(...bytes);
}

/** The address of a socket's other end; a link-local one comes with its zone (`fe80::1%eth0`). */
export const packSource = (address: string): PackedHost | undefined => packHost(address.replace(/%.*$/s, ''));

/** `port` is 1…65535. */
export const packEndpoint = (host: PackedHost, port: number): PackedEndpoint =>
  host + String.fromCharCode(port >>> 8, port & 0xff);

export const isIpv6Endpoint = (endpoint: PackedEndpoint): boolean =>
  endpoint.length === IPV6_HOST_BYTES + PORT_BYTES;

/** Loopback, private and link-local addresses (RFC 1918, 3927, 4193, 4291): they cannot arrive from the Internet. */
export function isLocalHost(host: PackedHost): boolean {
  const first = host.charCodeAt(0);
  const second = host.charCodeAt(1);
  if (host.length < IPV6_HOST_BYTES) {
    return (
      first === 127 ||
      first === 10 ||
      (first === 172 && (second & 0xf0) === 16) ||
      (first === 192 && second === 168) ||
      (first === 169 && second === 254)
    );
  }
  const uniqueLocal = (first & 0xfe) === 0xfc;
  const linkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  return uniqueLocal || linkLocal || host === IPV6_LOOPBACK;
}

const IPV6_LOOPBACK = `${'\0'.repeat(15)}\x01`;

/**
 * What one party can be assumed to own, for quotas: an IPv4 /24 or an IPv6 /48.
 * Undefined for local hosts: their owner owns the tracker too, so they have no quota.
 * Takes a host or an endpoint.
 */
export function quotaPrefix(address: PackedHost | PackedEndpoint): string | undefined {
  const ipv6 = address.length >= IPV6_HOST_BYTES;
  const host = ipv6 ? address.slice(0, IPV6_HOST_BYTES) : address;
  if (isLocalHost(host)) return undefined;
  return ipv6 ? address.slice(0, 6) : address.slice(0, 3);
}
