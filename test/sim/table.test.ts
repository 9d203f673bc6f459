/** The table, and what stands below it where there is something to say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRuns } from '../../sim/table.js';
import { madeUpRun } from './results/run-drawing.js';

test('who could not finish is named below the rows, and nobody where all did', () => {
  assert.doesNotMatch(formatRuns([madeUpRun()]), /could not finish/);
  const text = formatRuns([madeUpRun(), madeUpRun({ seed: 2, starved: 25 })]);
  assert.match(text, /^Who could not finish, as pieces were lost.*:\nB2 swarm, seed 2: 25 peers\n\n/m);
});

test('how many are present is said where they come one by one only', () => {
  const presentByQuarter = [18, 36, 63, 89];
  assert.doesNotMatch(formatRuns([madeUpRun({ scenario: 'modem', presentByQuarter })]), /present/);
  assert.match(
    formatRuns([madeUpRun({ scenario: 'churn', presentByQuarter })]),
    /^Leechers present, .*:\nchurn swarm: 18, 36, 63, 89$/m,
  );
});

test('gains stand below the table when both sides are in it', () => {
  const downloadSeconds = { strategic: [100] };
  const tyrant = madeUpRun({ scenario: 'equal-tyrant', downloadSeconds });
  assert.doesNotMatch(formatRuns([tyrant]), /saved/);
  const text = formatRuns([madeUpRun({ scenario: 'equal-honest', downloadSeconds }), tyrant]);
  assert.match(
    text,
    /^Download time saved .*:\nequal-tyrant swarm: strategic \+0 s \(\+0\.0 %\) of 100 s in equal-honest$/m,
  );
});
