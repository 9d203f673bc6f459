/** The command line for tests: run in this process on streams in memory, or as the real program. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { run } from '../../cli/run.js';
import { commandFile } from './root.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Sink extends Writable {
  readonly #chunks: Buffer[] = [];
  readonly columns = 80;

  constructor(readonly isTTY: boolean) {
    super();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

/** What `swarm …argv` does, without the start of a process. */
export async function runCli(
  argv: readonly string[],
  { tty = false, env = {} }: { tty?: boolean; env?: Record<string, string> } = {},
): Promise<Ended> {
  const [stdout, stderr] = [new Sink(tty), new Sink(tty)];
  const code = await run(argv, { stdout, stderr, env });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** One --json event. */
export type Json = Record<string, unknown>;

export const jsonLines = (stdout: string): Json[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** How the (first) torrent of `get` or `seed` ended. */
export const summaryIn = (stdout: string): Json =>
  jsonLines(stdout).find(({ type }) => type === 'summary') ?? {};

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** The first such --json event; rejects, with what it printed, when the program ends before. */
  event(type: string, where?: (event: Json) => boolean): Promise<Json>;
  /** Resolves when what was written to stderr matches; rejects when the program ends before. */
  said(pattern: RegExp): Promise<void>;
}

/** The real program. Kill it, or wait until it ends. */
export function spawnCli(argv: readonly string[], options: SpawnOptions = {}): RunningCli {
  const child = spawn(process.execPath, [commandFile, ...argv], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  let closed = false;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
      wake();
    });
  }
  const ended = once(child, 'close').then(([code]) => {
    closed = true;
    wake();
    return { code: code as number | null, ...text };
  });
  const found = <T>(look: () => T | undefined, what: string) =>
    new Promise<T>((resolve, reject) => {
      const check = () => {
        const result = look();
        if (result === undefined && !closed) return;
        waiting.delete(check);
        if (result !== undefined) resolve(result);
        else reject(new Error(`ended before ${what}:\n${text.stdout}\n${text.stderr}`));
      };
      waiting.add(check);
      check();
    });
  const whole = () => text.stdout.slice(0, text.stdout.lastIndexOf('\n') + 1);
  return {
    child,
    ended,
    event: (type, where = () => true) =>
      found(() => jsonLines(whole()).find((event) => event.type === type && where(event)), type),
    said: async (pattern) => {
      await found(() => pattern.exec(text.stderr) ?? undefined, String(pattern));
    },
  };
}
