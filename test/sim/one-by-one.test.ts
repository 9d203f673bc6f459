/** A seed that begins alone, and leechers that come one after the other and leave when they have everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SWARM } from '../../sim/behaviour.js';
import type { Scenario } from '../../sim/scenario.js';
import { B1 } from '../../sim/scenarios/flash-crowd.js';
import { simulate } from '../../sim/simulation.js';

const quick = { downKbit: 1_000_000, upKbit: 1_000_000 };

test('leechers that come one by one are served as quickly as the first, though all was sent before', () => {
  for (const seed of [1, 2, 3])
    for (const perSecond of [0.05, 0.5, 1]) {
      const scenario: Scenario = {
        ...B1,
        pieces: 10,
        pieceBytes: 32 * 1024,
        seeds: [{ count: 1, link: quick }],
        leechers: [{ name: 'quick', share: 1, link: quick }],
        arrivals: { kind: 'poisson', perSecond },
        departure: { kind: 'leave', lingerMs: 0 },
      };
      const { downloadSeconds } = simulate({ scenario, seed, peers: 12, policy: SWARM, replay: '' });
      const slowest = Math.max(...downloadSeconds.quick!);
      assert.ok(slowest < 1.5, `${slowest} s, seed ${seed}, ${perSecond} a second`);
    }
});
