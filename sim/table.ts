/** Table: runs as rows for people: one a scenario and policy, with the spread over seeds. */
import { halfWidth } from './confidence.js';
import { gainsOf, gainText } from './gains.js';
import { mean, type RunResult, type ViewerFigures } from './run-result.js';
import { SCENARIOS } from './scenarios/index.js';
import { IDLE_CAUSES } from './survey.js';

export interface MeasuredRun extends RunResult {
  readonly wallSeconds: number;
  /** Of the process, collecting garbage on other threads included. */
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  /** What made it, with the other runs of the same file. */
  readonly command: string;
  /** Commit of the code, `+` behind it when files differed from it. */
  readonly revision: string;
}

const HEAD = [
  'scenario',
  'peers',
  'seeds',
  'T_min s',
  'last s',
  'mean s',
  'last/T_min',
  '± 95 %',
  'uplinks',
  'seed dup',
  'waste',
  'events/CPU s',
  'wall s',
  'CPU s',
  'MB',
  'trace',
];

export function formatRuns(runs: readonly MeasuredRun[]): string {
  const groups = new Map<string, MeasuredRun[]>();
  for (const run of runs) {
    const key = `${run.scenario} ${run.policy}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const rows = [...groups].map(([name, group]) => rowOf(name, group));
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const idle = [...groups].map(([name, group]) => `${name}: ${idleOf(group)}`);
  const starved = runs
    .filter((run) => run.starved > 0)
    .map((run) => `${run.scenario} ${run.policy}, seed ${run.seed}: ${run.starved} peers`);
  const byGroup = [...groups].flatMap(([name, group]) => groupLine(name, group));
  const present = [...groups].flatMap(([name, group]) => presentLine(name, group));
  const viewers = [...groups].flatMap(([name, group]) => viewersOf(name, group));
  return [
    line(HEAD),
    ...rows.map(line),
    ...titled('Who could not finish, as pieces were lost; the times above are of the others:', starved),
    ...titled('Where uplinks lay idle, of all there are:', idle),
    ...titled('Mean download times by group, s:', byGroup),
    ...titled(
      'Download time saved beside another scenario, seed by seed (below 0: lost):',
      gainsOf(runs).map(gainText),
    ),
    ...titled('Leechers present, by quarters of the time in which they come:', present),
    ...titled('Who plays while it downloads:', viewers),
  ].join('\n');
}

const titled = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', title, ...lines];

function groupLine(name: string, runs: readonly MeasuredRun[]): string[] {
  const groups = [...new Set(runs.flatMap((run) => Object.keys(run.downloadSeconds)))].sort();
  if (groups.length < 2) return [];
  const textOf = (group: string): string => {
    const means = runs.flatMap(({ downloadSeconds: { [group]: times } }) => (times ? [mean(times)] : []));
    const spread = halfWidth(means);
    return `${group} ${mean(means).toFixed(0)}${spread === undefined ? '' : ` ± ${spread.toFixed(0)}`}`;
  };
  return [`${name}: ${groups.map(textOf).join(', ')}`];
}

/** Not where all come at once: does the number stay bounded? */
function presentLine(name: string, runs: readonly MeasuredRun[]): string[] {
  const { arrivals } = SCENARIOS.find((scenario) => scenario.name === runs[0]!.scenario) ?? {};
  if (arrivals?.kind !== 'poisson') return [];
  const quarters = [0, 1, 2, 3].map((i) => mean(runs.map((run) => run.presentByQuarter[i] ?? 0)));
  return [`${name}: ${quarters.map((count) => count.toFixed(0)).join(', ')}`];
}

function rowOf(name: string, runs: readonly MeasuredRun[]): string[] {
  const first = runs[0]!;
  const of = (field: (run: MeasuredRun) => number): number => mean(runs.map(field));
  const spread = halfWidth(runs.map((run) => run.lastOverLeast));
  return [
    name,
    `${first.peers}`,
    `${runs.length}`,
    of((run) => run.leastSeconds).toFixed(0),
    of((run) => run.lastSeconds).toFixed(0),
    of((run) => run.meanSeconds).toFixed(0),
    of((run) => run.lastOverLeast).toFixed(3),
    spread === undefined ? '–' : spread.toFixed(3),
    percent(of((run) => run.uplinkUse)),
    percent(of((run) => run.seedDuplicates)),
    percent(
      of((run) => run.waste),
      2,
    ),
    `${(of((run) => run.events / run.cpuSeconds) / 1e6).toFixed(2)} M`,
    of((run) => run.wallSeconds).toFixed(1),
    of((run) => run.cpuSeconds).toFixed(1),
    Math.max(...runs.map((run) => run.peakMegabytes)).toFixed(0),
    runs.length === 1 ? first.traceHash : `${first.traceHash} …`,
  ];
}

function idleOf(runs: readonly MeasuredRun[]): string {
  return IDLE_CAUSES.map((cause) => `${cause} ${percent(mean(runs.map((run) => run.idle[cause])))}`).join(
    ', ',
  );
}

function viewersOf(name: string, runs: readonly MeasuredRun[]): string[] {
  const viewers = runs.flatMap((run) => run.viewers ?? []);
  if (viewers.length === 0) return [];
  const of = (field: (figures: ViewerFigures) => number): number => mean(viewers.map(field));
  const start = of(({ startSeconds }) => startSeconds).toFixed(0);
  const stalled = of(({ stalledSeconds }) => stalledSeconds).toFixed(0);
  return [
    `${name}: begins after ${start} s, ${percent(of(({ onTime }) => onTime))} in time, waits ${stalled} s in all`,
  ];
}

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;
