/** `npm run sim`: the command around the simulator. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { halfWidth } from '../../sim/table.js';

const main = fileURLToPath(new URL('../../sim/main.js', import.meta.url));

const sim = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });

test('prints a table and writes all figures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'swarm-sim-'));
  try {
    const json = join(folder, 'runs.json');
    const { status, stdout } = sim('pair', '--seeds', '2', '--json', json);
    assert.equal(status, 0);
    assert.match(stdout, /^scenario +peers +seeds +T_min s/);
    assert.match(stdout, /^pair swarm +1 +2 +2048 /m);
    const runs = JSON.parse(readFileSync(json, 'utf8'));
    assert.deepEqual(
      runs.map((run: { scenario: string; seed: number }) => [run.scenario, run.seed]),
      [
        ['pair', 1],
        ['pair', 2],
      ],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('says what there is, and what was not understood', () => {
  assert.match(sim().stdout, /B3 +a seed half as quick/);
  for (const [args, words] of [
    [['B9'], /there is no scenario "B9"/],
    [['B1', '--policy', 'magic'], /there is no policy "magic"/],
    [['B1', '--seeds', '0'], /--seeds takes a whole number from 1 on, not "0"/],
  ] as const) {
    const { status, stderr } = sim(...args);
    assert.equal(status, 2);
    assert.match(stderr, words);
  }
});

test('the confidence interval is that of Student', () => {
  assert.equal(halfWidth([1]), undefined);
  // s = 1, n = 3: 4.30 / sqrt(3).
  assert.ok(Math.abs(halfWidth([1, 2, 3])! - 4.3 / Math.sqrt(3)) < 1e-9);
  // Fifteen of each, n = 30: s² = 7.5 / 29, and t is 2.05 for 29 degrees of freedom.
  const thirty = Array.from({ length: 30 }, (_, i) => i % 2);
  assert.ok(Math.abs(halfWidth(thirty)! - 2.05 * Math.sqrt(7.5 / 29 / 30)) < 1e-9);
});
