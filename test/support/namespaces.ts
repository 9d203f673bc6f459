/**
 * Namespaces: two network namespaces joined by a veth pair, and a program that runs itself again in the first.
 *
 * Programs in them reach each other at addresses outside 127.0.0.0/8 and nothing else in the world. Both are gone
 * when the program ends, and every process in them; what a killed run left behind goes at the start of the next.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** One end of the veth pair. */
export interface NetworkSide {
  /** Addresses of this end; the first is the one that others see us come from. */
  readonly hosts: readonly [string, ...string[]];
  /** In namespaces only. */
  readonly host6?: string;
  /** The command and arguments that start a program at this end, in front of its own. */
  readonly prefix: readonly string[];
}

export interface Network {
  /** Where this process is. */
  readonly near: NetworkSide;
  readonly far: NetworkSide;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const PREFIX = 'swarm';
const ADDRESSES_PER_SIDE = 8;
const INSIDE = 'SWARM_NAMESPACES';

const hostsOf = (side: number) =>
  Array.from({ length: ADDRESSES_PER_SIDE }, (_, i) => `10.99.${side}.${i + 1}`) as [string, ...string[]];

/** An IPv6 address of each end, beside the others. */
const host6Of = (side: number): string => `fd99::${side}`;

/** Both ends on loopback, at one address: a program is known by the one that it comes from. */
export const loopback: Network = {
  near: { hosts: ['127.0.0.1'], prefix: [] },
  far: { hosts: ['127.0.0.1'], prefix: [] },
};

export function canMakeNamespaces(): boolean {
  return process.getuid?.() === 0 && spawnSync('ip', ['netns', 'list'], { stdio: 'ignore' }).status === 0;
}

/**
 * Call it first of all. Makes the namespaces, runs this program again with the same arguments in the near one, and
 * exits as it did; returns only in that second run. Undefined, in the first and only run, where namespaces cannot
 * be made.
 * @param options.ipv4 false: they have IPv6 addresses only
 */
export async function enterNamespaces({ ipv4 = true } = {}): Promise<Network | undefined> {
  const inside = process.env[INSIDE];
  if (inside !== undefined) {
    for (const signal of SIGNALS) process.once(signal, () => process.exit(130));
    const sideOf = (side: number, prefix: readonly string[]): NetworkSide => {
      const host6 = host6Of(side);
      return { hosts: ipv4 ? hostsOf(side) : [host6], host6, prefix };
    };
    return { near: sideOf(1, []), far: sideOf(2, ['ip', 'netns', 'exec', `${inside}-far`]) };
  }
  if (!canMakeNamespaces()) return undefined;
  removeStale();
  const name = `${PREFIX}-${process.pid}`;
  process.once('exit', () => remove(name));
  make(name, ipv4);
  return runAgainIn(`${name}-near`, { [INSIDE]: name });
}

/** Runs this program again with the same arguments in a namespace, and exits as it did. */
export async function runAgainIn(namespace: string, env: Readonly<Record<string, string>>): Promise<never> {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('ip', ['netns', 'exec', namespace, ...again], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  // It ends as it does for us, and we after it.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const [status] = (await once(child, 'exit')) as [number | null];
  process.exit(status ?? 1);
}

function make(name: string, ipv4: boolean): void {
  const [near, far] = [`${name}-near`, `${name}-far`];
  for (const namespace of [near, far]) {
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }
  ip('link', 'add', 'veth0', 'netns', near, 'type', 'veth', 'peer', 'name', 'veth0', 'netns', far);
  for (const [side, namespace] of [near, far].entries()) {
    for (const host of ipv4 ? hostsOf(side + 1) : [])
      ip('-n', namespace, 'addr', 'add', `${host}/16`, 'dev', 'veth0');
    // Without the second in which the system looks whether somebody else has it.
    ip('-n', namespace, 'addr', 'add', `${host6Of(side + 1)}/64`, 'dev', 'veth0', 'nodad');
    ip('-n', namespace, 'link', 'set', 'veth0', 'up');
    // Who does not name an interface for multicast finds one.
    if (ipv4) ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'veth0');
  }
}

function remove(name: string): void {
  for (const namespace of [`${name}-near`, `${name}-far`]) removeNamespace(namespace);
}

/** With every process in it. */
export function removeNamespace(namespace: string): void {
  for (const pid of output('netns', 'pids', namespace).split(/\s+/).filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
  spawnSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
}

/** Names of namespaces that `pattern` matches and whose maker, the process in its group `pid`, is dead. */
export function staleNamespaces(pattern: RegExp): string[] {
  const names = output('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
  return names.filter((name) => {
    const pid = pattern.exec(name)?.groups?.pid;
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/** Those whose maker is dead. */
function removeStale(): void {
  const pattern = new RegExp(`^${PREFIX}-(?<pid>\\d+)-(?:near|far)$`);
  for (const namespace of staleNamespaces(pattern)) removeNamespace(namespace);
}

function output(...args: string[]): string {
  return spawnSync('ip', args, { encoding: 'utf8' }).stdout ?? '';
}

export function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
}
