/** The file of all runs: found bad before anything is run, whole at any time, and kept up whatever fails. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SWARM } from '../../sim/behaviour.js';
import { CheckFailed } from '../../sim/checks.js';
import { runAll } from '../../sim/run-all.js';
import { RunsFile } from '../../sim/runs-file.js';
import { B2 } from '../../sim/scenarios/flash-crowd.js';
import type { RunOptions } from '../../sim/simulation.js';
import { madeUpRun } from './results/run-drawing.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarm-sim-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const seedsIn = (path: string): number[] =>
  JSON.parse(readFileSync(path, 'utf8')).map(({ seed }: { seed: number }) => seed);

const optionsOf = (...seeds: number[]): RunOptions[] =>
  seeds.map((seed) => ({ scenario: B2, policy: SWARM, seed, peers: 3, replay: `again ${seed}` }));

test('a file that could not be written is found before the first run', () => {
  writeFileSync(join(folder, 'file'), '');
  for (const [path, words] of [
    [join(folder, 'missing', 'a.json'), /missing\/a\.json cannot be written: no such file or directory$/],
    [join(folder, 'file', 'a.json'), /file\/a\.json cannot be written: not a directory$/],
    [folder, /is not a file$/],
    ['/dev/null', /: \/dev\/null is not a file$/],
  ] as const) {
    assert.throws(() => new RunsFile(path), words);
  }
  assert.deepEqual(readdirSync(folder), ['file']);
});

test('a file of before stays until there is a run, then gives way to a whole one', () => {
  const path = join(folder, 'runs.json');
  writeFileSync(path, 'old');
  const file = new RunsFile(path);
  assert.equal(readFileSync(path, 'utf8'), 'old');
  file.add(madeUpRun());
  file.write();
  file.add(madeUpRun({ seed: 2 }));
  assert.deepEqual(seedsIn(path), [1]);
  file.write();
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), [madeUpRun(), madeUpRun({ seed: 2 })]);
  assert.deepEqual(readdirSync(folder), ['runs.json']);
});

test('a link stays one, and what it leads to is written', () => {
  mkdirSync(join(folder, 'far'));
  writeFileSync(join(folder, 'far', 'runs.json'), 'old');
  symlinkSync(join('far', 'runs.json'), join(folder, 'link.json'));
  const file = new RunsFile(join(folder, 'link.json'));
  file.add(madeUpRun());
  file.write();
  assert.deepEqual(seedsIn(join(folder, 'far', 'runs.json')), [1]);
  assert.deepEqual(readdirSync(join(folder, 'far')), ['runs.json']);
});

test('runs that fail leave the others, and each says what runs it again', () => {
  const path = join(folder, 'runs.json');
  const said: string[] = [];
  const seen: number[][] = [];
  const outcome = runAll(optionsOf(1, 2, 3, 4), {
    run: ({ seed, replay }) => {
      if (seed > 1) seen.push(seedsIn(path));
      if (seed === 2) throw new CheckFailed('a check', 'detail', 1000, replay);
      if (seed === 3) throw new RangeError('no more memory');
      return madeUpRun({ seed });
    },
    file: new RunsFile(path),
    say: (text) => said.push(text),
    now: () => 0,
  });
  assert.deepEqual(outcome.failed, ['again 2', 'again 3']);
  assert.deepEqual(
    outcome.runs.map(({ seed }) => seed),
    [1, 4],
  );
  assert.deepEqual(seen, [[1], [1], [1]]);
  assert.ok(outcome.isWritten);
  assert.deepEqual(seedsIn(path), [1, 4]);
  assert.equal(said.length, 4);
  assert.equal(said[1], 'B2 swarm seed 2: a check (detail) at 1.000 s; again: again 2');
  assert.match(said[2]!, /^B2 swarm seed 3: RangeError: no more memory\n[\s\S]*\nagain: again 3$/);
});

test('writing takes a tenth of the time, and all is written at the end', () => {
  let now = 0;
  let writes = 0;
  const { isWritten } = runAll(optionsOf(...Array.from({ length: 100 }, (_, i) => i + 1)), {
    run: ({ seed }) => {
      now += 1000;
      return madeUpRun({ seed });
    },
    file: {
      add() {},
      write() {
        now += 500;
        writes++;
      },
    },
    say() {},
    now: () => now,
  });
  // After 1 s, then every 5.5 s: with the sixth run each.
  assert.equal(writes, 21);
  assert.ok(isWritten);
});

test('what cannot be written is said, tried again, and no success', () => {
  const said: string[] = [];
  const parts = (failures: number) => ({
    run: ({ seed }: RunOptions) => madeUpRun({ seed }),
    file: {
      add() {},
      write() {
        if (failures-- > 0) throw new Error('disk full');
      },
    },
    say: (text: string) => said.push(text),
    now: () => 0,
  });
  assert.equal(runAll(optionsOf(1, 2), parts(1)).isWritten, true);
  assert.equal(said.filter((text) => text === 'disk full').length, 1);
  assert.equal(runAll(optionsOf(1, 2), parts(9)).isWritten, false);
});
