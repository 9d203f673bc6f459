/** `npm run sim`: runs scenarios, prints a table, writes JSON. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { defaultFile, HELP, type Order, parseOrder } from './command-line.js';
import { messageOf, runAll } from './run-all.js';
import { RunsFile } from './runs-file.js';
import { type Progress, type RunOptions, simulate } from './simulation.js';
import { formatRuns, type MeasuredRun } from './table.js';

const PROGRESS_MS = 10_000;
const ARGS = process.argv.slice(2);

function main(): number {
  let order: Order | undefined;
  let file: RunsFile;
  try {
    order = parseOrder(ARGS);
    if (order === undefined) {
      console.log(HELP);
      return 0;
    }
    file = fileOf(order);
  } catch (error) {
    console.error(`${messageOf(error)}\n\nnpm run sim -- --help says what there is.`);
    return 2;
  }
  const origin = { command: `npm run sim -- ${ARGS.join(' ')}`, revision: revisionOfCode() };
  const { runs, failed, isWritten } = runAll(allOptions(order), {
    run: (options) => ({ ...measured(options), ...origin }),
    file,
    say: (text) => process.stderr.write(`${text}\n`),
    now: () => performance.now(),
  });
  if (runs.length > 0) console.log(formatRuns(runs));
  if (runs.length > 0 && isWritten) console.log(`\nAll figures: ${file.path}`);
  if (failed.length > 0) {
    const commands = failed.map((replay) => `  ${replay}`).join('\n');
    console.error(`\n${failed.length} of ${failed.length + runs.length} runs failed; again:\n${commands}`);
  }
  return isWritten && failed.length === 0 ? 0 : 1;
}

function fileOf(order: Order): RunsFile {
  if (order.json !== undefined) return new RunsFile(order.json);
  const path = defaultFile(order);
  mkdirSync(dirname(path), { recursive: true });
  return new RunsFile(path);
}

function* allOptions({
  scenarios,
  policies,
  seed: first,
  seeds,
  peers: wanted,
}: Order): Generator<RunOptions> {
  for (const scenario of scenarios) {
    for (const policy of policies) {
      for (let seed = first; seed < first + seeds; seed++) {
        const peers = wanted ?? scenario.peers;
        const replay =
          `npm run sim -- ${scenario.name} --seed ${seed} --peers ${peers}` +
          (policy.name === 'swarm' ? '' : ` --policy ${policy.name}`);
        yield { scenario, policy, seed, peers, replay };
      }
    }
  }
}

function measured(options: RunOptions): Omit<MeasuredRun, 'command' | 'revision'> {
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const result = simulate({ ...options, onProgress: everyTenSeconds(options) });
  const wallSeconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  return { ...result, wallSeconds, cpuSeconds, peakMegabytes };
}

/** Says now and then, in real time, how far a run is that lasts. */
function everyTenSeconds({ scenario, policy, seed }: RunOptions): (progress: Progress) => void {
  let nextAt = performance.now() + PROGRESS_MS;
  return ({ atMs, present, unfinished, toArrive }) => {
    if (performance.now() < nextAt) return;
    nextAt = performance.now() + PROGRESS_MS;
    process.stderr.write(
      `${scenario.name} ${policy.name} seed ${seed}: at ${(atMs / 1000).toFixed(0)} s, ` +
        `${present} present, ${unfinished} unfinished, ${toArrive} to come\n`,
    );
  };
}

function revisionOfCode(): string {
  const git = (...args: string[]) =>
    spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short=10', 'HEAD');
  const isChanged = git('status', '--porcelain', '--', ':/engine', ':/sim') !== '';
  return commit === '' ? 'unknown' : `${commit}${isChanged ? '+' : ''}`;
}

process.exitCode = main();
