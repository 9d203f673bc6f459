/**
 * UPnP search: nat-upnp's SSDP search, on the one interface that leads to the router, with answers judged before the
 * package reads them: short, from our network, and naming no other host than the one that they come from.
 */
import type { Socket } from 'node:dgram';
import type { Client, Ssdp } from 'nat-upnp';
import { closeQuietly, datagramFrom } from '../../egress/bound-sockets.js';
import { sourceOf } from '../../egress/socket-binding.js';
import { unmappedHost } from '../../policy/ip-address.js';
import type { Clock } from '../../ports.js';
import { asMillis } from '../../units.js';
import { mappingError } from './failure.js';
import { isOnLan, type Route } from './route.js';

/** URLs of descriptions, the most promising first; at least one. @throws SwarmError ADDRESS_NOT_MAPPED */
export type SearchRouters = (
  client: Client,
  route: Route,
  clock: Clock,
  signal: AbortSignal,
) => Promise<readonly URL[]>;

/** The second version answers to the first's name too, but not every router knows that. */
const TARGETS = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`);
/** Routers answer within the second that the search allows them (MX). */
const SEARCH_MS = 2_000;
/** Multicasts get lost, on Wi-Fi above all. */
const REPEAT_MS = 700;
/** Routers that a network can have; others that answer are tried no more. */
const MAX_ROUTERS = 4;
const MAX_ANSWER_CHARACTERS = 2_048;

/** Resolves at once when the default gateway answers, else with whoever answered in two seconds. */
export const searchRouters: SearchRouters = (client, route, clock, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const found = new Map<string, URL>();
    const searches: { emit(event: 'end'): boolean }[] = [];
    const settle = (run: () => void): void => {
      for (const timer of timers) timer.cancel();
      for (const search of searches) search.emit('end');
      signal.removeEventListener('abort', abort);
      run();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const end = (): void =>
      settle(() => {
        if (found.size > 0) resolve([...found.values()]);
        else reject(mappingError('no-answer', 'no router answers to UPnP'));
      });
    const onDevice = ({ location }: { readonly location?: unknown }): void => {
      const url = new URL(String(location)); // judged by `guardAnswers`
      if (url.hostname === route.gateway) settle(() => resolve([url]));
      else if (found.size < MAX_ROUTERS) found.set(url.hostname, url);
    };
    const search = (): void => {
      for (const target of TARGETS) searches.push(client.ssdp.search(target).on('device', onDevice));
    };
    const after = (ms: number, run: () => void) => clock.schedule(asMillis(clock.now() + ms), run);
    const timers = [after(REPEAT_MS, search), after(SEARCH_MS, end)];
    signal.addEventListener('abort', abort, { once: true });
    search();
  });

/**
 * Takes over the sockets of a client that was made in this very tick: the package opens one on every address, leaks
 * those that do not open, and dies of the second fault of one. @returns closes them
 */
export function guardSearch({ ssdp }: Client, route: Route): () => void {
  const all = [...ssdp.sockets];
  const bound = boundSocket(ssdp, route);
  let ours: Socket | undefined;
  const close = (socket: Socket): void => {
    if (socket === ours || socket === bound) ours = undefined;
    closeQuietly(socket);
  };
  if (bound !== undefined) bound.once('close', () => close(bound));
  // A fresh list each time: the package removes sockets from it, and sometimes the wrong one.
  Object.defineProperty(ssdp, 'sockets', { get: () => (ours === undefined ? [] : [ours]) });
  for (const socket of all) socket.on('error', () => close(socket)).unref();
  // By then the package has noted on each what address it is for, in the place of the method.
  process.nextTick(() => {
    const own = all.find(({ address }) => (address as unknown) === route.localHost);
    ours = route.binding === undefined ? own : bound;
    for (const socket of all) if (socket !== ours) closeQuietly(socket);
    // The package begins when it hears of one of its own.
    if (bound !== undefined) own?.emit('listening');
  });
  guardAnswers(ssdp, route);
  // Not before the package has bound them: it would throw where nobody catches.
  return () => process.nextTick(() => [...all, ...(bound === undefined ? [] : [bound])].forEach(close));
}

/** Undefined without a binding, and where it leads nowhere now: then nobody is asked. */
function boundSocket(ssdp: Ssdp, { binding, localHost }: Route): Socket | undefined {
  if (binding === undefined || sourceOf(binding, 4) === undefined) return undefined;
  try {
    const socket = datagramFrom(binding, 4, 0, () => {});
    socket.on('message', (packet, { address }) =>
      ssdp.parseResponse(packet.toString(), localHost, { address: unmappedHost(address) }),
    );
    return socket.unref();
  } catch {
    return undefined;
  }
}

function guardAnswers(ssdp: Ssdp, { gateway }: Route): void {
  const parse = ssdp.parseResponse;
  ssdp.parseResponse = (response, localHost, remote) => {
    if (response.length > MAX_ANSWER_CHARACTERS) return;
    if (remote.address !== gateway && !isOnLan(remote.address)) return;
    const location = /^location:[ \t]*(\S+)/im.exec(response)?.[1];
    if (location === undefined || !URL.canParse(location)) return;
    const { protocol, hostname } = new URL(location);
    if (protocol === 'http:' && hostname === remote.address) parse.call(ssdp, response, localHost, remote);
  };
}
