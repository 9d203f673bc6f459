/**
 * Gains: what a group's peers gain by what sets their scenario apart from another, seed by seed: luck that both share
 * (who comes when) does not count.
 */
import { halfWidth } from './confidence.js';
import { mean } from './run-result.js';
import { SCENARIOS } from './scenarios/index.js';
import type { MeasuredRun } from './table.js';

export interface Gain {
  readonly scenario: string;
  readonly policy: string;
  readonly comparedWith: string;
  readonly group: string;
  /** A value a seed: by how much the group's mean download time is shorter than in the other scenario. */
  readonly savedSeconds: readonly number[];
  /** The group's mean download time in the other scenario. */
  readonly baseSeconds: number;
}

/** Of all scenarios that are there with the one that they compare with, by the seeds that both have. */
export function gainsOf(runs: readonly MeasuredRun[]): Gain[] {
  return SCENARIOS.flatMap(({ name, compared }) => {
    if (compared === undefined) return [];
    const { scenario: comparedWith, group } = compared;
    const policies = [
      ...new Set(runs.filter(({ scenario }) => scenario === name).map(({ policy }) => policy)),
    ];
    return policies.flatMap((policy) => {
      const base = timesBySeed(runs, comparedWith, policy, group);
      const pairs = [...timesBySeed(runs, name, policy, group)].flatMap(([seed, seconds]) => {
        const before = base.get(seed);
        return before === undefined ? [] : [{ before, saved: before - seconds }];
      });
      if (pairs.length === 0) return [];
      const savedSeconds = pairs.map(({ saved }) => saved);
      const baseSeconds = mean(pairs.map(({ before }) => before));
      return [{ scenario: name, policy, comparedWith, group, savedSeconds, baseSeconds }];
    });
  });
}

/** Mean download times of a group, where somebody of it finished. */
function timesBySeed(
  runs: readonly MeasuredRun[],
  scenario: string,
  policy: string,
  group: string,
): Map<number, number> {
  return new Map(
    runs
      .filter((run) => run.scenario === scenario && run.policy === policy)
      .flatMap(({ seed, downloadSeconds: { [group]: times = [] } }) =>
        times.length === 0 ? [] : [[seed, mean(times)] as const],
      ),
  );
}

/** Seconds saved a download, and as a share, with the 95 % interval. */
export function gainText({ scenario, policy, comparedWith, group, savedSeconds, baseSeconds }: Gain): string {
  const saved = mean(savedSeconds);
  const half = halfWidth(savedSeconds);
  const spread = (scale: number, digits: number): string =>
    `${signed(saved * scale, digits)}${half === undefined ? '' : ` ± ${(half * scale).toFixed(digits)}`}`;
  return `${scenario} ${policy}: ${group} ${spread(1, 0)} s (${spread(100 / baseSeconds, 1)} %) of ${baseSeconds.toFixed(0)} s in ${comparedWith}`;
}

const signed = (value: number, digits: number): string => `${value < 0 ? '' : '+'}${value.toFixed(digits)}`;
