/** Egress: by which way everything that the engine sends leaves, as the options say. */
import { isIP } from 'node:net';
import { boundResolve } from './discovery/bound-resolve.js';
import { type Resolve, systemResolve } from './discovery/resolve.js';
import { proxiedBinding } from './egress/proxied-sockets.js';
import { type SocketBinding, UNBOUND } from './egress/socket-binding.js';
import { SwarmError } from './errors.js';
import { type EngineOptions, type ProxyOptions, parseProxy } from './options.js';
import { addressKind } from './policy/ip-address.js';
import { LocalBinding } from './reach/local-binding.js';
import { systemClock } from './system.js';
import { withinTime } from './time-limit.js';

export interface Egress {
  /** The interface or address, where one was chosen. */
  readonly local: LocalBinding | undefined;
  readonly binding: SocketBinding;
  readonly resolve: Resolve;
  /** How those look up names who connect to them: through a proxy it is the proxy's task. */
  readonly resolveToConnect: Resolve | 'by-proxy';
}

interface Chosen {
  readonly bind: string | undefined;
  readonly dnsServers: readonly string[] | undefined;
  readonly proxy: ProxyOptions | undefined;
}

/** To be closed by `local.close()`. @throws SwarmError ADDRESS_UNAVAILABLE */
export async function openEgress({ bind: target, dnsServers, proxy }: Chosen): Promise<Egress> {
  const local = target === undefined ? undefined : await LocalBinding.open({ target, clock: systemClock });
  const from = local ?? UNBOUND;
  const resolve = local === undefined ? systemResolve : boundResolve(local, dnsServers);
  if (proxy === undefined) return { local, binding: from, resolve, resolveToConnect: resolve };
  try {
    const host = isIP(proxy.host) === 0 ? await hostOf(proxy, resolve) : proxy.host;
    if (local !== undefined) assertReaches(local, host);
    const binding = proxiedBinding({ ...proxy, host }, from);
    return { local, binding, resolve: refuseNames, resolveToConnect: 'by-proxy' };
  } catch (error) {
    local?.close();
    throw error;
  }
}

/** The same for who has the options of an engine and none yet. */
export function egressOf({ bind, dnsServers, proxy }: EngineOptions): Promise<Egress> {
  return openEgress({ bind, dnsServers, proxy: proxy === undefined ? undefined : parseProxy(proxy) });
}

/** What is sent to loopback from an interface that is bound to goes nowhere, and nobody says so. */
function assertReaches(local: LocalBinding, host: string): void {
  const isHere = (address: string): boolean => addressKind(address) === 'loopback';
  if (!isHere(host) || local.sources().some((source) => isHere(source.host))) return;
  const { target } = local.snapshot();
  throw new SwarmError(
    'ADDRESS_UNAVAILABLE',
    `the proxy ${host} is on this machine itself, where ${target} does not lead`,
    { host },
    { hint: 'Leave out --bind and have the proxy send by that interface, or name a proxy beyond it.' },
  );
}

const RESOLVE_MS = 10_000;

async function hostOf({ host }: ProxyOptions, resolve: Resolve): Promise<string> {
  try {
    const [first] = await withinTime(RESOLVE_MS, (limited) => resolve(host, limited));
    if (first !== undefined) return first;
  } catch {
    // as when there is none
  }
  throw new SwarmError(
    'ADDRESS_UNAVAILABLE',
    `the name ${host} of the proxy cannot be resolved`,
    { host },
    { hint: 'See that --proxy names it rightly, or give its address.' },
  );
}

const refuseNames: Resolve = async (host) => {
  throw new SwarmError(
    'ADDRESS_UNAVAILABLE',
    `the name ${host} is not looked up, as that would go around the proxy`,
    { host },
    { hint: 'Give its address.' },
  );
};
