/** Gains: one scenario beside another, seed by seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gainsOf, gainText } from '../../sim/gains.js';
import { groupSizes } from '../../sim/scenario.js';
import { SCENARIOS } from '../../sim/scenarios/index.js';
import type { MeasuredRun } from '../../sim/table.js';
import { madeUpRun } from './results/run-drawing.js';

const honest = (seed: number, ...strategic: number[]): MeasuredRun =>
  madeUpRun({ scenario: 'equal-honest', seed, downloadSeconds: { strategic, other: [1] } });
const tyrant = (seed: number, ...strategic: number[]): MeasuredRun =>
  madeUpRun({ scenario: 'equal-tyrant', seed, downloadSeconds: { strategic, other: [2] } });

test('a gain is the mean of the differences by seed, whatever the order of the runs', () => {
  const runs = [honest(1, 300, 500), honest(2, 600), tyrant(2, 570), tyrant(1, 380, 400)];
  for (const all of [runs, [...runs].reverse()]) {
    const [gain, ...others] = gainsOf(all);
    assert.deepEqual(others, []);
    assert.equal(gain?.baseSeconds, 500);
    assert.deepEqual([...gain.savedSeconds].sort(), [10, 30]);
    // 20 ± 12.71 × 14.14 / √2.
    assert.equal(
      gainText(gain),
      'equal-tyrant swarm: strategic +20 ± 127 s (+4.0 ± 25.4 %) of 500 s in equal-honest',
    );
  }
});

test('a loss is below zero, and a single seed has no interval', () => {
  const [gain] = gainsOf([honest(1, 400), tyrant(1, 410)]);
  assert.equal(gainText(gain!), 'equal-tyrant swarm: strategic -10 s (-2.5 %) of 400 s in equal-honest');
});

test('seeds, policies and peers that have nothing beside them do not count', () => {
  const classic = madeUpRun({ ...honest(1, 100), policy: 'classic' });
  assert.deepEqual(gainsOf([honest(1, 400), classic]), []);
  assert.deepEqual(gainsOf([classic, tyrant(1, 400)]), []);
  assert.deepEqual(gainsOf([honest(1, 400), tyrant(2, 400)]), []);
  assert.deepEqual(gainsOf([honest(1), tyrant(1, 400)]), []);
  const [gain] = gainsOf([classic, honest(1, 400), tyrant(1, 390), tyrant(2, 1), honest(3, 1)]);
  assert.deepEqual(gain?.savedSeconds, [10]);
});

test('what a scenario is compared with is there, and has the group', () => {
  const compared = SCENARIOS.filter((scenario) => scenario.compared !== undefined);
  assert.ok(compared.some(({ name }) => name === 'seed-attack') && compared.length >= 7);
  for (const {
    name,
    leechers,
    peers,
    compared: { scenario, group } = { scenario: '', group: '' },
  } of compared) {
    const base = SCENARIOS.find((other) => other.name === scenario);
    const count = (of: typeof leechers, all: number): number =>
      groupSizes(of, all)[of.findIndex((one) => one.name === group)] ?? 0;
    assert.ok(base !== undefined && count(leechers, peers) > 0, name);
    assert.equal(count(base.leechers, base.peers), count(leechers, peers), name);
  }
});
