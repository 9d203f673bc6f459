import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatBytes,
  formatDuration,
  formatRate,
  formatShare,
  formatSize,
  progressBar,
} from '../../tui/format.js';

test('writes bytes with three digits and binary units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '0.98 KiB'],
    [1_536, '1.50 KiB'],
    [16_384, '16.0 KiB'],
    [999.4 * 1024, '999 KiB'],
    [999.5 * 1024, '0.98 MiB'],
    [2 ** 32, '4.00 GiB'],
    [2 ** 53, '8.00 PiB'],
    [2 ** 61, '2048 PiB'],
    [-5, '0 B'],
    [Number.NaN, '0 B'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test('writes sizes that are powers of two without needless digits', () => {
  assert.equal(formatSize(16_384), '16 KiB');
  assert.equal(formatSize(1_572_864), '1.5 MiB');
  assert.equal(formatSize(104_857_600), '100 MiB');
  assert.equal(formatSize(0), '0 B');
  assert.equal(formatSize(1_310_720), '1.25 MiB');
});

test('writes rates per second', () => assert.equal(formatRate(2_097_152), '2.00 MiB/s'));

test('writes the two largest units of a duration', () => {
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(41.2), '42s');
  assert.equal(formatDuration(80), '1m 20s');
  assert.equal(formatDuration(3 * 3600 + 5 * 60), '3h 05m');
  assert.equal(formatDuration(2 * 86_400 + 4 * 3600), '2d 4h');
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
