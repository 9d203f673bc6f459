/** Route: by which of our addresses and which gateway this machine reaches the Internet over IPv4. */
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { type SocketBinding, sourceOf } from '../../egress/socket-binding.js';
import { type Interfaces, ownInterfaces } from '../../own-interfaces.js';
import { addressKind } from '../../policy/ip-address.js';

export interface Route {
  /** Null where the system does not tell: then only who answers a multicast can be asked. */
  readonly gateway: string | null;
  readonly localHost: string;
  /** What is sent to the router leaves by it. Default: the system says by which way. */
  readonly binding?: SocketBinding | undefined;
}

export type FindRoute = () => Promise<Route | undefined>;

const RTF_UP = 1;
const RTF_GATEWAY = 2;

/** Linux tells in a file; elsewhere an address of our own on a private network is all that is known. */
export const systemRoute: FindRoute = async () => {
  const table = await readFile('/proc/net/route', 'utf8').catch(() => undefined);
  return table === undefined ? likelyRoute(ownInterfaces()) : defaultRoute(table, ownInterfaces());
};

/** The same by the one address of a binding alone; none while there is none. */
export async function routeFrom(binding: SocketBinding): Promise<Route | undefined> {
  const { host, device } = sourceOf(binding, 4) ?? { host: '', device: '' };
  const own = ownInterfaces()[device]?.filter(({ address }) => address === host) ?? [];
  const table = await readFile('/proc/net/route', 'utf8').catch(() => undefined);
  const only = { [device]: own };
  const route = table === undefined ? likelyRoute(only) : defaultRoute(table, only);
  return route && { ...route, binding };
}

/** @param table the text of /proc/net/route: one route a line, addresses as hexadecimal in the machine's byte order */
export function defaultRoute(table: string, interfaces: Interfaces): Route | undefined {
  const routes = table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , flags, , , , mask]) => {
      const bits = Number.parseInt(flags ?? '', 16);
      return (
        destination === '00000000' &&
        mask === '00000000' &&
        (bits & (RTF_UP | RTF_GATEWAY)) === (RTF_UP | RTF_GATEWAY)
      );
    })
    .map(([device = '', , gateway = '', , , , metric]) => ({ device, gateway, metric: Number(metric) }))
    .sort((a, b) => a.metric - b.metric);
  for (const { device, gateway } of routes) {
    const own = (interfaces[device] ?? []).filter(({ family }) => family === 'IPv4');
    const host = hexAddress(gateway);
    if (host === undefined) continue;
    const local = own.find(({ address, netmask }) => sameNetwork(address, host, netmask)) ?? own[0];
    if (local !== undefined) return { gateway: host, localHost: local.address };
  }
  return undefined;
}

/** Without a routing table: our first address on a private network. */
export function likelyRoute(interfaces: Interfaces): Route | undefined {
  const own = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal, address }) => family === 'IPv4' && !internal && isOnLan(address));
  return own === undefined ? undefined : { gateway: null, localHost: own.address };
}

/** Where a home router can be: never on the Internet, never this machine. */
export const isOnLan = (host: string): boolean => ['private', 'shared', 'link'].includes(addressKind(host));

function hexAddress(hex: string): string | undefined {
  if (!/^[0-9a-f]{8}$/i.test(hex)) return undefined;
  const bytes = [...Buffer.from(hex, 'hex')];
  return (endianness() === 'LE' ? bytes.reverse() : bytes).join('.');
}

function sameNetwork(a: string, b: string, mask: string): boolean {
  const [first, second, bits] = [a, b, mask].map((text) => text.split('.').map(Number));
  return (bits ?? []).every((byte, at) => ((first?.[at] ?? 0) & byte) === ((second?.[at] ?? 0) & byte));
}
