/** Whole simulated swarms: the same every time, checked all the time, and doing what their scenario says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Behaviour, POLICIES, SWARM } from '../../sim/behaviour.js';
import type { RunResult } from '../../sim/run-result.js';
import type { Scenario } from '../../sim/scenario.js';
import { B1, B2 } from '../../sim/scenarios/flash-crowd.js';
import { CHURN, FREE_RIDERS, LAST_SEED, MODEM, NAT, POISON } from '../../sim/scenarios/hardships.js';
import { simulate } from '../../sim/simulation.js';

const run = (scenario: Scenario, seed = 1, policy: Behaviour = SWARM): RunResult =>
  simulate({ scenario: { ...scenario, pieces: 16 }, peers: 25, seed, policy, replay: 'again' });

const finishers = (result: RunResult): number =>
  Object.values(result.downloadSeconds).reduce((sum, times) => sum + times.length, 0);

test('the same seed runs the same swarm, message by message', () => {
  const { looks, ...first } = run(B2, 7);
  const { looks: _, ...again } = run(B2, 7);
  assert.deepEqual(again, first);
  assert.ok(looks.length > 10 && first.messages > 10_000);
  assert.notEqual(run(B2, 8).traceHash, first.traceHash);
});

test('pieces that left with the only seed are no failure', () => {
  const result = run({
    ...LAST_SEED,
    seeds: [{ ...LAST_SEED.seeds[0]!, leavesAfterMs: 5_000 }],
  });
  assert.equal(result.starved, 25);
});

test('a seed may leave once it has sent every block', () => {
  assert.equal(finishers(run(LAST_SEED)), 25);
});

test('peers may come one by one and leave when they have finished', () => {
  assert.equal(finishers(run(CHURN)), 25);
});

test('corrupt blocks are found, and everybody finishes nevertheless', () => {
  const result = run(POISON);
  assert.ok(result.corruptPieces > 0);
  assert.equal(finishers(result), 25);
});

test('peers behind NATs finish, though nobody reaches them', () => {
  const result = run(NAT);
  assert.equal(result.downloadSeconds['behind NAT']?.length, 15);
});

test('peers that upload nothing count for nothing in the least time, and finish', () => {
  const result = run(FREE_RIDERS);
  assert.equal(result.downloadSeconds['free rider']?.length, 5);
  assert.ok(result.leastSeconds > run({ ...FREE_RIDERS, leechers: [FREE_RIDERS.leechers[0]!] }).leastSeconds);
});

test('requests that wait behind blocks in a modem cost time', () => {
  const direct = run({ ...MODEM, network: {} });
  assert.ok(run(MODEM).lastSeconds > direct.lastSeconds);
});

for (const policy of POLICIES) {
  test(`a swarm with the policy ${policy.name} finishes`, () => {
    const result = run(B1, 1, policy);
    assert.equal(finishers(result), 25);
    assert.equal(result.policy, policy.name);
  });
}
