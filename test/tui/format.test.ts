import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatBinaryBytes,
  formatBytes,
  formatDuration,
  formatRate,
  formatShare,
  progressBar,
} from '../../tui/format.js';

test('writes bytes with three digits and decimal units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.00 kB'],
    [16_384, '16.4 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [4_700_000_000, '4.70 GB'],
    [2 ** 53, '9.01 PB'],
    [2e18, '2000 PB'],
    [-5, '0 B'],
    [Number.NaN, '0 B'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test('writes sizes that are powers of two without needless digits', () => {
  assert.equal(formatBinaryBytes(16_384), '16 KiB');
  assert.equal(formatBinaryBytes(1_572_864), '1.5 MiB');
  assert.equal(formatBinaryBytes(104_857_600), '100 MiB');
  assert.equal(formatBinaryBytes(0), '0 B');
  assert.equal(formatBinaryBytes(1_310_720), '1.25 MiB');
});

test('writes rates per second', () => assert.equal(formatRate(2_000_000), '2.00 MB/s'));

test('writes the two largest units of a duration', () => {
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(41.2), '42s');
  assert.equal(formatDuration(80), '1m 20s');
  assert.equal(formatDuration(3 * 3600 + 5 * 60), '3h 05m');
  assert.equal(formatDuration(2 * 86_400 + 4 * 3600), '2d 04h');
  assert.equal(formatDuration(1e12), '> 1 year');
  for (const unknown of [null, Number.NaN, Number.POSITIVE_INFINITY, -1])
    assert.equal(formatDuration(unknown), '–');
});

test('says 100 % of the whole only', () => {
  assert.equal(formatShare(0.999_99), '99.9 %');
  assert.equal(formatShare(1), '100 %');
  assert.equal(formatShare(0.672), '67.2 %');
  assert.equal(formatShare(Number.NaN), '0.0 %');
});

test('draws a bar of exactly the cells asked for', () => {
  assert.deepEqual(progressBar(0.5, 9), ['━━━━╸', '────']);
  assert.deepEqual(progressBar(1, 3), ['━━━', '']);
  assert.deepEqual(progressBar(-1, 3), ['', '───']);
  fc.assert(
    fc.property(fc.double(), fc.integer({ min: 0, max: 300 }), (share, cells) => {
      assert.equal(progressBar(share, cells).join('').length, cells);
    }),
  );
});
