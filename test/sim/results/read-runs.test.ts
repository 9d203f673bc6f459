import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunsFile, readRuns } from '../../../sim/results/read-runs.js';
import { madeUpRun, SPEEDS } from './run-drawing.js';

const file = (name: string, runs: unknown): RunsFile => ({ name, text: JSON.stringify(runs) });

test('takes runs as they are, from several files', () => {
  const first = madeUpRun();
  const second = madeUpRun({ seed: 2, firstCopySeconds: null });
  assert.deepEqual(readRuns([file('a', [first]), file('b', [second])]), [first, second]);
});

test('names the file, the run and the field that are wrong', () => {
  const run = madeUpRun();
  const { speeds: _, ...old } = run;
  const look = { ...run.looks[0]!, idle: { empty: 1 } };
  for (const [content, field] of [
    [old, 'speeds'],
    [null, 'scenario'],
    [{ ...run, scenario: 'B9' }, 'scenario'],
    [{ ...run, policy: '__proto__' }, 'policy'],
    [{ ...run, leastSeconds: 0 }, 'leastSeconds'],
    [{ ...run, lastSeconds: null }, 'lastSeconds'],
    [{ ...run, waste: '0' }, 'waste'],
    [{ ...run, downloadSeconds: { all: [1, null] } }, 'downloadSeconds'],
    [{ ...run, speeds: { all: { ...SPEEDS, link: {} } } }, 'speeds'],
    [{ ...run, looks: [look] }, 'looks'],
  ] as const) {
    assert.throws(() => readRuns([file('a.json', [run, content])]), {
      message: `a.json: run 2: bad "${field}"`,
    });
  }
  assert.throws(() => readRuns([{ name: 'b', text: '[' }]), { message: 'b: no JSON' });
  assert.throws(() => readRuns([file('b', {})]), { message: 'b: no list of runs' });
});

test('counts no run twice', () => {
  assert.throws(() => readRuns([file('a', [madeUpRun()]), file('b', [madeUpRun()])]), {
    message: 'b: B2, 3 peers, swarm, seed 1 is in a already',
  });
});

test('does not put runs of a scenario beside those of what it was before', () => {
  const other = madeUpRun({ policy: 'random', leastSeconds: 1999 });
  assert.throws(() => readRuns([file('a', [madeUpRun()]), file('b', [other])]), {
    message: 'b: B2, 3 peers was another scenario in another file: T_min differs',
  });
});
