/**
 * Lab: a client behind a router of its own, as at home, and everybody else beyond it. The router's queue towards the
 * world is the thin, oversized one; it is a hop away from the client, so that nothing tells the client's kernel how
 * long it is. This program runs itself again in the world, where all peers are.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  canMakeNamespaces,
  ip,
  type NetworkSide,
  removeNamespace,
  runAgainIn,
  staleNamespaces,
} from '../../test/support/namespaces.js';
import { NoLab } from '../shaped/lab.js';

export interface AsymmetricLine {
  readonly downBitsPerSecond: number;
  readonly upBitsPerSecond: number;
  /** What the router queues towards the world before it drops. */
  readonly bufferBytes: number;
}

const INSIDE = 'SWARM_ASYMMETRIC_LAB';
const PREFIX = 'swarm-asym';
const CLIENT_HOST = '10.97.1.2';
/** What a bucket gives at once; a packet is 1,514 bytes. */
const BURST = '8kb';
/** The downlink's queue is that of the provider, who knows better. */
const DOWN_LATENCY = '100ms';
const run = promisify(execFile);

/** What the router's queue towards the world has carried and holds, headers included. */
export interface QueueReading {
  readonly sentBytes: number;
  readonly backlogBytes: number;
}

export class AsymmetricLab {
  /** Gone afterwards. */
  readonly folder: string;
  readonly client: NetworkSide;
  readonly #router: string;
  readonly #client: string;

  constructor(name: string, parent: string) {
    this.folder = join(parent, name);
    this.#router = `${name}-router`;
    this.#client = `${name}-client`;
    this.client = { hosts: [CLIENT_HOST], prefix: ['ip', 'netns', 'exec', this.#client] };
    mkdirSync(this.folder);
    process.once('exit', () => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** The address of a peer, from 0 on. */
  worldHost(index: number): string {
    return worldHost(index);
  }

  /** Shapes the line, and chooses how everybody's TCP controls congestion. */
  shape({ downBitsPerSecond, upBitsPerSecond, bufferBytes }: AsymmetricLine, congestion: string): void {
    const tbf = (device: string, bits: number, ...queue: string[]) =>
      must(
        'tc',
        '-n',
        this.#router,
        'qdisc',
        'replace',
        'dev',
        device,
        'root',
        'tbf',
        'rate',
        `${bits}bit`,
        ...['burst', BURST, ...queue],
      );
    tbf('wan', upBitsPerSecond, 'limit', String(bufferBytes));
    tbf('lan', downBitsPerSecond, 'latency', DOWN_LATENCY);
    const setting = `net.ipv4.tcp_congestion_control=${congestion}`;
    must('sysctl', '-qw', setting);
    must(...this.#inClient('sysctl', '-qw', setting));
  }

  /** Towards the world (`wan`) or the client (`lan`). */
  async queue(device: 'wan' | 'lan'): Promise<QueueReading> {
    const { stdout } = await run('tc', ['-n', this.#router, '-s', 'qdisc', 'show', 'dev', device]);
    const number = (pattern: RegExp) => {
      const [, digits = '0', unit = ''] = pattern.exec(stdout) ?? [];
      return Number(digits) * (unit === 'K' ? 1024 : unit === 'M' ? 1024 * 1024 : 1);
    };
    return { sentBytes: number(/Sent (\d+) bytes/), backlogBytes: number(/backlog (\d+)([KM]?)b/) };
  }

  /** `ss -tin` of the client's established connections, a line each. */
  async sockets(): Promise<string[]> {
    const [command, ...args] = this.#inClient('ss', '-tinOH', 'state', 'established');
    const { stdout } = await run(command, args);
    return stdout.split('\n').filter((line) => line.includes(':'));
  }

  #inClient(...command: string[]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.#client, ...command];
  }
}

/**
 * Call it first of all. Returns in the run that is in the world only.
 * @param peers how many addresses the world has
 * @param parent where the lab's folder is made
 * @throws NoLab where namespaces or shapers cannot be made
 */
export async function enterLab(peers: number, parent: string): Promise<AsymmetricLab> {
  const inside = process.env[INSIDE];
  if (inside !== undefined) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    return new AsymmetricLab(inside, parent);
  }
  if (!canMakeNamespaces()) throw new NoLab('network namespaces need root and iproute2');
  removeStale(parent);
  const name = `${PREFIX}-${process.pid}`;
  const [client, router, world] = [`${name}-client`, `${name}-router`, `${name}-world`];
  process.once('exit', () => {
    for (const namespace of [client, router, world]) removeNamespace(namespace);
  });
  for (const namespace of [client, router, world]) {
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }
  joinPair([client, 'uplink', [`${CLIENT_HOST}/24`]], [router, 'lan', ['10.97.1.1/24']]);
  const hosts = Array.from({ length: peers }, (_, index) => `${worldHost(index)}/24`);
  joinPair([router, 'wan', ['10.97.2.254/24']], [world, 'net', hosts]);
  must('ip', 'netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  for (const namespace of [client, world])
    must('ip', 'netns', 'exec', namespace, 'sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1');
  ip('-n', client, 'route', 'add', 'default', 'via', '10.97.1.1');
  ip('-n', world, 'route', 'add', 'default', 'via', '10.97.2.254');
  const shape = ['tbf', 'rate', '1mbit', 'burst', BURST, 'latency', DOWN_LATENCY];
  const probe = spawnSync('tc', ['-n', router, 'qdisc', 'replace', 'dev', 'wan', 'root', ...shape]);
  if (probe.status !== 0)
    throw new NoLab(`tc cannot shape here: ${String(probe.stderr ?? probe.error).trim()}`);
  return runAgainIn(world, { [INSIDE]: name });
}

const worldHost = (index: number): string => `10.97.2.${index + 1}`;

type End = readonly [namespace: string, device: string, addresses: readonly string[]];

function joinPair(near: End, far: End): void {
  ip('link', 'add', near[1], 'netns', near[0], 'type', 'veth', 'peer', 'name', far[1], 'netns', far[0]);
  for (const [namespace, device, addresses] of [near, far]) {
    for (const address of addresses) ip('-n', namespace, 'addr', 'add', address, 'dev', device);
    // Packets as they are on a real line, each acknowledged as there.
    ip('-n', namespace, 'link', 'set', 'dev', device, 'up', 'gso_max_segs', '1');
  }
}

/** Those whose maker is dead. */
function removeStale(parent: string): void {
  for (const stale of staleNamespaces(new RegExp(`^${PREFIX}-(?<pid>\\d+)-`))) removeNamespace(stale);
  for (const name of readdirSync(parent)) {
    const [, pid] = new RegExp(`^${PREFIX}-(\\d+)$`).exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(parent, name), { recursive: true });
  }
}

function must(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
}
