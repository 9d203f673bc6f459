/** Network checks: ways out, listening, the router, trackers and DHT nodes that the user names; nobody else is asked. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Server } from 'node:net';
import { parseTrackerUrl } from '../discovery/address-guard.js';
import type { AnnounceRequest } from '../discovery/announce.js';
import { TrackerEndpoint } from '../discovery/tracker-endpoint.js';
import { UdpTrackerSockets } from '../discovery/udp-tracker.js';
import { closeQuietly, datagramFrom, listenFrom } from '../egress/bound-sockets.js';
import type { Egress } from '../egress/egress.js';
import { greetProxy } from '../egress/proxied-sockets.js';
import type { SocketBinding, Source } from '../egress/socket-binding.js';
import { SwarmError, toSwarmError } from '../errors.js';
import { decodeBencode, encodeBencode } from '../metainfo/bencode.js';
import { networkFault } from '../network-fault.js';
import { reachability } from '../policy/reachability.js';
import { PortMapper } from '../reach/mapping/port-mapper.js';
import { routeFrom, systemRoute } from '../reach/mapping/route.js';
import type { BindingSnapshot, PortMappingSnapshot } from '../snapshot.js';
import { secretBytes, secretInt, systemClock, systemRng } from '../system.js';
import type { PeerAddress } from '../units.js';
import { USER_AGENT } from '../version.js';
import { createPeerId } from '../wire/peer-id.js';
import { bad, type Finding, good, warning } from './finding.js';

/** Documentation addresses: a connected UDP socket finds its route and sends nothing. */
const ELSEWHERE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;
const TRACKER_MS = 10_000;
const DHT_ATTEMPTS_MS = [1_000, 2_000];

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
export async function checkWayOut(family: 'ipv4' | 'ipv6', { binding }: Egress): Promise<Finding> {
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
  let socket: Socket | undefined;
  try {
    binding.sourceFor(ELSEWHERE[family]);
    socket = datagramFrom(binding, family === 'ipv4' ? 4 : 6, 0, () => {});
    socket.connect(9, ELSEWHERE[family]);
    await once(socket, 'connect');
    const address = socket.address().address.replace(/^::ffff:/, '');
    return good(family, `there is a way out over ${name}, from ${address}`, { localHost: address });
  } catch {
    const advice =
      family === 'ipv4'
        ? 'Check the network connection: this machine has no default route.'
        : "Switch on IPv6 in the router's settings, if the provider has it: more peers can reach us then.";
    return warning(family, `there is no way out over ${name}`, { advice });
  } finally {
    if (socket !== undefined) closeQuietly(socket);
  }
}

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

export function checkReachability(
  interfaceHosts: readonly string[],
  listenHost: string | null,
  mapping: PortMappingSnapshot,
  proxied = false,
): Finding {
  const facts = { interfaceHosts, listenHost, proxied, mapping, incomingFromOutside: 0, seenAs: null };
  const found = reachability(facts);
  const { state, reason, advice } = found;
  const text = `${state}: ${reason}`;
  if (state === 'direct' || state === 'mapped') return good('reachability', text, { ...found });
  return warning('reachability', text, { ...(advice === null ? {} : { advice }), details: { ...found } });
}

/** Says goodbye to a swarm that nobody has: the tracker answers, and has nothing to remember. */
export async function checkTracker(
  url: string,
  port: number,
  { binding, resolveToConnect: resolve, local }: Egress,
  signal: AbortSignal,
): Promise<Finding> {
  const udp = new UdpTrackerSockets({ clock: systemClock, binding });
  const startedAt = performance.now();
  let shown = url;
  let externalIp: string | null = null;
  try {
    shown = parseTrackerUrl(url).text;
    const endpoint = new TrackerEndpoint(url, {
      ...{ resolve, binding, udp, userAgent: USER_AGENT },
      families: binding.proxy === undefined && local !== undefined ? local.families : [4, 6],
    });
    const request: AnnounceRequest = {
      ...{ infoHash: secretBytes(20), peerId: createPeerId(secretBytes(12)), key: secretInt(2 ** 32), port },
      ...{ uploadedBytes: 0, downloadedBytes: 0, leftBytes: 0 },
      event: 'stopped',
      numWant: 0,
    };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(TRACKER_MS)]);
    await endpoint.announce(request, limited, (answer) => {
      externalIp = answer.externalIp ?? externalIp;
    });
    const ms = Math.round(performance.now() - startedAt);
    return good('tracker', `${shown} answers after ${ms} ms`, { url: shown, ms, externalIp });
  } catch (thrown) {
    const { code, message } = trackerError(thrown);
    const ms = Math.round(performance.now() - startedAt);
    // Some serve only the torrents that they know.
    if (code === 'TRACKER_REFUSED')
      return good('tracker', `${shown} answers after ${ms} ms, for its own torrents only`, {
        url: shown,
        ms,
      });
    return bad('tracker', code, `${shown}: ${message}`, {
      advice: 'Try again later, or from another network: some block trackers.',
      details: { url: shown, code },
    });
  } finally {
    udp.close();
  }
}

function trackerError(thrown: unknown): SwarmError {
  if (thrown instanceof Error && thrown.name === 'TimeoutError')
    return new SwarmError('TRACKER_UNREACHABLE', `no answer in ${TRACKER_MS / 1000} s`);
  return toSwarmError(thrown, 'TRACKER_UNREACHABLE');
}

/** Asks a node of the DHT whether it is there (`ping` of BEP 5). */
export async function checkDhtNode(
  node: PeerAddress,
  { binding, resolve }: Egress,
  signal: AbortSignal,
): Promise<Finding> {
  const shown = `${node.host} port ${node.port}`;
  const advice = 'Try another node; where none answers, this network blocks UDP.';
  try {
    const [host] = isLiteral(node.host) ? [node.host] : await resolve(node.host, signal);
    if (host === undefined) throw new Error('the name has no address');
    const startedAt = performance.now();
    const answered = await ping({ host, port: node.port }, binding, signal);
    const ms = Math.round(performance.now() - startedAt);
    const details = { host, port: node.port, ms };
    if (answered) return good('dht', `the node ${shown} answers after ${ms} ms`, details);
    return bad('dht', 'PEERS_NONE', `the node ${shown} does not answer`, { advice, details });
  } catch (thrown) {
    signal.throwIfAborted();
    const message = thrown instanceof SwarmError ? thrown.message : networkFault(thrown as Error);
    return bad('dht', 'PEERS_NONE', `the node ${shown}: ${message}`, { advice, details: { ...node } });
  }
}

function ping({ host, port }: PeerAddress, binding: SocketBinding, signal: AbortSignal): Promise<boolean> {
  const transaction = secretBytes(4);
  const query = encodeBencode({
    a: { id: secretBytes(20) },
    q: new TextEncoder().encode('ping'),
    t: transaction,
    y: new TextEncoder().encode('q'),
  });
  return new Promise((resolve, reject) => {
    binding.sourceFor(host);
    const socket = datagramFrom(binding, isIPv6(host) ? 6 : 4, 0, (error) => settle(() => reject(error)));
    const timers: NodeJS.Timeout[] = [];
    let settled = false;
    const settle = (run: () => void): void => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      closeQuietly(socket);
      run();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const send = (): void => {
      if (!settled) socket.send(query);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.on('message', (packet) => {
      if (isPong(packet, transaction)) settle(() => resolve(true));
    });
    socket.connect(port, host, () => {
      send();
      let at = 0;
      for (const ms of DHT_ATTEMPTS_MS) {
        at += ms;
        const isLast = ms === DHT_ATTEMPTS_MS.at(-1);
        timers.push(setTimeout(isLast ? () => settle(() => resolve(false)) : send, at));
      }
    });
  });
}

function isPong(packet: Uint8Array, transaction: Uint8Array): boolean {
  try {
    const answer = decodeBencode(packet);
    if (!(answer instanceof Map)) return false;
    const [id, values] = [answer.get('t'), answer.get('r')];
    return id instanceof Uint8Array && Buffer.from(id).equals(transaction) && values instanceof Map;
  } catch {
    return false;
  }
}

const isLiteral = (host: string): boolean => isIPv6(host) || /^\d+\.\d+\.\d+\.\d+$/.test(host);

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
