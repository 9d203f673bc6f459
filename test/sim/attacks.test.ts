/** What takers cost a swarm, and what taking gains them: in short, as `npm run sim` shows it at length. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SWARM } from '../../sim/behaviour.js';
import type { RunResult } from '../../sim/run-result.js';
import { mean } from '../../sim/run-result.js';
import type { Scenario } from '../../sim/scenario.js';
import { SCARCE_SEED, SEED_ALONE, SEED_ATTACK } from '../../sim/scenarios/attacks.js';
import { simulate } from '../../sim/simulation.js';

const run = (scenario: Scenario, peers = scenario.peers): RunResult =>
  simulate({ scenario, peers, seed: 1, policy: SWARM, replay: 'again' });
const meanOf = (result: RunResult, group: string): number => mean(result.downloadSeconds[group] ?? []);

test('peers that upload nothing take twice as long as honest ones, or longer, while seeds are scarce', () => {
  const result = run({ ...SCARCE_SEED, pieces: 300 }, 24);
  const [taking, honest] = [meanOf(result, 'free rider'), meanOf(result, 'honest')];
  assert.ok(honest > 0 && taking >= 2 * honest, `${taking} s, ${honest} s`);
});

test('three quick takers at a seed cost the others little more than what they take', () => {
  const attacked = meanOf(run({ ...SEED_ATTACK, pieces: 60 }), 'honest');
  const alone = meanOf(run({ ...SEED_ALONE, pieces: 60 }), 'honest');
  assert.ok(alone > 0 && attacked <= 1.15 * alone, `${attacked} s, ${alone} s`);
});
