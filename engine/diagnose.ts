/** Diagnose: checks, one after the other, what this machine and its network need for a swarm, and says what to do. */
import { resolve } from 'node:path';
import { checkDhtEntry, checkDhtNode, checkTracker } from './diagnosis/asked-checks.js';
import { type Finding, good, skipped } from './diagnosis/finding.js';
import {
  checkAddresses,
  checkClock,
  checkFolder,
  checkOpenFiles,
  ownAddresses,
} from './diagnosis/machine-checks.js';
import { checkListening, checkMapping, checkReachability } from './diagnosis/way-in-checks.js';
import { checkBinding, checkProxy, checkWayOut, egressFault } from './diagnosis/way-out-checks.js';
import { type Egress, openEgress } from './egress.js';
import { PUBLIC_DHT, parseProxy } from './options.js';
import { isLoopback } from './policy/address-prefix.js';
import { NO_PORT_MAPPING } from './snapshot.js';
import { thisMachine } from './system.js';
import type { PeerAddress } from './units.js';

export type { Finding, Verdict } from './diagnosis/finding.js';

export interface DiagnoseOptions {
  /** Interface or address to ask everything from. Default: any. */
  readonly bind?: string;
  /** Name servers to ask where `bind` is set. Default: the system's. */
  readonly dnsServers?: readonly string[];
  /** As of an engine: what goes through it is asked through it, the rest is not asked. */
  readonly proxy?: string;
  /** Default: every address, or those of `bind`. */
  readonly listenHost?: string;
  /** 0 lets the system choose. */
  readonly listenPort: number;
  /** Whether the router may be asked to forward the port for a moment. Default: as of an engine. */
  readonly portMapping?: boolean;
  /** Announce URLs to be asked. */
  readonly trackers: readonly string[];
  /** Nodes to be asked; `host` may be a name. */
  readonly dhtNodes: readonly PeerAddress[];
  /** Whom to ask where none is named. Default: as of an engine, the public ones. */
  readonly dhtEntryPoints?: readonly PeerAddress[];
  /** Where downloads would go. */
  readonly downloadFolder: string;
  readonly signal: AbortSignal;
}

/**
 * Contacts the router, whom the options name and, where they do not say otherwise, the public nodes of the DHT. Findings come as they are found.
 * @throws SwarmError USAGE_INVALID_OPTION, or the signal's reason
 */
export async function* diagnose(options: DiagnoseOptions): AsyncGenerator<Finding> {
  const { signal } = options;
  const begunAt = clocks();
  const offsetsMs: number[] = [];
  yield* checkNetwork(options, (atMs) => offsetsMs.push(atMs - Date.now()));
  signal.throwIfAborted();
  yield await checkClock(begunAt, clocks(), offsetsMs);
  yield await checkFolder('state folder', thisMachine().stateDir);
  yield await checkFolder('download folder', resolve(options.downloadFolder));
  yield await checkOpenFiles();
}

/** A goodbye needs a port that could be one. */
const ANY_PORT = 6881;

/** Nothing more than the addresses where nothing may be sent. */
async function* checkNetwork(
  options: DiagnoseOptions,
  onDate: (atMs: number) => void,
): AsyncGenerator<Finding> {
  const { bind, dnsServers } = options;
  const proxy = options.proxy === undefined ? undefined : parseProxy(options.proxy);
  const addresses = ownAddresses();
  yield checkAddresses(addresses);
  let egress: Egress;
  try {
    egress = await openEgress({ bind, dnsServers, proxy });
  } catch (thrown) {
    yield egressFault(thrown);
    return;
  }
  try {
    const { local } = egress;
    if (local !== undefined) yield checkBinding(local.snapshot());
    const hosts = local?.sources() ?? addresses;
    yield* checkWays(
      options,
      egress,
      hosts.map(({ host }) => host),
      onDate,
    );
  } finally {
    egress.local?.close();
  }
}

async function* checkWays(
  options: DiagnoseOptions,
  egress: Egress,
  hosts: readonly string[],
  onDate: (atMs: number) => void,
): AsyncGenerator<Finding> {
  const { signal } = options;
  const { proxy } = egress.binding;
  const isProxied = proxy !== undefined;
  if (isProxied) {
    yield await checkProxy(proxy, signal);
    yield checkReachability({
      interfaceHosts: hosts,
      listenHost: null,
      proxied: true,
      mapping: NO_PORT_MAPPING,
    });
  } else {
    yield await checkWayOut('ipv4', egress);
    yield await checkWayOut('ipv6', egress);
    yield* checkTheWayIn(options, egress, hosts);
  }
  if (options.trackers.length === 0)
    yield skipped('tracker', 'none was named, so none was asked', 'Name one with --tracker URL.');
  for (const url of options.trackers) {
    signal.throwIfAborted();
    yield await checkTracker(url, options.listenPort || ANY_PORT, egress, signal, { onDate });
  }
  signal.throwIfAborted();
  if (isProxied) yield skipped('dht', 'no UDP goes through the proxy', 'See reachability.');
  else yield* checkDht(options, egress);
}

async function* checkDht(
  { dhtNodes, dhtEntryPoints, listenHost = '', signal }: DiagnoseOptions,
  egress: Egress,
): AsyncGenerator<Finding> {
  const isAlone = !thisMachine().discovery || isLoopback(listenHost);
  const entryPoints = dhtEntryPoints ?? (isAlone ? [] : PUBLIC_DHT);
  if (dhtNodes.length === 0 && entryPoints.length > 0) yield await checkDhtEntry(entryPoints, egress, signal);
  else if (dhtNodes.length === 0)
    yield skipped(
      'dht',
      'no node was asked, so nobody knows whether UDP gets through',
      'Leave out --no-dht and SWARM_DISCOVERY=off, or name a node with --dht-bootstrap HOST:PORT.',
    );
  for (const node of dhtNodes) {
    signal.throwIfAborted();
    yield await checkDhtNode(node, egress, signal);
  }
}

async function* checkTheWayIn(
  { listenHost, listenPort, portMapping = thisMachine().discovery, signal }: DiagnoseOptions,
  egress: Egress,
  hosts: readonly string[],
): AsyncGenerator<Finding> {
  const { finding, listening } = await checkListening(listenHost, listenPort, egress);
  yield finding;
  try {
    let mapping = NO_PORT_MAPPING;
    if (!portMapping)
      yield skipped(
        'mapping',
        'the router is not asked',
        'Leave out --no-nat and SWARM_DISCOVERY=off to ask it.',
      );
    else if (listening === null) yield skipped('mapping', 'there is no port to forward', 'See listening.');
    else if (hosts.length === 0) yield good('mapping', 'there is no network to be forwarded from');
    else {
      const checked = await checkMapping(listening.port, egress, signal);
      signal.throwIfAborted();
      mapping = checked.mapping;
      yield checked.finding;
    }
    yield checkReachability({
      interfaceHosts: hosts,
      listenHost: listening?.host ?? null,
      portGiven: listenPort !== 0,
      mapping,
    });
  } finally {
    listening?.close();
  }
}

const clocks = () => ({ wallMs: Date.now(), steadyMs: performance.now() });
