/** Checks of the way in: the port, the router, and what they come to. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Server } from 'node:net';
import { datagramFrom, listenFrom } from '../egress/bound-sockets.js';
import type { Source } from '../egress/socket-binding.js';
import type { Egress } from '../egress.js';
import { networkFault } from '../network-fault.js';
import { type ReachabilityFacts, reachability } from '../policy/reachability.js';
import { PortMapper } from '../reach/mapping/port-mapper.js';
import { routeFrom, systemRoute } from '../reach/mapping/route.js';
import type { PortMappingSnapshot } from '../snapshot.js';
import { secretBytes, systemClock, systemRng } from '../system.js';
import { bad, type Finding, good, warning } from './finding.js';

export interface Listening {
  readonly host: string;
  readonly port: number;
  close(): void;
}

/** Takes the port for both transports, as the engine would, until it is closed. */
export async function checkListening(
  host: string | undefined,
  port: number,
  { local }: Egress,
): Promise<{ readonly finding: Finding; readonly listening: Listening | null }> {
  const server = createServer((socket) => socket.destroy()).on('error', () => {});
  let udp: Socket | undefined;
  const close = (): void => {
    server.close();
    udp?.close();
  };
  try {
    const source = local?.sources().find((each) => host === undefined || host === each.host);
    if (local !== undefined && source === undefined)
      throw Object.assign(new Error('not an address of the interface'), { code: 'EADDRNOTAVAIL' });
    const taken = await listen(server, source ?? host, port);
    udp =
      local === undefined || source === undefined
        ? await bind(host ?? (server.address() as AddressInfo).address, taken)
        : datagramFrom(local, isIPv6(source.host) ? 6 : 4, taken, () => {});
    const where = port === 0 ? `port ${taken}, which the system chose` : `port ${taken}`;
    const finding = good('listening', `connections can be taken on ${where}`, { port: taken });
    return { finding, listening: { host: source?.host ?? host ?? '0.0.0.0', port: taken, close } };
  } catch (thrown) {
    close();
    const errno = (thrown as NodeJS.ErrnoException).code;
    const busy = errno === 'EADDRINUSE';
    const why = busy ? 'another program has it' : networkFault(thrown as NodeJS.ErrnoException);
    const text = `port ${port} cannot be listened on: ${why}`;
    const advice = busy
      ? 'All is well if that program is swarm; otherwise choose another port with --listen.'
      : 'Choose another address or port with --listen.';
    const finding = bad('listening', 'ADDRESS_UNAVAILABLE', text, { advice, details: { port, errno } });
    return { finding, listening: null };
  }
}

/** Has the router forward the port, looks at the result, and has it taken away again. */
export async function checkMapping(
  port: number,
  { local }: Egress,
  signal: AbortSignal,
): Promise<{ readonly finding: Finding; readonly mapping: PortMappingSnapshot }> {
  const findRoute = local === undefined ? systemRoute : () => routeFrom(local);
  const mapper = new PortMapper({ clock: systemClock, rng: systemRng, secretBytes, findRoute });
  try {
    mapper.start({ tcp: port, udp: port });
    await Promise.race([mapper.idle(), aborted(signal)]);
    const mapping = mapper.snapshot();
    return { finding: mappingFinding(mapping), mapping };
  } finally {
    await mapper.close();
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function mappingFinding(mapping: PortMappingSnapshot): Finding {
  const { state, protocol, gateway, externalHost, mappings, message } = mapping;
  const details = { protocol, gateway, externalHost, mappings, failure: mapping.failure };
  if (state !== 'mapped')
    return warning('mapping', message || 'the router takes its time', {
      ...adviceOf(mapping),
      details,
    });
  const ports = mappings.map(({ transport, externalPort }) => `${transport.toUpperCase()} ${externalPort}`);
  const text = `the router ${gateway} forwards ${ports.join(' and ')} by ${NAMES[protocol ?? 'upnp']}`;
  const outside = externalHost === null ? '' : `; its outer address is ${externalHost}`;
  if (message !== '') return warning('mapping', `${text}${outside}; ${message}`, { details });
  return good('mapping', `${text}${outside}`, details);
}

const NAMES = { upnp: 'UPnP', 'nat-pmp': 'NAT-PMP', pcp: 'PCP' } as const;

/** What to do about a mapping that failed is reachability's to say. */
function adviceOf(mapping: PortMappingSnapshot): { readonly advice?: string } {
  const { advice } = reachability({
    ...{ listenHost: '0.0.0.0', interfaceHosts: [], incomingFromOutside: 0, seenAs: null },
    mapping,
  });
  return advice === null ? {} : { advice };
}

/** Nobody has come and nobody was asked how he sees us: that takes a swarm. */
export function checkReachability(facts: Omit<ReachabilityFacts, 'incomingFromOutside' | 'seenAs'>): Finding {
  const found = reachability({ ...facts, incomingFromOutside: 0, seenAs: null });
  const { state, reason, advice } = found;
  const text = `${state}: ${reason}`;
  if (state === 'direct' || state === 'mapped') return good('reachability', text, { ...found });
  return warning('reachability', text, { ...(advice === null ? {} : { advice }), details: { ...found } });
}

/** @returns the port; the system takes IPv4 alone where it has no IPv6 */
async function listen(server: Server, at: string | Source | undefined, port: number): Promise<number> {
  if (typeof at === 'object') listenFrom(server, at, port, () => {});
  else server.listen({ port, ...(at === undefined ? {} : { host: at }) });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function bind(host: string, port: number): Promise<Socket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4').on('error', () => {});
  try {
    socket.bind(port, host);
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
