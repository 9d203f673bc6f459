/** Runs to draw: made up, with everything that the page reads. */
import type { GroupSpeeds } from '../../../sim/run-result.js';
import type { IdleCause } from '../../../sim/survey.js';
import type { MeasuredRun } from '../../../sim/table.js';

const IDLE: Readonly<Record<IdleCause, number>> = {
  empty: 0.1,
  unwanted: 0.1,
  choked: 0.1,
  unasked: 0.1,
  receivers: 0.1,
};

export const SPEEDS: GroupSpeeds = {
  link: { downKbit: 1500, upKbit: 400 },
  meanDownKbit: 390,
  meanUpKbit: 380,
};

/** B2 with three peers that took 2,100, 2,200 and 2,300 s; half of all uplinks were used. */
export function madeUpRun(changes: Partial<MeasuredRun> = {}): MeasuredRun {
  return {
    scenario: 'B2',
    policy: 'swarm',
    seed: 1,
    peers: 3,
    leastSeconds: 2000,
    lastSeconds: 2300,
    meanSeconds: 2200,
    lastOverLeast: 1.15,
    downloadSeconds: { '1500:400': [2100, 2200, 2300] },
    speeds: { '1500:400': SPEEDS },
    presentByQuarter: [0, 0, 0, 0],
    starved: 0,
    uplinkUse: 0.5,
    idle: IDLE,
    blocks: 6400,
    seedDuplicates: 0.25,
    firstCopySeconds: 1800,
    waste: 0.01,
    seedFairness: null,
    corruptPieces: 0,
    viewers: null,
    traceHash: '0',
    messages: 1,
    events: 1,
    checks: 1,
    unsettled: 0,
    looks: Array.from({ length: 460 }, (_, i) => ({
      atMs: 5_000 * (i + 1),
      uplinkUse: 0.5,
      idle: IDLE,
      finished: 0,
      present: 0,
      seedDuplicates: Math.min(1600, 4 * i),
    })),
    wallSeconds: 1,
    cpuSeconds: 1,
    peakMegabytes: 1,
    command: 'npm run sim -- B2',
    revision: 'abc',
    ...changes,
  };
}
