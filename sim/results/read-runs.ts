/** Read runs: the files that `npm run sim -- … --json FILE` wrote, checked before anything is computed from them. */
import { POLICIES } from '../behaviour.js';
import { SCENARIOS } from '../scenarios/index.js';
import { IDLE_CAUSES } from '../survey.js';
import type { MeasuredRun } from '../table.js';

export interface RunsFile {
  readonly name: string;
  readonly text: string;
}

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isAmount: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isPositive: Check = (value) => isAmount(value) && value !== 0;
const isAmountOrNull: Check = (value) => value === null || isAmount(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isRecordOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);
const hasAll =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([field, check]) => check(value[field]));

const isIdle = hasAll(Object.fromEntries(IDLE_CAUSES.map((cause) => [cause, isAmount])));

/** Only what is used of a run: other fields may come and go. */
const FIELDS: Readonly<Record<string, Check>> = {
  scenario: (value) => SCENARIOS.some(({ name }) => name === value),
  policy: (value) => POLICIES.some(({ name }) => name === value),
  seed: isAmount,
  peers: isPositive,
  leastSeconds: isPositive,
  lastSeconds: isAmount,
  meanSeconds: isAmount,
  lastOverLeast: isAmount,
  downloadSeconds: isRecordOf(isListOf(isAmount)),
  speeds: isRecordOf(
    hasAll({
      link: hasAll({ downKbit: isPositive, upKbit: isPositive }),
      meanDownKbit: isAmount,
      meanUpKbit: isAmount,
    }),
  ),
  starved: isAmount,
  uplinkUse: isAmount,
  blocks: isPositive,
  seedDuplicates: isAmount,
  firstCopySeconds: isAmountOrNull,
  waste: isAmount,
  looks: isListOf(hasAll({ atMs: isAmount, uplinkUse: isAmount, idle: isIdle, seedDuplicates: isAmount })),
  command: isText,
  revision: isText,
};

/** All runs of all files. Throws an Error that names the file and what is wrong: also when a run is there twice. */
export function readRuns(files: readonly RunsFile[]): MeasuredRun[] {
  const fileOf = new Map<string, string>();
  const leastOf = new Map<string, number>();
  return files.flatMap(({ name, text }) => {
    const runs = parseRuns(name, text);
    for (const { scenario, peers, policy, seed, leastSeconds } of runs) {
      const swarm = `${scenario}, ${peers} peers`;
      const key = `${swarm}, ${policy}, seed ${seed}`;
      const before = fileOf.get(key);
      if (before !== undefined) throw new Error(`${name}: ${key} is in ${before} already`);
      fileOf.set(key, name);
      if ((leastOf.get(swarm) ?? leastSeconds) !== leastSeconds)
        throw new Error(`${name}: ${swarm} was another scenario in another file: T_min differs`);
      leastOf.set(swarm, leastSeconds);
    }
    return runs;
  });
}

function parseRuns(file: string, text: string): readonly MeasuredRun[] {
  let runs: unknown;
  try {
    runs = JSON.parse(text);
  } catch {
    throw new Error(`${file}: no JSON`);
  }
  if (!Array.isArray(runs)) throw new Error(`${file}: no list of runs`);
  runs.forEach((run: unknown, i) => {
    for (const [field, check] of Object.entries(FIELDS)) {
      if (!isObject(run) || !check(run[field])) throw new Error(`${file}: run ${i + 1}: bad "${field}"`);
    }
  });
  return runs as MeasuredRun[];
}
