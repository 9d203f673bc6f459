/** Checks of the way out: which addresses and interfaces packets leave by, and the proxy. */
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { closeQuietly, datagramFrom } from '../egress/bound-sockets.js';
import { greetProxy } from '../egress/proxied-sockets.js';
import type { SocketBinding } from '../egress/socket-binding.js';
import type { Egress } from '../egress.js';
import { toSwarmError } from '../errors.js';
import { addressKind, unmappedHost } from '../policy/ip-address.js';
import type { BindingSnapshot } from '../snapshot.js';
import { bad, type Finding, good, warning } from './finding.js';

/** Documentation addresses: a connected UDP socket finds its route and sends nothing. */
const ELSEWHERE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;

const NO_IPV6 =
  "Switch on IPv6 in the router's settings, if the provider has it: more peers can reach us then.";

/** Why there is no way to send by: the binding's fault, which names its target, or the proxy's. */
export function egressFault(thrown: unknown): Finding {
  const { code, message, hint, details } = toSwarmError(thrown, 'ADDRESS_UNAVAILABLE');
  return bad('target' in details ? 'binding' : 'proxy', code, message, {
    ...(hint === undefined ? {} : { advice: hint }),
    details,
  });
}

/** Whether it answers, and takes the user name and password where there are some. */
export async function checkProxy(
  proxy: NonNullable<SocketBinding['proxy']>,
  signal: AbortSignal,
): Promise<Finding> {
  const { host, port } = proxy;
  const startedAt = performance.now();
  try {
    await greetProxy(proxy, signal);
    const ms = Math.round(performance.now() - startedAt);
    return good('proxy', `the proxy ${host} port ${port} answers after ${ms} ms`, { host, port, ms });
  } catch (thrown) {
    signal.throwIfAborted();
    return egressFault(thrown);
  }
}

export function checkBinding({ target, hosts, pinned }: BindingSnapshot): Finding {
  const details = { target, hosts, pinned };
  const text = `everything leaves by ${target}, from ${hosts.join(' and ')}`;
  if (pinned) return good('binding', `${text}; the kernel keeps it there`, details);
  return warning('binding', `${text}, as long as the routes lead there`, {
    advice: `When ${target} goes down, a packet may leave another way for up to a tenth of a second.`,
    details,
  });
}

/** Whether the system knows a way out, and the address of ours that it would use. */
export async function checkWayOut(family: 'ipv4' | 'ipv6', { binding, local }: Egress): Promise<Finding> {
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
  let socket: Socket | undefined;
  try {
    binding.sourceFor(ELSEWHERE[family]);
    socket = datagramFrom(binding, family === 'ipv4' ? 4 : 6, 0, () => {});
    socket.connect(9, ELSEWHERE[family]);
    await once(socket, 'connect');
    const address = unmappedHost(socket.address().address);
    if (family === 'ipv6' && ['private', 'link', 'loopback'].includes(addressKind(address)))
      return warning(
        family,
        `${address} is an address for the own network: from it no IPv6 Internet is reached`,
        {
          advice: NO_IPV6,
          details: { localHost: address },
        },
      );
    return good(family, `there is a way out over ${name}, from ${address}`, { localHost: address });
  } catch {
    if (local !== undefined)
      return warning(family, `there is no way out over ${name} by ${local.snapshot().target}`, {
        advice: 'Choose with --bind what leads to the Internet, if something does.',
      });
    const advice =
      family === 'ipv4' ? 'Check the network connection: this machine has no default route.' : NO_IPV6;
    return warning(family, `there is no way out over ${name}`, { advice });
  } finally {
    if (socket !== undefined) closeQuietly(socket);
  }
}
