import assert from 'node:assert/strict';
import { test } from 'node:test';
import { condense } from '../../../sim/results/condense.js';
import { madeUpRun } from './run-drawing.js';

test('the order of the runs is of no account', () => {
  const runs = [
    madeUpRun(),
    madeUpRun({ seed: 2 }),
    madeUpRun({ policy: 'random' }),
    madeUpRun({ scenario: 'B1' }),
    madeUpRun({ peers: 200 }),
  ];
  const cells = condense(runs);
  assert.deepEqual(condense([...runs].reverse()), cells);
  assert.deepEqual(
    cells.map(({ scenario, peers, policy, seeds }) => [scenario, peers, policy, seeds]),
    [
      ['B1', 3, 'swarm', [1]],
      ['B2', 3, 'swarm', [1, 2]],
      ['B2', 3, 'random', [1]],
      ['B2', 200, 'swarm', [1]],
    ],
  );
});

test('finish times are those of all peers of all runs, from the least to the longest', () => {
  const slower = madeUpRun({ seed: 2, downloadSeconds: { a: [2400], b: [2500] } });
  const [cell] = condense([madeUpRun(), slower]);
  assert.equal(cell?.downloadSeconds.length, 101);
  assert.deepEqual(
    [0, 25, 50, 100].map((percent) => cell?.downloadSeconds[percent]),
    [2100, 2200, 2300, 2500],
  );
});

test('a course is the mean of the runs under way, and keeps duplicates of those that have ended', () => {
  const run = madeUpRun();
  const half = madeUpRun({
    seed: 2,
    lastSeconds: 1150,
    looks: run.looks
      .filter(({ atMs }) => atMs < 1_150_000)
      .map((look) => ({ ...look, uplinkUse: 1, seedDuplicates: 640 })),
  });
  const [cell] = condense([run, half]);
  const { course } = cell!;
  assert.equal(course.stepSeconds, 2300 / 80);
  assert.deepEqual([course.uplinkUse[10], course.uplinkUse[60]], [0.75, 0.5]);
  assert.deepEqual([course.idle.choked[10], course.idle.choked[60]], [0.1, 0.1]);
  // At the end: a quarter of the blocks in one run, a tenth in the other.
  assert.equal(course.seedDuplicates.at(-1), 0.175);
});

test('a run with few looks, or none, has a course', () => {
  const run = madeUpRun();
  const [few] = condense([madeUpRun({ looks: [run.looks[0]!, run.looks[459]!] })]);
  assert.equal(few?.course.uplinkUse.length, 80);
  assert.ok(few?.course.uplinkUse.every((share) => share === 0.5));
  const [none] = condense([madeUpRun({ looks: [], downloadSeconds: {}, lastSeconds: 0 })]);
  assert.ok(none?.course.uplinkUse.every((share) => share === 0));
});
