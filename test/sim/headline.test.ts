/**
 * The figures that we claim, in swarms of sixty: a policy that is worse fails here. Runs are the same every time; what a
 * limit is above the figure (1.025, 1.037, 1.013, 1.056) is room for changes that gain elsewhere.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SWARM } from '../../sim/behaviour.js';
import { B1, B2, B3, B4 } from '../../sim/scenarios/flash-crowd.js';
import { simulate } from '../../sim/simulation.js';

/** A seed that is quicker than its peers may repeat itself: nobody waits for it. */
const NO_LIMIT = Number.POSITIVE_INFINITY;

for (const [scenario, most, mostRepeated] of [
  [B1, 1.05, NO_LIMIT],
  [B2, 1.08, 0.02],
  [B3, 1.05, 0.02],
  [B4, 1.1, NO_LIMIT],
] as const) {
  test(`${scenario.name}: sixty peers are done within ${most} of the least time, and waste next to nothing`, () => {
    const result = simulate({ scenario, peers: 60, seed: 1, policy: SWARM, replay: '' });
    assert.equal(Object.values(result.downloadSeconds).flat().length, 60);
    assert.ok(result.lastOverLeast <= most, `${result.lastOverLeast} of the least time`);
    assert.ok(result.seedDuplicates <= mostRepeated, `${result.seedDuplicates} repeated by the seed`);
    assert.ok(result.waste <= 0.005, `${result.waste} wasted`);
  });
}
