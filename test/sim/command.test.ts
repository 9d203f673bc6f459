/** `npm run sim`: the command around the simulator. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { defaultFile, parseOrder } from '../../sim/command-line.js';
import { halfWidth } from '../../sim/confidence.js';
import { SCENARIOS } from '../../sim/scenarios/index.js';

const main = fileURLToPath(new URL('../../sim/main.js', import.meta.url));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarm-sim-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const sim = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder });

const runsIn = (path: string): [string, number][] =>
  JSON.parse(readFileSync(join(folder, path), 'utf8')).map(
    ({ scenario, seed }: { scenario: string; seed: number }) => [scenario, seed],
  );

test('prints a table, writes all figures, and says where', () => {
  const { status, stdout } = sim('pair', '--seeds', '2', '--json', 'runs.json');
  assert.equal(status, 0);
  assert.match(stdout, /^scenario +peers +seeds +T_min s/);
  assert.match(stdout, /^pair swarm +1 +2 +2048 /m);
  assert.match(stdout, /\n\nAll figures: runs\.json\n$/);
  assert.deepEqual(runsIn('runs.json'), [
    ['pair', 1],
    ['pair', 2],
  ]);
  assert.deepEqual(readdirSync(folder), ['runs.json']);
});

test('what is named twice is run once, and a file that nobody names is named after the runs', () => {
  const { status, stdout } = sim('pair', 'PAIR', '--policy', 'classic', '--policy', 'Classic', '--seed', '7');
  assert.equal(status, 0);
  assert.match(stdout, /^pair classic +1 +1 .* – /m);
  assert.match(stdout, /All figures: sim-results\/pair-classic-seed-7\.json\n$/);
  assert.deepEqual(runsIn('sim-results/pair-classic-seed-7.json'), [['pair', 7]]);
});

test('a list of runs too long for a name is told from others by its end', () => {
  const all = SCENARIOS.map(({ name }) => name);
  const files = [all, all.slice(1), all.slice(0, -1)].map((names) => defaultFile(parseOrder(names)!));
  for (const file of files) assert.match(file, /^sim-results\/[\w-]{129}\.json$/);
  assert.equal(new Set(files).size, 3);
});

test('says what there is, in lines of 80 columns', () => {
  for (const { status, stdout } of [sim(), sim('--help')]) {
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}B3 +a seed half as quick/m);
    assert.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
    );
    const columns = stdout
      .slice(stdout.indexOf('Scenarios:\n'))
      .split('\n')
      .map((line) => /^ {2}(?:\S+ )? +/.exec(line)?.[0].length ?? 0)
      .filter((column) => column > 0);
    assert.equal(new Set(columns).size, 1);
  }
  assert.equal(new Set(SCENARIOS.map(({ about }) => about)).size, SCENARIOS.length);
});

test('says what was not understood, and where the rest is', () => {
  for (const [args, words] of [
    [['B9'], /there is no scenario "B9"/],
    [['B1', '--policy', 'magic'], /there is no policy "magic"/],
    [['B1', '--seeds', '0'], /--seeds takes a whole number from 1 on, not "0"/],
    [['B1', '--peers', '0x2'], /--peers takes a whole number from 1 on, not "0x2"/],
    [['B1', '--seed', '1e3'], /--seed takes a whole number from 1 on, not "1e3"/],
    [['B1', '--seeds', ''], /--seeds takes a whole number from 1 on, not ""/],
    [['B1', '--json', ''], /--json takes a file/],
    [['B1', '--json', 'missing/x.json'], /missing\/x\.json cannot be written: no such file or directory/],
  ] as const) {
    const { status, stdout, stderr } = sim(...args);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, words);
    assert.match(stderr, /^npm run sim -- --help says what there is\.$/m);
  }
  assert.deepEqual(readdirSync(folder), []);
});

test('the confidence interval is that of Student', () => {
  assert.equal(halfWidth([1]), undefined);
  // s = 1, n = 3: 4.30 / sqrt(3).
  assert.ok(Math.abs(halfWidth([1, 2, 3])! - 4.3 / Math.sqrt(3)) < 1e-9);
  // Fifteen of each, n = 30: s² = 7.5 / 29, and t is 2.05 for 29 degrees of freedom.
  const thirty = Array.from({ length: 30 }, (_, i) => i % 2);
  assert.ok(Math.abs(halfWidth(thirty)! - 2.05 * Math.sqrt(7.5 / 29 / 30)) < 1e-9);
});
