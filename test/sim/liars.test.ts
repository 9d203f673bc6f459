/** Viewers of a super-seed that lie, and more arrivals than the seed could feed: in short. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../engine/policy/bitfield.js';
import { asPiece } from '../../engine/units.js';
import { SWARM } from '../../sim/behaviour.js';
import type { RunResult } from '../../sim/run-result.js';
import type { Scenario } from '../../sim/scenario.js';
import { TWICE_FILES } from '../../sim/scenarios/arrivals.js';
import { SCENARIOS } from '../../sim/scenarios/index.js';
import { simulate } from '../../sim/simulation.js';
import { ALL_BUT_ONE, EVERYTHING, tellsShare } from '../../sim/tales.js';

const run = (scenario: Scenario, peers: number): RunResult =>
  simulate({ scenario, peers, seed: 1, policy: SWARM, replay: 'again' });
const named = (name: string): Scenario => SCENARIOS.find((scenario) => scenario.name === name)!;

for (const name of ['viewers-all', 'viewers-nearly-all']) {
  test(`${name}: who lies to a super-seed does not make it send much twice`, () => {
    const { seedDuplicates, lastOverLeast } = run({ ...named(name), pieces: 40 }, 16);
    assert.ok(seedDuplicates < 0.15 && lastOverLeast < 1.35, `${seedDuplicates}, ${lastOverLeast}`);
  });
}

test('peers that come twice as fast as a seed could send them the file do not pile up', () => {
  const { presentByQuarter, starved } = run(TWICE_FILES, 100);
  assert.equal(starved, 0);
  assert.ok(Math.max(...presentByQuarter) < 15, `${presentByQuarter}`);
});

test('tales say what they are named for', () => {
  const have = new Bitfield(100);
  have.set(asPiece(3));
  assert.ok(EVERYTHING.first(have).isFull);
  assert.equal(ALL_BUT_ONE.first(have).count, 99);
  const third = tellsShare(0.3);
  const told = third.first(Bitfield.full(100));
  assert.ok(told.count >= 25 && told.count <= 35, `${told.count}`);
  for (let piece = 0; piece < 100; piece++)
    assert.equal(third.tells(asPiece(piece)), told.get(asPiece(piece)));
});
