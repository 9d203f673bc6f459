/** Condense: many runs to what the page shows of them: a cell for each scenario, number of peers and policy. */
import { POLICIES } from '../behaviour.js';
import { type GroupSpeeds, mean } from '../run-result.js';
import { SCENARIOS } from '../scenarios/index.js';
import { IDLE_CAUSES, type IdleCause } from '../survey.js';
import type { MeasuredRun } from '../table.js';

/** Steps of a course. Panels are narrower than twice as many pixels. */
const STEPS = 80;
const QUANTILES = 100;

export interface Cell {
  readonly scenario: string;
  readonly about: string;
  readonly peers: number;
  readonly policy: string;
  readonly leastSeconds: number;
  /** One value a run from here on, in the order of the seeds. */
  readonly seeds: readonly number[];
  readonly lastOverLeast: readonly number[];
  readonly meanOverLeast: readonly number[];
  readonly uplinkUse: readonly number[];
  readonly seedDuplicates: readonly number[];
  readonly waste: readonly number[];
  readonly starved: readonly number[];
  readonly firstCopySeconds: readonly (number | null)[];
  /** What a peer took, of all peers of all runs: the least, then by percent of them, up to the longest. */
  readonly downloadSeconds: readonly number[];
  readonly course: Course;
  /** Means over the runs. */
  readonly speeds: Readonly<Record<string, GroupSpeeds>>;
  readonly commands: readonly string[];
  readonly revisions: readonly string[];
}

/** From the beginning to the last finish of the slowest run, in equal steps. */
export interface Course {
  readonly stepSeconds: number;
  /** Shares of all uplinks: means over the runs that were still under way. */
  readonly uplinkUse: readonly number[];
  readonly idle: Readonly<Record<IdleCause, readonly number[]>>;
  /** As a share of the torrent's blocks: means over all runs. */
  readonly seedDuplicates: readonly number[];
}

/** A policy that takes so many times as long as the best would leave no room for the others in a drawing. */
const LONGEST_DRAWN = 5;

/** How long a swarm's drawings are: as the slowest of its policies, but for those that take far longer than the best. */
export function drawnSeconds(cells: readonly Cell[]): number {
  const lengths = cells.map(lengthSeconds);
  const limit = LONGEST_DRAWN * Math.max(cells[0]!.leastSeconds, Math.min(...lengths));
  return Math.max(cells[0]!.leastSeconds, ...lengths.filter((seconds) => seconds <= limit));
}

/** Until the last finish of the slowest run. */
export const lengthSeconds = ({ course }: Cell): number => course.stepSeconds * course.uplinkUse.length;

/** In the order of the scenarios, the policies and the seeds, whatever that of the runs. */
export function condense(runs: readonly MeasuredRun[]): Cell[] {
  const groups = new Map<string, MeasuredRun[]>();
  for (const run of runs) {
    const key = `${run.scenario} ${run.peers} ${run.policy}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const rank = (cell: Cell): [number, number, number] => [
    SCENARIOS.findIndex(({ name }) => name === cell.scenario),
    cell.peers,
    POLICIES.findIndex(({ name }) => name === cell.policy),
  ];
  return [...groups.values()].map(cellOf).sort((a, b) => compareRanks(rank(a), rank(b)));
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i < 0 ? 0 : a[i]! - b[i]!;
}

function cellOf(unsorted: readonly MeasuredRun[]): Cell {
  const runs = [...unsorted].sort((a, b) => a.seed - b.seed);
  const { scenario, peers, policy, leastSeconds } = runs[0]!;
  const of = (field: (run: MeasuredRun) => number): number[] => runs.map((run) => rounded(field(run)));
  return {
    scenario,
    about: SCENARIOS.find(({ name }) => name === scenario)?.about ?? '',
    peers,
    policy,
    leastSeconds,
    seeds: runs.map(({ seed }) => seed),
    lastOverLeast: of((run) => run.lastOverLeast),
    meanOverLeast: of((run) => run.meanSeconds / leastSeconds),
    uplinkUse: of((run) => run.uplinkUse),
    seedDuplicates: of((run) => run.seedDuplicates),
    waste: of((run) => run.waste),
    starved: of((run) => run.starved),
    firstCopySeconds: runs.map(({ firstCopySeconds: at }) => (at === null ? null : rounded(at))),
    downloadSeconds: quantiles(runs.flatMap((run) => Object.values(run.downloadSeconds).flat())),
    course: courseOf(runs),
    speeds: speedsOf(runs),
    commands: [...new Set(runs.map(({ command }) => command))].sort(),
    revisions: [...new Set(runs.map(({ revision }) => revision))].sort(),
  };
}

/** Five digits are more than a plot can show, and a fifth of the file. */
const rounded = (value: number): number => Number(value.toPrecision(5));

function quantiles(values: readonly number[]): number[] {
  if (values.length === 0) return [];
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: QUANTILES + 1 }, (_, i) => {
    const at = (i / QUANTILES) * (sorted.length - 1);
    const below = sorted[Math.floor(at)]!;
    return rounded(below + (sorted[Math.ceil(at)]! - below) * (at % 1));
  });
}

function courseOf(runs: readonly MeasuredRun[]): Course {
  const stepSeconds = Math.max(...runs.map(({ lastSeconds }) => lastSeconds)) / STEPS;
  const steps = runs.map((run) => stepsOf(run, stepSeconds));
  const overRuns = (field: (step: Step) => number): number[] =>
    Array.from({ length: STEPS }, (_, i) => rounded(mean(steps.flatMap((run) => run[i] ?? []).map(field))));
  return {
    stepSeconds,
    uplinkUse: overRuns((step) => step.uplinkUse),
    idle: Object.fromEntries(
      IDLE_CAUSES.map((cause) => [cause, overRuns((step) => step.idle[cause])]),
    ) as Record<IdleCause, number[]>,
    seedDuplicates: Array.from({ length: STEPS }, (_, i) =>
      rounded(mean(steps.map((run) => (run[i] ?? run.at(-1))?.seedDuplicates ?? 0))),
    ),
  };
}

interface Step {
  readonly uplinkUse: number;
  readonly idle: Readonly<Record<IdleCause, number>>;
  readonly seedDuplicates: number;
}

/** As many as the run lasted. One without a look is like the one before. */
function stepsOf({ looks, blocks }: MeasuredRun, stepSeconds: number): Step[] {
  const byStep: (typeof looks)[number][][] = [];
  for (const look of looks) {
    const at = Math.min(STEPS - 1, Math.floor(look.atMs / 1000 / stepSeconds));
    byStep[at] ??= [];
    byStep[at].push(look);
  }
  const steps: Step[] = [];
  for (const found of byStep) {
    const before = steps.at(-1);
    if (found !== undefined)
      steps.push({
        uplinkUse: mean(found.map(({ uplinkUse }) => uplinkUse)),
        idle: Object.fromEntries(
          IDLE_CAUSES.map((cause) => [cause, mean(found.map(({ idle }) => idle[cause]))]),
        ) as Record<IdleCause, number>,
        seedDuplicates: found.at(-1)!.seedDuplicates / blocks,
      });
    else if (before !== undefined) steps.push(before);
    else steps.push({ uplinkUse: 0, idle: NOT_LOOKED_AT, seedDuplicates: 0 });
  }
  return steps;
}

const NOT_LOOKED_AT = Object.fromEntries(IDLE_CAUSES.map((cause) => [cause, 0])) as Record<IdleCause, number>;

function speedsOf(runs: readonly MeasuredRun[]): Record<string, GroupSpeeds> {
  const groups = [...new Set(runs.flatMap(({ speeds }) => Object.keys(speeds)))];
  return Object.fromEntries(
    groups.map((group) => {
      const found = runs.flatMap(({ speeds }) => speeds[group] ?? []);
      return [
        group,
        {
          link: found[0]!.link,
          meanDownKbit: rounded(mean(found.map(({ meanDownKbit }) => meanDownKbit))),
          meanUpKbit: rounded(mean(found.map(({ meanUpKbit }) => meanUpKbit))),
        },
      ];
    }),
  );
}
