/** Which addresses a DHT node may have, who may name them, and the network that one party usually holds whole. */

import { ipBytes } from '../../policy/ip-address.js';
import type { PeerAddress } from '../../units.js';
import { addressScope } from '../address-guard.js';

export interface Network {
  /** /24 of IPv4, /48 of IPv6: what a customer of a hoster or tunnel broker gets whole. */
  readonly key: string;
  /** This machine or its LAN: many nodes may share an address there, and nobody gains by it. */
  readonly local: boolean;
}

/** Undefined where no node can be. */
export function networkOf(host: string): Network | undefined {
  const bytes = ipBytes(host);
  if (bytes === undefined) return undefined;
  const scope = addressScope(bytes);
  if (scope === 'never') return undefined;
  const [a, b, c, d, e, f] = bytes;
  const key = bytes.length === 4 ? `${a}.${b}.${c}` : `${a}.${b}.${c}.${d}.${e}.${f}`;
  return { key, local: scope === 'local' };
}

/** Ports of services that answer strangers at length: a "node" there is somebody's victim. */
const SERVICE_PORTS: ReadonlySet<number> = new Set([19, 53, 69, 111, 123, 137, 161, 389, 1900, 5353, 11211]);

/** Whether a node at `from` may send us to `to`: a public one has no business with this machine's network. */
export function mayName(from: Network, to: PeerAddress): boolean {
  if (SERVICE_PORTS.has(to.port)) return false;
  const network = networkOf(to.host);
  return network !== undefined && (!network.local || from.local);
}
