/** Peers that play while they download: the order that they fetch in, and what is counted of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Behaviour, SWARM, type Viewing } from '../../sim/behaviour.js';
import type { RunResult } from '../../sim/run-result.js';
import { B1 } from '../../sim/scenarios/flash-crowd.js';
import { PAIR } from '../../sim/scenarios/shapes.js';
import { WATCHED } from '../../sim/scenarios/watched.js';
import { simulate } from '../../sim/simulation.js';

/** One peer at a seed of 400 kbit/s that shows everything: nothing but the order decides. */
function pair(viewing: Viewing): RunResult {
  const viewer: Behaviour = { name: 'viewer', viewing };
  const scenario = { ...PAIR, pieces: 32, leechers: [{ ...PAIR.leechers[0]!, behaviour: viewer }] };
  return simulate({ scenario, seed: 1, peers: 1, policy: { ...SWARM, superSeed: 'off' }, replay: '' });
}

test('in order, and with a window, all is there in time at three quarters of the rate, and not by rarity', () => {
  for (const order of ['sequential', 'window'] as const) {
    const { viewers } = pair({ order, kbit: 300, windowPieces: 4 });
    // Two pieces of 2,048 kbit make ten seconds.
    assert.ok(viewers !== null && viewers.startSeconds > 10 && viewers.startSeconds < 13, order);
    assert.deepEqual([viewers.onTime, viewers.stalledSeconds], [1, 0], order);
  }
  const { viewers } = pair({ order: 'rarest', kbit: 300 });
  assert.ok(viewers !== null && viewers.startSeconds + viewers.stalledSeconds > 30);
});

test('who plays faster than the line waits for the rest', () => {
  const { viewers } = pair({ order: 'window', kbit: 800, windowPieces: 4 });
  assert.ok(viewers !== null && viewers.onTime < 0.2);
  // It takes twice as long to come as to play.
  const playing = (32 * 2_048) / 800;
  const waited = viewers.startSeconds + viewers.stalledSeconds;
  assert.ok(Math.abs(waited - playing) < 6, `${waited} of ${playing}`);
});

test('a crowd of viewers finishes, and nobody else is counted as one', () => {
  const scenario = WATCHED.find(({ name }) => name === 'B1-window-50');
  assert.ok(scenario !== undefined);
  const result = simulate({
    scenario: { ...scenario, pieces: 16 },
    seed: 1,
    peers: 20,
    policy: SWARM,
    replay: '',
  });
  assert.equal(result.downloadSeconds.viewer?.length, 10);
  assert.equal(result.downloadSeconds.other?.length, 10);
  assert.ok(result.viewers !== null && result.viewers.onTime > 0.5);
  const nobody = simulate({ scenario: { ...B1, pieces: 8 }, seed: 1, peers: 5, policy: SWARM, replay: '' });
  assert.equal(nobody.viewers, null);
});
