/**
 * Bench: what a user would compare. One gibibyte through each client, fed by our own seeder over a veth pair
 * between two namespaces (loopback for who is not root), beside the floor; other seeders; making and checking.
 * Runs take turns, so that what disturbs the machine disturbs all alike; the median of each figure is shown.
 */
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { CleanUp } from '../test/support/cleanup.js';
import { isInstalled } from '../test/support/clients.js';
import { enterNamespaces, loopback } from '../test/support/namespaces.js';
import { aria2, type Contender, floor, libtorrent, swarm, transmission } from './contenders.js';
import { type Course, emptyFolder, layCourse, openTracker, receivedFile } from './course.js';
import { HASHING_TASKS } from './hashing.js';
import { cpuSecondsOf, machineCpuSeconds, median, medianUsage, type Usage } from './measure.js';
import { frameSender, libtorrentSeeder, type SeederKind, swarmSeeders } from './seeders.js';
import { formatTable, megabytes, ratio, seconds } from './table.js';
import { atMostMegabytes, atMostSeconds, atMostTimes, formatTargets, type Target } from './targets.js';
import { usageError } from './usage.js';

const HELP = `npm run bench -- [--size 1G] [--runs 3] [--only TEXT]… [--quick] [--dir DIR] [--json FILE]

  --only   only rows whose name contains TEXT
  --quick  128 MiB, one run, the floor, swarm and libtorrent; no judgement
  --dir    where content and downloads go; default /dev/shm, so that no disk is measured`;

const { values: options } = parseArgs({
  options: {
    size: { type: 'string' },
    runs: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

/** One row: who downloads from whom. */
interface Pairing {
  readonly name: string;
  readonly contender: Contender;
  readonly seeders: SeederKind;
}

interface Download {
  readonly usage: Usage;
  readonly seederCpuSeconds: number;
  /** What neither of the two had: the kernel's own threads, this program, and whatever else disturbs. */
  readonly otherCpuSeconds: number;
}

/** The figures of one row over its runs. */
interface Row extends Usage {
  readonly name: string;
  readonly seederCpuSeconds?: number;
  readonly otherCpuSeconds?: number;
}

const ONE = swarmSeeders(1);
const pairing = (contender: Contender, seeders: SeederKind): Pairing => ({
  name: seeders === frameSender ? contender.name : `${contender.name} ← ${seeders.name}`,
  contender,
  seeders,
});
const ALL = [
  pairing(floor, frameSender),
  pairing(swarm, ONE),
  pairing(libtorrent, ONE),
  pairing(aria2, ONE),
  pairing(transmission, ONE),
  pairing(swarm, libtorrentSeeder),
  pairing(libtorrent, libtorrentSeeder),
  pairing(swarm, swarmSeeders(8)),
];
const QUICK = ALL.filter(
  ({ contender, seeders }) =>
    [frameSender, ONE].includes(seeders) && contender !== aria2 && contender !== transmission,
);

// Nobody looks for peers beyond the tracker: not ours, not the others.
process.env.SWARM_DISCOVERY = 'off';
const network = (await enterNamespaces()) ?? loopback;
const inNamespaces = network !== loopback;
const runs = Number(options.runs ?? (options.quick ? 1 : 3));
const totalBytes = parseSize(options.size ?? (options.quick ? '128M' : '1G'));
const scope = new CleanUp();
try {
  const course = await layCourse(scope, network, totalBytes, options.dir);
  console.log(
    `${totalBytes / 2 ** 20} MiB in pieces of ${course.pieceLength / 1024} KiB over ` +
      `${inNamespaces ? 'a veth pair' : 'loopback'}, in ${options.dir}; medians of ${runs}\n`,
  );
  const downloads = await runDownloads(course, (options.quick ? QUICK : ALL).filter(isPossible));
  printDownloads(downloads);
  const hashing = await runHashing(course);
  printHashing(hashing);
  const targets = judge(downloads, hashing);
  if (!options.quick) console.log(formatTargets(targets));
  if (options.json !== undefined) {
    await writeFile(
      options.json,
      `${JSON.stringify({ totalBytes, runs, downloads, hashing, targets }, null, 2)}\n`,
    );
  }
} finally {
  await scope.run();
}

function isPossible({ name, contender, seeders }: Pairing): boolean {
  if (!isChosen(name)) return false;
  const missing = [...contender.needs, ...seeders.needs].filter((client) => !isInstalled(client));
  if (contender.needsNamespaces && !inNamespaces) missing.push('ip netns');
  if (missing.length > 0) console.log(`${name}: skipped, needs ${missing.join(', ')}`);
  return missing.length === 0;
}

function isChosen(name: string): boolean {
  return options.only.length === 0 || options.only.some((text) => name.includes(text));
}

async function runDownloads(course: Course, pairings: readonly Pairing[]): Promise<Row[]> {
  const results = pairings.map((): Download[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, pairing] of pairings.entries()) {
      const result = await runDownload(course, pairing);
      results[i]?.push(result);
      process.stderr.write(`run ${run + 1}: ${pairing.name} ${seconds(result.usage.wallSeconds)} s\n`);
    }
  }
  return pairings.map(({ name }, i) => {
    const mine = results[i] ?? [];
    return {
      name,
      ...medianUsage(mine.map(({ usage }) => usage)),
      seederCpuSeconds: median(mine.map((result) => result.seederCpuSeconds)),
      otherCpuSeconds: median(mine.map((result) => result.otherCpuSeconds)),
    };
  });
}

/** A tracker, seeders and a folder of its own for every run. */
async function runDownload(course: Course, { name, contender, seeders }: Pairing): Promise<Download> {
  const scope = new CleanUp();
  try {
    await openTracker(scope, course);
    const folder = await emptyFolder(scope, course);
    const started = await seeders.start(scope, course);
    const cpuSeconds = () => started.pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
    const before = cpuSeconds();
    const machineBefore = machineCpuSeconds();
    const usage = await contender.download(scope, course, folder, started);
    const seederCpuSeconds = cpuSeconds() - before;
    const machine = machineCpuSeconds() - machineBefore;
    const otherCpuSeconds = Math.max(0, machine - seederCpuSeconds - usage.cpuSeconds);
    const { size } = await stat(receivedFile(folder));
    if (size !== course.totalBytes)
      throw new Error(`${name}: received ${size} of ${course.totalBytes} bytes`);
    return { usage, seederCpuSeconds, otherCpuSeconds };
  } finally {
    await scope.run();
  }
}

async function runHashing(course: Course): Promise<Row[]> {
  const tasks = HASHING_TASKS.filter(({ name, needs }) => isChosen(name) && needs.every(isInstalled));
  const results = tasks.map((): Usage[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, task] of tasks.entries()) results[i]?.push(await task.run(scope, course));
  }
  return tasks.map(({ name }, i) => ({ name, ...medianUsage(results[i] ?? []) }));
}

function printDownloads(rows: readonly Row[]): void {
  const base = rows.find(({ name }) => name === floor.name);
  const rival = rows.find(({ name }) => name === 'libtorrent ← swarm');
  const head = [
    'download',
    'wall s',
    '÷ floor',
    '÷ libtorrent',
    'CPU s',
    '÷ floor',
    '÷ libtorrent',
    'peak MB',
    'seeder CPU s',
    'other CPU s',
  ];
  const lines = rows.map((row) => [
    row.name,
    seconds(row.wallSeconds),
    ratio(row.wallSeconds, base?.wallSeconds),
    ratio(row.wallSeconds, rival?.wallSeconds),
    seconds(row.cpuSeconds),
    ratio(row.cpuSeconds, base?.cpuSeconds),
    ratio(row.cpuSeconds, rival?.cpuSeconds),
    megabytes(row.peakBytes),
    seconds(row.seederCpuSeconds ?? 0),
    seconds(row.otherCpuSeconds ?? 0),
  ]);
  console.log(formatTable(head, lines));
  console.log('libtorrent maps its files into memory: its peak counts their pages too.\n');
}

function printHashing(rows: readonly Row[]): void {
  const lines = rows.map((row) => [
    row.name,
    seconds(row.wallSeconds),
    seconds(row.cpuSeconds),
    megabytes(row.peakBytes),
  ]);
  console.log(`${formatTable(['hashing', 'wall s', 'CPU s', 'peak MB'], lines)}\n`);
}

function judge(downloads: readonly Row[], hashing: readonly Row[]): Target[] {
  const row = (name: string) => [...downloads, ...hashing].find((candidate) => candidate.name === name);
  const [base, us, rival] = [row('floor'), row('swarm ← swarm'), row('libtorrent ← swarm')];
  const [fed, many] = [row('swarm ← libtorrent'), row('swarm ← 8 × swarm')];
  const [create, verify, check] = [row('swarm create'), row('swarm verify'), row('aria2 check')];
  return [
    atMostTimes('wall of the floor', us?.wallSeconds, base?.wallSeconds, 1.25),
    atMostTimes('wall of libtorrent', us?.wallSeconds, rival?.wallSeconds, 0.75),
    atMostTimes('CPU of the floor', us?.cpuSeconds, base?.cpuSeconds, 1.25),
    atMostTimes('CPU of libtorrent', us?.cpuSeconds, rival?.cpuSeconds, 1),
    atMostMegabytes('memory', us?.peakBytes, 150),
    atMostTimes("seeding CPU of libtorrent's", us?.seederCpuSeconds, fed?.seederCpuSeconds, 0.6),
    atMostTimes('wall from 8 seeders of that from one', many?.wallSeconds, us?.wallSeconds, 1.05),
    atMostSeconds('create', create?.wallSeconds, 0.6),
    atMostSeconds('verify', verify?.wallSeconds, 0.6),
    atMostTimes("verify of aria2's check", verify?.wallSeconds, check?.wallSeconds, 0.625),
  ].filter((target) => target !== undefined);
}

function parseSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([KMG]?)$/.exec(text) ?? [];
  if (digits === undefined) return usageError(`--size: expected a size such as 128M or 1G, got "${text}"`);
  return Number(digits) * 1024 ** ' KMG'.indexOf(unit || ' ');
}
