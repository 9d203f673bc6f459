/**
 * Lab: one network namespace a client and one hub whose bridge joins them, a veth pair each, shaped by tbf: on the
 * client's end what it sends, on the hub's end what it receives. This program runs itself again in the hub, so the
 * tracker is there, unshaped, and the hub's interface counters tell what every line carried.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  canMakeNamespaces,
  ip,
  type NetworkSide,
  removeNamespace,
  runAgainIn,
  staleNamespaces,
} from '../../test/support/namespaces.js';

export interface Line {
  readonly upBitsPerSecond: number;
  /** Undefined: unshaped. */
  readonly downBitsPerSecond: number | undefined;
}

const INSIDE = 'SWARM_SHAPED_LAB';
/** Not one that test/support/namespaces.ts sweeps. */
const PREFIX = 'swarm-shaped';
const HUB_HOST = '10.98.0.1';
const UPLINK = ['burst', '32kb', 'latency', '100ms'];
const DOWNLINK = ['burst', '64kb', 'latency', '100ms'];

/** Why there is no lab on this machine. */
export class NoLab extends Error {}

export class Lab {
  /** Where this process is. */
  readonly hub: NetworkSide = { hosts: [HUB_HOST], prefix: [] };
  /** For what is received; gone afterwards. */
  readonly folder: string;
  readonly #name: string;

  constructor(name: string, parent: string) {
    this.#name = name;
    this.folder = join(parent, name);
    mkdirSync(this.folder);
    process.once('exit', () => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** Where client `index` is. */
  client(index: number): NetworkSide {
    return { hosts: [hostOf(index)], prefix: ['ip', 'netns', 'exec', clientOf(this.#name, index)] };
  }

  /** Shapes a client's line, forgets what TCP learnt on it before, and chooses how it controls congestion. */
  shape(index: number, { upBitsPerSecond, downBitsPerSecond }: Line, congestion: string): void {
    const client = clientOf(this.#name, index);
    run('tc', '-n', client, ...shaper('uplink', upBitsPerSecond, UPLINK));
    if (downBitsPerSecond === undefined) spawnSync('tc', ['qdisc', 'del', 'dev', portOf(index), 'root']);
    else run('tc', ...shaper(portOf(index), downBitsPerSecond, DOWNLINK));
    run('ip', '-n', client, 'tcp_metrics', 'flush', 'all');
    const setting = `net.ipv4.tcp_congestion_control=${congestion}`;
    run('ip', 'netns', 'exec', client, 'sysctl', '-qw', setting);
  }

  /** Bytes that every client has sent, by index, as they came out of its shaper. */
  sentBytes(): number[] {
    const sent: number[] = [];
    for (const [, index, bytes] of readFileSync('/proc/self/net/dev', 'utf8').matchAll(
      /^ *port(\d+): *(\d+)/gm,
    ))
      sent[Number(index)] = Number(bytes);
    return sent;
  }

  /** The same as the shaper counts them: with the headers of every packet that one super-packet stands for. */
  chargedBytes(index: number): number {
    const { stdout } = spawnSync('tc', [
      '-n',
      clientOf(this.#name, index),
      '-s',
      'qdisc',
      'show',
      'dev',
      'uplink',
    ]);
    return Number(/Sent (\d+) bytes/.exec(String(stdout))?.[1] ?? 0);
  }

  /** Bytes that a client's sockets hold in the kernel: sent and not acknowledged, and not sent yet. */
  sendBuffers(index: number): { unackedBytes: number; unsentBytes: number } {
    const { stdout } = spawnSync('ip', ['netns', 'exec', clientOf(this.#name, index), 'ss', '-tinOH']);
    let queued = 0;
    let unsentBytes = 0;
    for (const line of String(stdout).split('\n')) {
      if (!line.startsWith('ESTAB')) continue;
      queued += Number(line.split(/\s+/)[2]);
      unsentBytes += Number(/notsent:(\d+)/.exec(line)?.[1] ?? 0);
    }
    return { unackedBytes: queued - unsentBytes, unsentBytes };
  }
}

/**
 * Call it first of all. Returns in the run that is inside the hub only.
 * @param parent where the lab's folder is made
 * @throws NoLab where namespaces or shapers cannot be made
 */
export async function enterLab(clients: number, parent: string): Promise<Lab> {
  const inside = process.env[INSIDE];
  if (inside !== undefined) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    return new Lab(inside, parent);
  }
  if (!canMakeNamespaces()) throw new NoLab('network namespaces need root and iproute2');
  for (const stale of staleNamespaces(new RegExp(`^${PREFIX}-(?<pid>\\d+)-`))) removeNamespace(stale);
  removeStaleFolders(parent);
  const name = `${PREFIX}-${process.pid}`;
  const indexes = Array.from({ length: clients }, (_, index) => index);
  process.once('exit', () => {
    for (const namespace of [...indexes.map((index) => clientOf(name, index)), hubOf(name)])
      removeNamespace(namespace);
  });
  makeHub(name);
  for (const index of indexes) joinClient(name, index);
  const probe = spawnSync('tc', ['-n', clientOf(name, 0), ...shaper('uplink', 1_000_000, UPLINK)]);
  if (probe.status !== 0)
    throw new NoLab(`tc cannot shape here: ${String(probe.stderr ?? probe.error).trim()}`);
  return runAgainIn(hubOf(name), { [INSIDE]: name });
}

/** Those whose maker is dead. */
function removeStaleFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid] = new RegExp(`^${PREFIX}-(\\d+)$`).exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(parent, name), { recursive: true });
  }
}

const hubOf = (name: string): string => `${name}-hub`;
const clientOf = (name: string, index: number): string => `${name}-${index}`;
const portOf = (index: number): string => `port${index}`;
const hostOf = (index: number): string => `10.98.0.${index + 10}`;

const shaper = (device: string, bitsPerSecond: number, shape: readonly string[]): string[] => [
  ...['qdisc', 'replace', 'dev', device, 'root', 'tbf', 'rate', `${bitsPerSecond}bit`],
  ...shape,
];

function makeHub(name: string): void {
  const hub = hubOf(name);
  ip('netns', 'add', hub);
  ip('-n', hub, 'link', 'set', 'lo', 'up');
  ip('-n', hub, 'link', 'add', 'hub', 'type', 'bridge');
  ip('-n', hub, 'addr', 'add', `${HUB_HOST}/16`, 'dev', 'hub');
  ip('-n', hub, 'link', 'set', 'hub', 'up');
}

function joinClient(name: string, index: number): void {
  const [hub, client, port] = [hubOf(name), clientOf(name, index), portOf(index)];
  ip('netns', 'add', client);
  ip('-n', client, 'link', 'set', 'lo', 'up');
  ip('link', 'add', 'uplink', 'netns', client, 'type', 'veth', 'peer', 'name', port, 'netns', hub);
  ip('-n', client, 'addr', 'add', `${hostOf(index)}/16`, 'dev', 'uplink');
  ip('-n', client, 'link', 'set', 'uplink', 'up');
  ip('-n', hub, 'link', 'set', port, 'master', 'hub', 'up');
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
}
