/**
 * Asymmetric line: one client behind a router whose uplink is a tenth of its downlink and queues for seconds. Shows
 * how much of the downlink it uses while it uploads, and how long what it says waits.
 */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { isInstalled } from '../test/support/clients.js';
import { type AsymmetricLine, enterLab } from './asymmetric/lab.js';
import {
  type Content,
  LEECHERS,
  type LineRun,
  libtorrent,
  runLine,
  SEEDS,
  swarm,
  writeHalves,
} from './asymmetric/line-run.js';
import { median } from './measure.js';
import { NoLab } from './shaped/lab.js';
import { formatTable } from './table.js';
import { atLeastShare, formatTargets } from './targets.js';
import { named, numberWithin } from './usage.js';

const HELP = `npm run bench:asymmetric -- [--line NAME]… [--client NAME]… [--congestion NAME]… [--runs 1] [--verbose] [--json FILE]

  --line        20:2, 50:5 (Mbit/s down:up, router queue 512 KiB, 1 MiB) or 20:2-short (64 KiB); default the first two
  --client      swarm or libtorrent; default both
  --congestion  congestion control of everybody's TCP; default cubic (or reno) and bbr, as far as allowed
  --warm-up     seconds that are not counted, after the first connections; default 20
  --seconds     seconds that are; default 40
  --verbose     a line a second
  --dir         where content goes, 3 GB of it; default /dev/shm, so that no disk is measured

Needs root and iproute2 (namespaces, tc, ss).`;

const MBIT = 1_000_000;
const KIB = 1024;
/** What uploading should leave of a download. */
const LEAST_OF_ALONE = 0.95;
/** Seconds that starting takes, at the most. */
const SPARE_SECONDS = 15;

interface NamedLine extends AsymmetricLine {
  readonly name: string;
}

const lineOf = (name: string, down: number, up: number, bufferKib: number): NamedLine => ({
  name,
  downBitsPerSecond: down * MBIT,
  upBitsPerSecond: up * MBIT,
  bufferBytes: bufferKib * KIB,
});
const LINES = [lineOf('20:2', 20, 2, 512), lineOf('50:5', 50, 5, 1024), lineOf('20:2-short', 20, 2, 64)];
const CLIENTS = [swarm, libtorrent];

const { values: options } = parseArgs({
  options: {
    line: { type: 'string', multiple: true, default: ['20:2', '50:5'] },
    client: { type: 'string', multiple: true, default: CLIENTS.map(({ name }) => name) },
    congestion: { type: 'string', multiple: true, default: congestionControls() },
    runs: { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '20' },
    seconds: { type: 'string', default: '40' },
    verbose: { type: 'boolean', default: false },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const lines = options.line.map((name) => named('--line', name, LINES));
const clients = options.client.map((name) => named('--client', name, CLIENTS));
const runs = numberWithin('--runs', options.runs, 1);
const warmUpSeconds = numberWithin('--warm-up', options['warm-up'], 1);
const seconds = numberWithin('--seconds', options.seconds, 5);

// Nobody looks for peers beyond the tracker: not ours, not the others.
process.env.SWARM_DISCOVERY = 'off';
const lab = await enterLab(SEEDS + LEECHERS, options.dir).catch((thrown: unknown) => {
  if (!(thrown instanceof NoLab)) throw thrown;
  console.log(`bench:asymmetric: skipped, ${thrown.message}`);
  process.exit(0);
});

interface Row {
  readonly line: NamedLine;
  readonly congestion: string;
  readonly client: string;
  /** The same line and client with nothing to upload. */
  readonly alone: readonly LineRun[];
  readonly both: readonly LineRun[];
}

const rows: Row[] = [];
for (const line of lines) {
  const spanSeconds = warmUpSeconds + seconds + SPARE_SECONDS;
  const halfMib = Math.ceil(((line.downBitsPerSecond / 8) * spanSeconds) / 2 ** 20);
  const content = await writeHalves(lab.folder, 2 * halfMib * 2 ** 20);
  for (const congestion of options.congestion) {
    for (const kind of clients) {
      const missing = kind.needs.filter((name) => !isInstalled(name));
      if (missing.length > 0) console.log(`${kind.name}: skipped, needs ${missing.join(', ')}`);
      else rows.push(await measureClient(line, congestion, kind, content));
    }
  }
}
console.log(
  `\n${SEEDS} seeds and ${LEECHERS} leechers beyond a router; ${seconds} s of each run; medians of ${runs}\n`,
);
printRows(rows);
printTargets(rows);
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(rows, null, 2)}\n`);

async function measureClient(
  line: NamedLine,
  congestion: string,
  kind: (typeof CLIENTS)[number],
  content: Content,
): Promise<Row> {
  const [alone, both]: [LineRun[], LineRun[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    for (const uploads of [false, true]) {
      // Queues and buckets of the run before are gone with the shaper.
      lab.shape(line, congestion);
      const title = `${line.name} ${congestion} ${kind.name}${uploads ? '' : ', nothing to upload'}`;
      const tell = (text: string) => options.verbose && process.stderr.write(`${title}: ${text}\n`);
      const times = [1000 * warmUpSeconds, 1000 * seconds] as const;
      const result = await runLine(lab, line, kind, content, uploads, ...times, tell);
      (uploads ? both : alone).push(result);
      const figures = `down ${megabits(result.downloadRate)}, up ${megabits(result.uploadRate)} Mbit/s`;
      process.stderr.write(`${title}: ${figures}; CPU ${percent(result.cpuShare)}\n`);
    }
  }
  return { line, congestion, client: kind.name, alone, both };
}

function printRows(all: readonly Row[]): void {
  const head = [
    'line, TCP, client',
    'down Mbit/s',
    'of the line',
    'of alone',
    'up Mbit/s',
    'of the line',
    'uplink busy',
    'router ms: median',
    '9th decile',
    'message ms: median',
    '9th decile',
    'CPU',
  ];
  const cells = all.map(({ line, congestion, client, alone, both }) => {
    const middle = (of: readonly LineRun[], pick: (run: LineRun) => number) => median(of.map(pick));
    const down = middle(both, ({ downloadRate }) => downloadRate);
    const up = middle(both, ({ uploadRate }) => uploadRate);
    const decile = (pick: (run: LineRun) => readonly number[], share: number) =>
      middle(both, (run) => pick(run)[Math.floor(share * pick(run).length)] ?? Number.NaN).toFixed(0);
    return [
      `${line.name}, ${congestion}, ${client}`,
      megabits(down),
      percent((8 * down) / line.downBitsPerSecond),
      percent(down / middle(alone, ({ downloadRate }) => downloadRate)),
      megabits(up),
      percent((8 * up) / line.upBitsPerSecond),
      percent((8 * middle(both, ({ upWireRate }) => upWireRate)) / line.upBitsPerSecond),
      decile(({ routerMs }) => routerMs, 0.5),
      decile(({ routerMs }) => routerMs, 0.9),
      decile(({ messageMs }) => messageMs, 0.5),
      decile(({ messageMs }) => messageMs, 0.9),
      percent(middle(both, ({ cpuShare }) => cpuShare)),
    ];
  });
  console.log(formatTable(head, cells));
  console.log(
    'down, up: TCP payload, so the line itself carries 4 to 5 % more; of alone: of what this client downloads over\n' +
      'this line with nothing to upload. uplink busy: with all headers and acknowledgements. router: what a packet\n' +
      'waits there; message: what a request or a have waits on its way out, to those who take blocks of ours.',
  );
}

/** Of swarm: a download that uploads leave nearly all of the line. */
function printTargets(all: readonly Row[]): void {
  const targets = all
    .filter(({ client }) => client === swarm.name)
    .map(({ line, congestion, alone, both }) => {
      const rateOf = (of: readonly LineRun[]): number => median(of.map(({ downloadRate }) => downloadRate));
      return atLeastShare(
        `${line.name}, ${congestion}: of alone`,
        rateOf(both),
        rateOf(alone),
        LEAST_OF_ALONE,
      );
    });
  if (targets.length > 0) console.log(`\n${formatTargets(targets)}`);
}

/** One that fills queues until they overflow, as most do, and one that does not; those that namespaces may choose. */
function congestionControls(): string[] {
  const allowed = readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8').trim().split(' ');
  const filling = ['cubic', 'reno'].find((name) => allowed.includes(name));
  return [filling, 'bbr'].filter((name) => name !== undefined && allowed.includes(name)) as string[];
}

function megabits(bytesPerSecond: number): string {
  return ((8 * bytesPerSecond) / MBIT).toFixed(2);
}

function percent(share: number): string {
  return Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`;
}
