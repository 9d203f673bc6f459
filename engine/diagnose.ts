/** Diagnose: checks, one after the other, what this machine and its network need for a swarm, and says what to do. */
import { resolve } from 'node:path';
import { type Finding, good, skipped } from './diagnosis/finding.js';
import {
  checkAddresses,
  checkClock,
  checkFolder,
  checkOpenFiles,
  ownAddresses,
} from './diagnosis/machine-checks.js';
import {
  checkDhtNode,
  checkListening,
  checkMapping,
  checkReachability,
  checkTracker,
  checkWayOut,
} from './diagnosis/network-checks.js';
import { NO_PORT_MAPPING } from './snapshot.js';
import { thisMachine } from './system.js';
import type { PeerAddress } from './units.js';

export type { Finding, Verdict } from './diagnosis/finding.js';

export interface DiagnoseOptions {
  /** Default: every address. */
  readonly listenHost?: string;
  /** 0 lets the system choose. */
  readonly listenPort: number;
  /** Whether the router may be asked to forward the port for a moment. */
  readonly portMapping: boolean;
  /** Announce URLs to be asked. */
  readonly trackers: readonly string[];
  /** Nodes to be asked; `host` may be a name. */
  readonly dhtNodes: readonly PeerAddress[];
  /** Where downloads would go. */
  readonly downloadFolder: string;
  readonly signal: AbortSignal;
}

/**
 * Contacts the router and whom the options name, nobody else. Findings come as they are found.
 * @throws the signal's reason
 */
export async function* diagnose(options: DiagnoseOptions): AsyncGenerator<Finding> {
  const { signal } = options;
  const begunAt = clocks();
  const addresses = ownAddresses();
  yield checkAddresses(addresses);
  yield await checkWayOut('ipv4');
  yield await checkWayOut('ipv6');
  yield* checkTheWayIn(
    options,
    addresses.map(({ host }) => host),
  );
  if (options.trackers.length === 0)
    yield skipped('tracker', 'none was named, so none was asked', 'Name one with --tracker URL.');
  for (const url of options.trackers) {
    signal.throwIfAborted();
    yield await checkTracker(url, options.listenPort || ANY_PORT, signal);
  }
  if (options.dhtNodes.length === 0)
    yield skipped('dht', 'no node was named, so none was asked', 'Name one with --dht-bootstrap HOST:PORT.');
  for (const node of options.dhtNodes) {
    signal.throwIfAborted();
    yield await checkDhtNode(node, signal);
  }
  signal.throwIfAborted();
  yield await checkClock(begunAt, clocks());
  yield await checkFolder('state folder', thisMachine().stateDir);
  yield await checkFolder('download folder', resolve(options.downloadFolder));
  yield await checkOpenFiles();
}

/** A goodbye needs a port that could be one. */
const ANY_PORT = 6881;

async function* checkTheWayIn(
  { listenHost, listenPort, portMapping, signal }: DiagnoseOptions,
  hosts: readonly string[],
): AsyncGenerator<Finding> {
  const { finding, listening } = await checkListening(listenHost, listenPort);
  yield finding;
  try {
    let mapping = NO_PORT_MAPPING;
    if (!portMapping) yield skipped('mapping', 'the router is not asked', 'Leave out --no-nat to ask it.');
    else if (listening === null) yield skipped('mapping', 'there is no port to forward', 'See listening.');
    else if (hosts.length === 0) yield good('mapping', 'there is no network to be forwarded from');
    else {
      const checked = await checkMapping(listening.port, signal);
      signal.throwIfAborted();
      mapping = checked.mapping;
      yield checked.finding;
    }
    yield checkReachability(hosts, listening === null ? null : (listenHost ?? '0.0.0.0'), mapping);
  } finally {
    listening?.close();
  }
}

const clocks = () => ({ wallMs: Date.now(), steadyMs: performance.now() });
