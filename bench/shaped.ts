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
import { median } from './measure.js';
import {
  type Accounts,
  accountsOf,
  CAUSES,
  MILESTONES,
  PHASES,
  type SeedAccounts,
} from './shaped/accounts.js';
import { aria2, type ClientKind, libtorrent, type Observed, swarm } from './shaped/clients.js';
import { enterLab, type Lab, NoLab } from './shaped/lab.js';
import { type Crew, leastSeconds, runSwarm, type ShapedCase, type SwarmRun } from './shaped/swarm-run.js';
import { formatTable } from './table.js';

const HELP = `npm run bench:shaped -- [--case NAME]… [--client NAME]… [--runs 3] [--leechers 8] [--verbose] [--trace FILE] [--json FILE]

  --case        seed-16 (16 Mbit/s, 32 MiB) or seed-6 (6 Mbit/s, 16 MiB); leechers have 80:8 Mbit/s down:up
  --client      swarm, libtorrent, aria2 or mixed (half libtorrent, half swarm, seeded by libtorrent); default all
  --congestion  congestion control of every client's TCP; default this machine's
  --verbose     a line a second: pieces of every client; of ours rates, whom it lets ask, what waits where
  --trace       writes everything that was seen of every run, a JSON line a run, into this file
  --dir         where content and downloads go; default /dev/shm, so that no disk is measured

Needs root and iproute2 (namespaces, tc).`;

const MBIT = 1_000_000;
const MIB = 2 ** 20;
const HOME = { upBitsPerSecond: 8 * MBIT, downBitsPerSecond: 80 * MBIT };
const seedOf = (megabits: number) => ({ upBitsPerSecond: megabits * MBIT, downBitsPerSecond: undefined });
const CASES: readonly ShapedCase[] = [
  { name: 'seed-16', totalBytes: 32 * MIB, seed: seedOf(16), leecher: HOME },
  { name: 'seed-6', totalBytes: 16 * MIB, seed: seedOf(6), leecher: HOME },
];
const KINDS = [swarm, libtorrent, aria2];
const MIXED = 'mixed';
const DELAYS = [
  { title: 'from a verified piece until a peer hears of it', of: 'have' },
  { title: 'from request to block, of the seed', of: 'blockOfSeed' },
  { title: 'from request to block, of a leecher', of: 'blockOfLeecher' },
] as const;

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: CASES.map(({ name }) => name) },
    client: { type: 'string', multiple: true, default: [...KINDS.map(({ name }) => name), MIXED] },
    runs: { type: 'string', default: '3' },
    leechers: { type: 'string', default: '8' },
    congestion: { type: 'string', default: machineCongestion() },
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

/** One run's figures for clients of one kind. */
interface Result {
  readonly lastSeconds: number;
  readonly meanSeconds: number;
}

interface Row {
  readonly shaped: ShapedCase;
  readonly crew: string;
  readonly kind: string;
  readonly results: readonly Result[];
  readonly accounts: readonly Accounts[];
  /** Of the machine, by anybody: near to all of it, the lines are not what was measured. */
  readonly cpuShares: readonly number[];
  readonly perClient: readonly (readonly ClientFigures[])[];
}

interface ClientFigures {
  readonly finishSeconds: number;
  readonly uploadedBytes: number | undefined;
  readonly wastedBytes: number | undefined;
}

const cases = CASES.filter(({ name }) => options.case.includes(name));
const runs = Number(options.runs);
const leechers = Number(options.leechers);
for (const name of options.case) assertKnown('--case', name, CASES);
for (const name of options.client) assertKnown('--client', name, [...KINDS, { name: MIXED }]);
if (!(runs >= 1 && leechers >= 1 && leechers <= 100))
  throw new Error('--runs and --leechers: expected 1 or more');

const lab = await enterLab(leechers + 1, options.dir).catch((thrown: unknown) => {
  if (!(thrown instanceof NoLab)) throw thrown;
  console.log(`bench:shaped: skipped, ${thrown.message}`);
  process.exit(0);
});
const rows: Row[] = [];
for (const shaped of cases) rows.push(...(await measureCase(lab, shaped)));
printTable(rows);
printAccounts(rows);
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
  const crews: Crew[] = KINDS.filter(({ name }) => names.includes(name)).map((kind) => ({
    name: kind.name,
    seed: kind,
    leechers: Array.from({ length: leechers }, () => kind),
  }));
  if (names.includes(MIXED)) {
    const mixed = Array.from({ length: leechers }, (_, i) => (i % 2 === 0 ? libtorrent : swarm));
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

function resultOf(run: SwarmRun, kind: string): Result {
  const finish = run.finishedAtMs
    .filter((_, i) => run.kinds[i] === kind)
    .map((atMs) => (atMs - run.startedAtMs) / 1000);
  return {
    lastSeconds: Math.max(...finish),
    meanSeconds: finish.reduce((sum, seconds) => sum + seconds, 0) / finish.length,
  };
}

/** One row a kind of client. */
function rowsOf(shaped: ShapedCase, crew: Crew, done: readonly SwarmRun[]): Row[] {
  const kinds = new Set<ClientKind>(crew.leechers);
  return [...kinds].map(({ name: kind }) => ({
    shaped,
    crew: crew.name,
    kind,
    results: done.map((run) => resultOf(run, kind)),
    accounts: done.map((run) => accountsOf(run, shaped)),
    cpuShares: done.map(({ cpuShare }) => cpuShare),
    perClient: done.map(clientFigures),
  }));
}

/** The seed first. */
function clientFigures({ observed, finishedAtMs, startedAtMs }: SwarmRun): ClientFigures[] {
  return observed.map(({ samples }, i) => ({
    finishSeconds: ((finishedAtMs[i - 1] ?? Number.NaN) - startedAtMs) / 1000,
    uploadedBytes: samples.at(-1)?.uploadedBytes,
    wastedBytes: samples.at(-1)?.wastedBytes,
  }));
}

function printTable(rows: readonly Row[]): void {
  const head = [
    'swarm',
    'least s',
    'last s',
    'last ÷ least',
    'mean ÷ least',
    'seed duplicates',
    'wasted',
    'CPU',
  ];
  const lines = rows.map(({ shaped, crew, kind, results, accounts, cpuShares }) => {
    const least = leastSeconds(shaped, leechers);
    const last = median(results.map(({ lastSeconds }) => lastSeconds));
    const mean = median(results.map(({ meanSeconds }) => meanSeconds));
    const duplicates = median(accounts.map(({ seed }) => seed?.duplicateShare ?? Number.NaN));
    const wasted = median(accounts.map(({ wasteSeconds }) => wasteSeconds / least));
    const isOurs = crew === swarm.name;
    return [
      `${shaped.name}: ${crew === kind ? kind : `${kind} in ${crew}`}`,
      least.toFixed(2),
      last.toFixed(2),
      (last / least).toFixed(3),
      (mean / least).toFixed(3),
      isOurs ? percent(duplicates) : '–',
      isOurs ? percent(wasted) : '–',
      percent(median(cpuShares)),
    ];
  });
  console.log(
    `\n${leechers} leechers of 80:8 Mbit/s down:up, pieces of 256 KiB, TCP ${options.congestion}; medians of ${runs}\n`,
  );
  console.log(formatTable(head, lines));
  console.log(
    'seed duplicates: blocks that the seed sent again before the first full copy, over one copy.\n',
  );
}

/** Where the time beyond the least goes; in percent of the least, medians of every figure. */
function printAccounts(rows: readonly Row[]): void {
  const spans = PHASES.flatMap((phase) => CAUSES.map((cause) => ({ phase, cause })));
  for (const shaped of cases) {
    const mine = rows.filter((row, i) => row.shaped === shaped && rows[i - 1]?.crew !== row.crew);
    const least = leastSeconds(shaped, leechers);
    const share = (row: Row, pick: (accounts: Accounts) => number | undefined) =>
      percent(median(row.accounts.map((accounts) => (pick(accounts) ?? Number.NaN) / least)));
    const lines: string[][] = [];
    const add = (title: string, pick: (accounts: Accounts) => number | undefined) => {
      const cells = mine.map((row) => share(row, pick));
      if (cells.some((cell) => cell !== percent(0))) lines.push([title, ...cells]);
    };
    const useful = (leechers * 8 * shaped.totalBytes) / allUplinks(shaped);
    lines.push(['blocks that count', ...mine.map(() => percent(useful / least))]);
    add('headers, acknowledgements, messages, unfinished', ({ overheadSeconds }) => overheadSeconds);
    add('blocks thrown away', ({ wasteSeconds }) => wasteSeconds);
    for (const { phase, cause } of spans) add(`idle ${phase}: ${cause}`, ({ idle }) => idle[phase][cause]);
    for (const { phase, cause } of spans)
      add(`the seed idle ${phase}: ${cause}`, ({ seedIdle }) => seedIdle[phase][cause]);
    add('first full copy after', ({ seed }) => seed?.fullCopySeconds);
    // Shares of one copy rather than of the time.
    const ofCopy = (title: string, pick: (seed: SeedAccounts) => number) =>
      add(`the seed, of one copy: ${title}`, ({ seed }) => seed && pick(seed) * least);
    ofCopy('sent until then', ({ wireShare }) => wireShare);
    ofCopy('asked for again, heard of elsewhere', ({ askedThoughHeardShare }) => askedThoughHeardShare);
    ofCopy('asked for again, elsewhere but not heard of', ({ askedUnheardShare }) => askedUnheardShare);
    ofCopy('asked for again, on its way', ({ askedMeanwhileShare }) => askedMeanwhileShare);
    console.log(formatTable([`${shaped.name}, of the least`, ...mine.map(({ crew }) => crew)], lines));
    console.log('');
    const ours = mine.find(({ crew }) => crew === swarm.name);
    if (ours !== undefined) printTimes(shaped, ours.accounts);
  }
}

/** What only the probe sees. */
function printTimes({ name }: ShapedCase, accounts: readonly Accounts[]): void {
  const middle = (pick: (accounts: Accounts) => number | undefined) =>
    median(accounts.map((one) => pick(one) ?? Number.NaN)).toFixed(2);
  const lines = [
    ...MILESTONES.map((milestone) => [
      `a leecher's first "${milestone}"`,
      middle(({ milestones }) => milestones?.[milestone]),
      '',
    ]),
    ...DELAYS.map(({ title, of }) => [
      title,
      middle(({ delays }) => delays?.[of][0]),
      middle(({ delays }) => delays?.[of][1]),
    ]),
  ];
  console.log(formatTable([`${name}: ${swarm.name}, s`, 'mean or median', 'ninth decile'], lines));
  console.log('');
}

function allUplinks({ seed, leecher }: ShapedCase): number {
  return seed.upBitsPerSecond + leechers * leecher.upBitsPerSecond;
}

function verboseTeller(lab: Lab): (seconds: number, observed: readonly Observed[]) => void {
  let before: readonly number[] | undefined;
  return (seconds, observed) => {
    const sent = lab.sentBytes();
    const lines = observed.map(({ pieces, samples }, i) => {
      const up = ((sent[i] ?? 0) - (before?.[i] ?? 0)) / 1e6;
      const { unackedBytes, unsentBytes } = lab.sendBuffers(i);
      const parts = [
        `${i === 0 ? 'seed' : `   ${i}`} has ${pieces}`,
        before === undefined ? '' : `line ${up.toFixed(2)} MB/s`,
        `kernel ${kib(unackedBytes)}+${kib(unsentBytes)}`,
      ];
      const now = samples.at(-1);
      const then = samples.at(-5);
      if (now !== undefined && then !== undefined) {
        const rate = (of: 'uploadedBytes' | 'downloadedBytes') =>
          (((now[of] - then[of]) / 1e6) * (1_000 / (now.atMs - then.atMs))).toFixed(2);
        parts.push(
          `up ${rate('uploadedBytes')} down ${rate('downloadedBytes')} MB/s`,
          `peers ${now.peers} interested ${now.interested} unchoked ${now.unchoked} served ${now.served}`,
          `queue ${now.queuedBlocks} buffered ${kib(now.bufferedBytes)}`,
          `asks ${now.outstandingBlocks}/${now.requestLimit} of ${now.unchokedBy}/${now.interesting}`,
          now.endgame ? 'endgame' : '',
        );
      }
      return parts.filter(Boolean).join(' · ');
    });
    before = sent;
    process.stderr.write(`${seconds.toFixed(1)} s\n${lines.join('\n')}\n`);
  };
}

function assertKnown(option: string, name: string, known: readonly { readonly name: string }[]): void {
  const names = known.map((one) => one.name);
  if (!names.includes(name)) throw new Error(`${option}: expected ${names.join(', ')}, got "${name}"`);
}

function percent(share: number): string {
  return Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}

function machineCongestion(): string {
  return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
}
