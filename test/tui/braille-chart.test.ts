import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brailleChart } from '../../tui/braille-chart.js';

test('fills from the bottom, two samples a cell, the newest at the right', () => {
  assert.deepEqual(brailleChart([0, 1, 2, 3, 4, 8], 3, 2, 8), ['  ⢸', '⢀⣴⣿']);
});

test('hangs from the top when asked', () => {
  assert.deepEqual(brailleChart([1, 2, 4, 8], 2, 2, 8, true), ['⠙⣿', ' ⢸']);
});

test('starts at the right while there are few samples', () => {
  assert.deepEqual(brailleChart([4], 3, 1, 4), ['  ⢸']);
});

test('shows a trickle as one dot and silence as nothing', () => {
  assert.deepEqual(brailleChart([0.001, 0], 1, 1, 1_000_000), ['⡀']);
  assert.deepEqual(brailleChart([0, 0], 1, 1, 1), [' ']);
});

test('keeps its size whatever the samples are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double()),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 12 }),
      fc.double(),
      fc.boolean(),
      (samples, width, height, max, hanging) => {
        const rows = brailleChart(samples, width, height, max, hanging);
        assert.equal(rows.length, height);
        for (const row of rows) assert.match(row, new RegExp(`^[ \\u2801-\\u28ff]{${width}}$`));
      },
    ),
  );
});
