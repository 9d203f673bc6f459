/** The simulator against arithmetic: where a swarm is simple enough to compute, times agree within one percent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Behaviour, FREE_RIDER } from '../../sim/behaviour.js';
import { AlwaysUnchoke } from '../../sim/other-chokers.js';
import type { RunResult } from '../../sim/run-result.js';
import { leastSeconds, type Scenario } from '../../sim/scenario.js';
import { B1, B2, B3, B4 } from '../../sim/scenarios/flash-crowd.js';
import { NAT } from '../../sim/scenarios/hardships.js';
import { CHAIN, PAIR, STAR } from '../../sim/scenarios/shapes.js';
import { simulate } from '../../sim/simulation.js';

/** Whoever asks is served: links alone decide. */
const OPEN: Behaviour = { name: 'open', choker: () => new AlwaysUnchoke(), superSeed: 'off' };

const run = (scenario: Scenario, peers = scenario.peers): RunResult =>
  simulate({ scenario, peers, seed: 1, policy: OPEN, replay: '' });

const FILE_KBIT = 400 * 2048;
const PIECE_KBIT = 2048;

function assertNear(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 0.01 * expected, `${what}: ${actual} s, not ${expected} s`);
}

test('one seed and one leecher take the file over the uplink', () => {
  assertNear(run(PAIR).lastSeconds, FILE_KBIT / 400, 'pair');
});

test('a downlink slower than the uplink decides instead', () => {
  const slow = { ...PAIR, leechers: [{ name: 'slow', share: 1, link: { downKbit: 250, upKbit: 100 } }] };
  assertNear(run(slow).lastSeconds, FILE_KBIT / 250, 'slow');
});

test('TCP and IP headers cost their share', () => {
  assertNear(run({ ...PAIR, network: { overhead: 0.05 } }).lastSeconds, (1.05 * FILE_KBIT) / 400, 'pair');
});

test('a long way costs round trips at the beginning only', () => {
  assertNear(run({ ...PAIR, network: { latencyMs: 100 } }).lastSeconds, FILE_KBIT / 400, 'pair');
});

test('a chain takes the file once, and a piece for each hop', () => {
  const { lastSeconds, meanSeconds } = run(CHAIN);
  assertNear(lastSeconds, (FILE_KBIT + 3 * PIECE_KBIT) / 400, 'last');
  assertNear(meanSeconds, (FILE_KBIT + 1.5 * PIECE_KBIT) / 400, 'mean');
});

test('a star takes the file once a leecher, and all finish together', () => {
  const result = run(STAR);
  assertNear(result.lastSeconds, (4 * FILE_KBIT) / 400, 'last');
  assertNear(result.meanSeconds, (4 * FILE_KBIT) / 400, 'mean');
});

test('a star with one slow downlink shares the rest among the others', () => {
  const result = run({
    ...STAR,
    leechers: [
      { name: 'slow', share: 0.25, link: { downKbit: 80, upKbit: 80 } },
      { name: 'quick', share: 0.75, link: { downKbit: 2000, upKbit: 400 } },
    ],
  });
  assertNear(result.downloadSeconds.slow![0]!, FILE_KBIT / 80, 'slow');
  for (const seconds of result.downloadSeconds.quick!) assertNear(seconds, FILE_KBIT / (320 / 3), 'quick');
});

test('the least time is that of the published benches', () => {
  const least = [B1, B2, B3, B4].map((scenario) => Math.round(leastSeconds(scenario, 1000)));
  assert.deepEqual(least, [2018, 2048, 4096, 1045]);
});

test('what nobody reaches is fed by the others alone: that bounds the least time where they are few', () => {
  // 40 that can be reached and the seed send 60 files of 200 pieces; all uplinks together could do more.
  const file = 200 * PIECE_KBIT;
  assertNear(leastSeconds(NAT, 100), (60 * file) / (40 * 400 + 1000), 'nat');
  const groups = (reachable: number): Scenario => ({
    ...NAT,
    leechers: [
      { ...NAT.leechers[0]!, share: reachable },
      { ...NAT.leechers[1]!, share: 1 - reachable },
    ],
  });
  // Where more can be reached, all uplinks together take longest.
  for (const reachable of [0.6, 0.51, 0.99])
    assertNear(leastSeconds(groups(reachable), 100), (100 * file) / (100 * 400 + 1000), `${reachable}`);
  // With none, the seed alone.
  assertNear(leastSeconds(groups(0), 100), (100 * file) / 1000, 'none');
  const givesNothing = { ...NAT.leechers[0]!, behaviour: FREE_RIDER };
  const leechers = [givesNothing, NAT.leechers[1]!];
  assertNear(leastSeconds({ ...NAT, leechers }, 100), (60 * file) / 1000, 'takers');
});

test('nobody is quicker than the least time', () => {
  for (const scenario of [B1, B4, { ...NAT, network: {} }]) {
    const result = run({ ...scenario, pieces: 12 }, 20);
    assert.ok(result.lastOverLeast >= 1, `${scenario.name}: ${result.lastOverLeast}`);
  }
});
