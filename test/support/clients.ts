/** Real clients for tests: found, or the test is skipped by name; with SWARM_REQUIRE_CLIENTS=1 it fails instead. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** Debian's Python, which has the bindings of the `python3-libtorrent` package. */
export const PYTHON = '/usr/bin/python3';

/** How to see that a client is there: a command that exits 0. */
const PROBES = {
  aria2c: ['aria2c', '--version'],
  'transmission-daemon': ['transmission-daemon', '--version'],
  'transmission-create': ['transmission-create', '--version'],
  'transmission-remote': ['transmission-remote', '--version'],
  libtorrent: [PYTHON, '-c', 'import libtorrent'],
  mktorrent: ['which', 'mktorrent'],
  opentracker: ['which', 'opentracker'],
  /** Not a client, but a terminal. */
  tmux: ['tmux', '-V'],
  /** Not clients, but what makes a router. */
  miniupnpd: ['which', 'miniupnpd'],
  nft: ['nft', '--version'],
  /** Not a client, but a proxy. */
  microsocks: ['which', 'microsocks'],
  /** Not a client, but namespaces need it. */
  'ip netns': ['ip', 'netns', 'list'],
} as const satisfies Record<string, readonly string[]>;

export type ClientName = keyof typeof PROBES;

/** False, and the test skipped, when a client is missing: `if (!requireClient(t, 'aria2c')) return;` */
export function requireClient(t: TestContext, ...names: readonly ClientName[]): boolean {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length > 0) skip(t, `${missing.join(', ')} not installed`);
  return missing.length === 0;
}

/** Skips by name what this machine cannot do; it fails instead where nothing may be missing. */
export function skip(t: TestContext, why: string): void {
  if (process.env.SWARM_REQUIRE_CLIENTS === '1') throw new Error(`${why}, and SWARM_REQUIRE_CLIENTS=1`);
  t.skip(why);
}

export function isInstalled(name: ClientName): boolean {
  const [command, ...args] = PROBES[name];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

export interface RunningClient {
  readonly process: ChildProcess;
  /** Everything it printed so far. */
  output(): string;
  /** Resolves as soon as what it printed matches; rejects, with its output, when it ends first or after `timeoutMs`. */
  printed(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
}

/** What ends later, and then cleans up: a test, or a benchmark's run. */
export interface Scope {
  after(cleanUp: () => unknown): void;
}

/** Those that run, so that none outlives us. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Gives it a pipe to read from, which closes when we die; default no input. */
  readonly stdin?: boolean;
}

/** Starts a client that is killed, and waited for, when the scope ends. */
export function startClient(
  t: Scope,
  command: string,
  args: readonly string[],
  { stdin = false, ...options }: StartOptions = {},
): RunningClient {
  const child = spawn(command, args, { ...options, stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit').finally(() => running.delete(child));
  running.add(child);
  let output = '';
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      wake();
    });
  }
  child.once('close', wake);
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return {
    process: child,
    output: () => output,
    printed: (pattern, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const fail = (why: string) => {
          settle();
          reject(new Error(`${command} ${why} before it printed ${pattern}:\n${output}`));
        };
        const timer = setTimeout(() => fail(`took ${timeoutMs} ms`), timeoutMs);
        const settle = () => {
          clearTimeout(timer);
          waiting.delete(check);
        };
        const check = () => {
          const match = output.match(pattern);
          if (match !== null) {
            settle();
            resolve(match);
          } else if (child.exitCode !== null || child.signalCode !== null)
            fail(`ended (${child.signalCode ?? `exit code ${child.exitCode}`})`);
        };
        waiting.add(check);
        check();
      }),
  };
}
