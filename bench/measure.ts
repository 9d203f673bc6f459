/**
 * Measure: wall time, CPU time and peak memory of a program.
 *
 * CPU time is the kernel's own account: of a program that ended and of the children it waited for, as told by the
 * shell that waited for it; of one that goes on, from /proc. Memory is the highest resident set (VmHWM) of the
 * program itself, looked at every 20 ms.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

export interface Usage {
  readonly wallSeconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

const LOOK_MS = 20;
/** Kernel ticks a second in /proc/PID/stat: 100 on every Linux that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Output kept, to explain a failure. */
const MAX_OUTPUT_CHARS = 4_000;

/** Tells the program's pid, waits for it, and tells what the kernel has booked for it. */
const WAITING_SHELL =
  '"$@" 3>&- & echo $! >&3; wait $!; status=$?; read -r line < /proc/$$/stat; echo "$line" >&3; exit $status';

/**
 * Runs a program to its end, or until `enough` resolves, which is then the end of its wall time.
 * @throws with its output when it fails
 */
export async function measure(command: readonly string[], enough?: Promise<unknown>): Promise<Usage> {
  const startedAt = performance.now();
  const shell = spawn('sh', ['-c', WAITING_SHELL, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let account = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream?.on('data', (text) => {
      output = `${output}${text}`.slice(-MAX_OUTPUT_CHARS);
    });
  }
  shell.stdio[3]?.on('data', (text) => {
    account += text;
  });
  const pid = () => Number.parseInt(account, 10);
  const kill = () => {
    if (shell.exitCode === null && pid() > 0) process.kill(pid(), 'SIGKILL');
  };
  process.once('exit', kill);
  let peakBytes = 0;
  const look = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(pid()));
  }, LOOK_MS);
  let enoughAt: number | undefined;
  void enough?.then(() => {
    enoughAt = performance.now();
    kill();
  });
  const [code] = (await once(shell, 'close')) as [number | null];
  const wallSeconds = ((enoughAt ?? performance.now()) - startedAt) / 1000;
  clearInterval(look);
  process.off('exit', kill);
  if (code !== 0 && enoughAt === undefined) {
    throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`);
  }
  return { wallSeconds, cpuSeconds: cpuOf(account), peakBytes };
}

/** CPU seconds so far of a program that runs. */
export function cpuSecondsOf(pid: number): number {
  return cpuOf(read(`/proc/${pid}/stat`));
}

/** CPU seconds that every program of the machine has had, time for the kernel and for interrupts included. */
export function machineCpuSeconds(): number {
  const [user, nice, system, , , irq, softirq] = read('/proc/stat').split(/\s+/, 8).slice(1).map(Number);
  return (
    [user, nice, system, irq, softirq].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) /
    TICKS_PER_SECOND
  );
}

/** The middle one of each figure. */
export function medianUsage(runs: readonly Usage[]): Usage {
  return {
    wallSeconds: median(runs.map((run) => run.wallSeconds)),
    cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
    peakBytes: median(runs.map((run) => run.peakBytes)),
  };
}

export function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** utime, stime, cutime and cstime at the end of a line of /proc/PID/stat, whose second field may hold spaces. */
function cpuOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
}

function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** Empty when the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
