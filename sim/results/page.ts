/** Page: the cells as Markdown with its drawings: one table and up to four drawings a swarm, and how it was made. */

import { halfWidth } from '../confidence.js';
import { mean } from '../run-result.js';
import { completionPlot } from './completion-plot.js';
import { type Cell, drawnSeconds, lengthSeconds } from './condense.js';
import { duplicatesPlot } from './duplicates-plot.js';
import { grouped, percentText } from './figures-text.js';
import { speedsPlot } from './speeds-plot.js';
import { uplinksPlot } from './uplinks-plot.js';

export const PAGE = 'README.md';
/** What differs by less looks the same in the table. */
const LEAST_AHEAD = 0.0005;

/** What the page is made of, and all that it is made of. */
export interface Results {
  /** The command that condensed the runs. */
  readonly command: string;
  readonly cells: readonly Cell[];
}

/** By name of the policy, for those who have not read its code. */
export const POLICY_TEXT: Readonly<Record<string, string>> = {
  swarm: 'the engine as it is',
  random: 'any piece that the other has, with equal chances; the rest as the engine',
  sequential: 'the first piece that is missing; the rest as the engine',
  classic:
    'the engine’s rarest first with the choker of 2003: four slots by merit every 10 s, one by chance every 30 s; a seed prefers who takes the most, and does not super-seed',
  'always-unchoke': 'nobody is ever choked; the rest as the engine',
  'fastest-first':
    'a seed serves first who takes the most, and does not super-seed; no block is asked of two; the rest as the engine',
};

const COLUMNS = `T_min is the least time in which all peers of a swarm can have everything (Kumar and Ross 2006): the seed's uplink,
the slowest downlink, or all uplinks together, whichever takes longest.

| column | is |
|---|---|
| last/T_min | when the last peer had everything, over T_min: the mean over the seeds of chance, ± half the width of its 95 % confidence interval (Student) |
| mean/T_min | the same of the mean peer, for which T_min is no bound |
| uplinks | share of all uplinks in use, until the last finish |
| seed dup | blocks that the seed sent again before it had sent each once, of the blocks in the torrent |
| first copy | when it had sent each once |
| waste | of the bytes received, those thrown away |`;

const PICKERS = `Of random and sequential only the picker differs: choker and super-seed are the engine's. The super-seed shows a piece
to one peer at a time, so peers have different ones to pass on, whatever their picker prefers. In a crowd that comes at
once this leaves the picker little to do, and now and then another one is ahead of ours by a hair: below a table it says
where. What a picker is for shows without a super-seed: B1 with 60 peers then takes 1.03 × T_min with ours, 1.03 with
random and 1.43 with sequential (means of three seeds), and B2 takes 1.33, 1.35 and 17.3 (one seed; 2026-11-30).`;

const NOT_MODELLED = `## What these figures do not say

The simulator runs the engine's own policies, for every peer, in a network of its own
([docs/simulator.md](../simulator.md)). It does not model

- packets: loss, congestion, slow start, shares that depend on the round trip, queues that TCP itself fills. Access
  links are shared max-min fairly, as a fluid, and nothing but access links is narrow;
- headers of TCP and IP, in these swarms: real lines lose about 5 % to them;
- disks and processors: a piece takes 2 ms to verify and none to read;
- other clients, encryption, UDP, DHT, peer exchange, keep-alives: all peers are ours, or ours but for the policy named;
- people: here all come within a second and stay until the last has finished.

So the figures say which policy is better, and by how much in such a network, not what a certain line will do.`;

const FULL_RUNS = `The full runs take hours. They are these, one file a swarm and policy, so that they can run side by side:

\`\`\`
npm run build && mkdir -p /tmp/swarm-results
for bench in B1 B2 B3 B4; do
  for policy in ${Object.keys(POLICY_TEXT).join(' ')}; do
    node dist/sim/main.js $bench --policy $policy --peers 1000 --seeds 10 --json /tmp/swarm-results/$bench-$policy-1000.json
    node dist/sim/main.js $bench --policy $policy --peers 200 --seeds 30 --json /tmp/swarm-results/$bench-$policy-200.json
  done
done
npm run sim:report -- --out docs/simulation-results /tmp/swarm-results/*.json
\`\`\`

\`npm run sim:report -- --out docs/simulation-results\`, without files, draws everything anew from
[results.json](results.json), which holds all that is shown here.`;

/** The page and its drawings, by the file's name. */
export function pageFiles(results: Results): Map<string, string> {
  const { cells } = results;
  const files = new Map<string, string>();
  const policies = Object.keys(POLICY_TEXT).filter((name) => cells.some(({ policy }) => policy === name));
  const sections = swarmsOf(cells).map((swarm) => section(swarm, policies, files));
  const page = [
    '# Simulated swarms, beside the least possible time',
    '',
    `Made by \`npm run sim:report\`; how, is [below](#how-this-was-made). ${seedsText(cells)}`,
    '',
    '| policy | is |',
    '|---|---|',
    ...policies.map((policy) => `| ${policy} | ${POLICY_TEXT[policy] ?? ''} |`),
    '',
    ...(['random', 'sequential'].every((policy) => policies.includes(policy)) ? [PICKERS, ''] : []),
    COLUMNS,
    '',
    ...sections.flat(),
    NOT_MODELLED,
    '',
    ...howMade(results),
    '',
    FULL_RUNS,
  ].join('\n');
  files.set(PAGE, `${page}\n`);
  return files;
}

function swarmsOf(cells: readonly Cell[]): Cell[][] {
  const swarms = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${cell.scenario} ${cell.peers}`;
    swarms.set(key, [...(swarms.get(key) ?? []), cell]);
  }
  return [...swarms.values()];
}

function seedsText(cells: readonly Cell[]): string {
  const counts = cells.map(({ seeds }) => seeds.length);
  const least = Math.min(...counts);
  return least > 1
    ? `Every row is of ${least} seeds or more.`
    : 'Rows without ± are of a single seed: a look, not a measurement.';
}

function section(cells: readonly Cell[], policies: readonly string[], files: Map<string, string>): string[] {
  const { scenario, about, peers, leastSeconds } = cells[0]!;
  const prefix = `${scenario.toLowerCase()}-${peers}`;
  const figure = (name: string, says: string, svg: string): string[] => {
    const file = `${prefix}-${name}.svg`;
    files.set(file, svg);
    return ['', `![${says}](${file})`];
  };
  const people = peers === 1 ? '1 peer' : `${grouped(peers)} peers`;
  return [
    `## ${scenario}, ${people}`,
    '',
    `${about[0]?.toUpperCase()}${about.slice(1)}. T_min is ${grouped(leastSeconds)} s.`,
    '',
    '| policy | seeds | last/T_min | mean/T_min | uplinks | seed dup | first copy | waste |',
    '|---|--:|--:|--:|--:|--:|--:|--:|',
    ...cells.map(row),
    ...quicker(cells),
    ...cells.flatMap(unfinished),
    ...missing(cells, policies),
    ...tooLong(cells),
    ...(cells.some(({ downloadSeconds }) => downloadSeconds.length > 0)
      ? figure('completion', 'When peers have everything', completionPlot(cells))
      : []),
    ...figure('uplinks', 'What uplinks are used for, over time', uplinksPlot(cells)),
    '',
    `An uplink lies idle because its peer has no pieces yet or no connections (empty), nobody wants what it has (unwanted),
somebody does and is choked (choked), somebody may ask and does not (unasked), or the receivers' links are full
(receivers). Drawn are the means of the runs still under way.`,
    ...figure('seed-duplicates', 'What the seed sends again, over time', duplicatesPlot(cells)),
    ...(cells.some(({ speeds }) => Object.keys(speeds).length > 1)
      ? figure('speeds', 'What peers of each class of link give and get', speedsPlot(cells))
      : []),
    '',
  ];
}

function row(cell: Cell): string {
  const copies = cell.firstCopySeconds.filter((at) => at !== null);
  const cells = [
    cell.policy === 'swarm' ? `**${cell.policy}**` : cell.policy,
    `${cell.seeds.length}`,
    spread(cell.lastOverLeast),
    spread(cell.meanOverLeast),
    percentText(mean(cell.uplinkUse)),
    percentText(mean(cell.seedDuplicates)),
    copies.length === 0 ? 'never' : `${grouped(mean(copies))} s`,
    percentText(mean(cell.waste), 2),
  ];
  return `| ${cells.join(' | ')} |`;
}

function spread(values: readonly number[]): string {
  const half = halfWidth(values);
  return half === undefined ? mean(values).toFixed(3) : `${mean(values).toFixed(3)} ± ${half.toFixed(3)}`;
}

/** Its times are of those who finished, and mean little when some did not. */
function unfinished({ policy, starved, seeds }: Cell): string[] {
  return starved.flatMap((count, i) =>
    count === 0 ? [] : ['', `${policy}, seed ${seeds[i]}: ${grouped(count)} could not finish.`],
  );
}

/** Whose last peer was done before ours: nobody is to search for it. */
function quicker(cells: readonly Cell[]): string[] {
  const ours = cells.find(({ policy }) => policy === 'swarm');
  if (ours === undefined) return [];
  const ahead = ({ lastOverLeast }: Cell): number => mean(ours.lastOverLeast) - mean(lastOverLeast);
  const names = cells
    .filter((cell) => ahead(cell) >= LEAST_AHEAD)
    .map((cell) => {
      const halves = [ours, cell].map(({ lastOverLeast }) => halfWidth(lastOverLeast) ?? 0);
      return ahead(cell) > halves[0]! + halves[1]! ? cell.policy : `${cell.policy} (within the ±)`;
    });
  return names.length === 0
    ? []
    : ['', `Here the last peer was done sooner with ${listText(names)} than with swarm.`];
}

/** A run that failed leaves no figures, but is in the command of the others. */
function missing(cells: readonly Cell[], policies: readonly string[]): string[] {
  const { scenario, peers } = cells[0]!;
  const commands = cells.flatMap((cell) => cell.commands);
  const absent = policies.filter((policy) => cells.every((cell) => cell.policy !== policy));
  const failed = absent.filter((policy) => commands.some((command) => isNamed(policy, command)));
  const notRun = absent.filter((policy) => !failed.includes(policy));
  const command = (names: readonly string[]): string =>
    `\`npm run sim -- ${scenario} --peers ${peers} --policy ${names.length === 1 ? names[0] : 'NAME'}\``;
  return [
    ...(failed.length === 0
      ? []
      : ['', `No run of ${listText(failed)} succeeded; why, says`, `${command(failed)}.`]),
    ...(notRun.length === 0
      ? []
      : [
          '',
          `At this size ${listText(notRun)} ${notRun.length === 1 ? 'was' : 'were'} not run;`,
          `${command(notRun)} does.`,
        ]),
  ];
}

const isNamed = (policy: string, command: string): boolean =>
  new RegExp(`--policy[ =]${policy}(?: |$)`, 'i').test(command);

const listText = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' and ');

function tooLong(cells: readonly Cell[]): string[] {
  const drawn = drawnSeconds(cells);
  return cells.flatMap((cell) =>
    lengthSeconds(cell) <= drawn
      ? []
      : ['', `${cell.policy} took ${grouped(lengthSeconds(cell))} s: the drawings end before.`],
  );
}

function howMade({ cells, command }: Results): string[] {
  const byRevision = new Map<string, Set<string>>();
  for (const { revisions, commands } of cells) {
    const revision = revisions.join(', ');
    byRevision.set(revision, new Set([...(byRevision.get(revision) ?? []), ...commands]));
  }
  return [
    '## How this was made',
    '',
    ...[...byRevision].flatMap(([revision, commands]) => [
      `Runs, at ${revisionText(revision)}:`,
      '',
      '```',
      ...commands,
      '```',
      '',
    ]),
    'The page:',
    '',
    '```',
    command,
    '```',
  ];
}

const revisionText = (revision: string): string =>
  revision.includes('+') ? `commit ${revision} (+: with changes not committed)` : `commit ${revision}`;
