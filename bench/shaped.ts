/**
 * Shaped swarms: real clients of one kind, or mixed, behind the asymmetric lines that homes have. Shows how much
 * longer than the least possible time the last of them, and the mean, takes until it has everything.
 */
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isInstalled } from '../test/support/clients.js';
import { writeContent } from '../test/support/content.js';
import { aria2, libtorrent, probedSwarm, swarm } from './shaped/clients.js';
import { enterLab, type Lab, NoLab } from './shaped/lab.js';
import {
  MIXED,
  printAccounts,
  printFinishes,
  printTargets,
  type Row,
  resultOf,
  rowsOf,
} from './shaped/report.js';
import { type Crew, leastSeconds, runSwarm, type ShapedCase, type SwarmRun } from './shaped/swarm-run.js';
import { verboseTeller } from './shaped/verbose.js';
import { named, numberWithin } from './usage.js';

const HELP = `npm run bench:shaped -- [--case NAME]… [--client NAME]… [--runs 3] [--leechers 8] [--verbose] [--trace FILE] [--json FILE]

  --case        seed-16 (16 Mbit/s, 32 MiB) or seed-6 (6 Mbit/s, 16 MiB); leechers have 80:8 Mbit/s down:up
  --client      swarm, libtorrent, aria2 or mixed (half libtorrent, half swarm, seeded by libtorrent); default all
  --congestion  congestion control of every client's TCP; default this machine's
  --bare        our command as it is, without the probe: what a user sees, and no accounts
  --verbose     a line a second: pieces of every client; of ours rates, whom it lets ask, what waits where
  --trace       writes everything that was seen of every run, a JSON line a run, into this file
  --dir         where content and downloads go; default /dev/shm, so that no disk is measured

Needs root and iproute2 (namespaces, tc).`;

const MBIT = 1_000_000;
const MIB = 2 ** 20;
const HOME = { upBitsPerSecond: 8 * MBIT, downBitsPerSecond: 80 * MBIT };
const seedOf = (megabits: number) => ({ upBitsPerSecond: megabits * MBIT, downBitsPerSecond: undefined });
const CASES: readonly ShapedCase[] = [
  { name: 'seed-16', totalBytes: 32 * MIB, seed: seedOf(16), leecher: HOME, target: 1.12 },
  { name: 'seed-6', totalBytes: 16 * MIB, seed: seedOf(6), leecher: HOME, target: 1.15 },
];
const NAMES = ['swarm', 'libtorrent', 'aria2'];

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: CASES.map(({ name }) => name) },
    client: { type: 'string', multiple: true, default: [...NAMES, MIXED] },
    runs: { type: 'string', default: '3' },
    leechers: { type: 'string', default: '8' },
    congestion: { type: 'string', default: machineCongestion() },
    bare: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    json: { type: 'string' },
    trace: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

const cases = CASES.filter(({ name }) => options.case.includes(name));
const runs = numberWithin('--runs', options.runs, 1);
const leechers = numberWithin('--leechers', options.leechers, 1, 100);
for (const name of options.case) named('--case', name, CASES);
const clientNames = [...NAMES, MIXED].map((name) => ({ name }));
for (const name of options.client) named('--client', name, clientNames);

// Nobody looks for peers beyond the tracker: not ours, not the others.
process.env.SWARM_DISCOVERY = 'off';
const ours = options.bare ? swarm : probedSwarm;
const lab = await enterLab(leechers + 1, options.dir).catch((thrown: unknown) => {
  if (!(thrown instanceof NoLab)) throw thrown;
  console.log(`bench:shaped: skipped, ${thrown.message}`);
  process.exit(0);
});
const rows: Row[] = [];
for (const shaped of cases) rows.push(...(await measureCase(lab, shaped)));
console.log(
  `\n${leechers} leechers of 80:8 Mbit/s down:up, pieces of 256 KiB, TCP ${options.congestion}; medians of ${runs}\n`,
);
printFinishes(rows);
if (!options.bare) printAccounts(rows);
printTargets(rows);
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(rows, null, 2)}\n`);

/** Crews take turns, so that what disturbs the machine disturbs all alike. */
async function measureCase(lab: Lab, shaped: ShapedCase): Promise<Row[]> {
  const source = join(lab.folder, shaped.name, 'content.bin');
  await writeContent(source, shaped.totalBytes, shaped.name);
  const crews = crewsOf(options.client);
  const done = new Map<Crew, SwarmRun[]>(crews.map((crew) => [crew, []]));
  for (let run = 0; run < runs; run++) {
    for (const crew of crews) {
      const tell = options.verbose ? verboseTeller(lab) : () => {};
      const result = await runSwarm(lab, shaped, crew, source, options.congestion, tell);
      done.get(crew)?.push(result);
      if (options.trace !== undefined) {
        const trace = { case: shaped.name, crew: crew.name, ...result };
        await appendFile(options.trace, `${JSON.stringify(trace)}\n`);
      }
      const least = leastSeconds(shaped, leechers);
      const { lastSeconds, meanSeconds } = resultOf(result, crew.leechers[0]?.name ?? '');
      const factors = `last ${(lastSeconds / least).toFixed(3)}, mean ${(meanSeconds / least).toFixed(3)}`;
      const cpu = `CPU ${Math.round(100 * result.cpuShare)} %`;
      process.stderr.write(`${shaped.name} run ${run + 1}: ${crew.name} ${factors}; ${cpu}\n`);
    }
  }
  return crews.flatMap((crew) => rowsOf(shaped, crew, done.get(crew) ?? []));
}

function crewsOf(names: readonly string[]): Crew[] {
  const crews: Crew[] = [ours, libtorrent, aria2]
    .filter(({ name }) => names.includes(name))
    .map((kind) => ({
      name: kind.name,
      seed: kind,
      leechers: Array.from({ length: leechers }, () => kind),
    }));
  if (names.includes(MIXED)) {
    const mixed = Array.from({ length: leechers }, (_, i) => (i % 2 === 0 ? libtorrent : ours));
    crews.push({ name: MIXED, seed: libtorrent, leechers: mixed });
  }
  return crews.filter(isPossible);
}

function isPossible({ name, seed, leechers }: Crew): boolean {
  const needs = new Set([seed, ...leechers].flatMap((kind) => kind.needs));
  const missing = [...needs].filter((client) => !isInstalled(client));
  if (missing.length > 0) console.log(`${name}: skipped, needs ${missing.join(', ')}`);
  return missing.length === 0;
}

function machineCongestion(): string {
  return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
}
