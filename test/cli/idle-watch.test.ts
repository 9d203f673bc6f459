/** When --timeout calls a download stuck. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdleWatch, type Watched } from '../../cli/idle-watch.js';

const MINUTE = 60_000;
const downloading = (downloadedBytes: number): Watched => ({
  phase: 'downloading',
  downloadedBytes,
  checkedShare: 1,
});
const checking = (checkedShare: number): Watched => ({ phase: 'checking', downloadedBytes: 0, checkedShare });

test('blames the peers when no byte came for the whole time-out, and not a moment earlier', () => {
  const watch = new IdleWatch(5_000, 0);
  assert.equal(watch.observe(100, [downloading(0)]), undefined);
  assert.equal(watch.observe(5_000, [downloading(7)]), undefined);
  assert.equal(watch.observe(9_999, [downloading(7)]), undefined);
  assert.equal(watch.observe(10_000, [downloading(7)]), 'peers');
});

test('one torrent that moves is enough', () => {
  const watch = new IdleWatch(5_000, 0);
  for (let second = 0; second < 60; second++)
    assert.equal(watch.observe(second * 1000, [downloading(0), downloading(second)]), undefined);
});

test('waits for a check as long as it moves, however slowly', () => {
  const watch = new IdleWatch(1_000, 0);
  for (let step = 0; step < 100; step++)
    assert.equal(watch.observe(step * (MINUTE - 1), [checking(step / 100), downloading(0)]), undefined);
});

test('blames the disk when a check stands still, though not for one slow piece', () => {
  const watch = new IdleWatch(1_000, 0);
  assert.equal(watch.observe(0, [checking(0.5)]), undefined);
  assert.equal(watch.observe(MINUTE - 1, [checking(0.5)]), undefined);
  assert.equal(watch.observe(MINUTE, [checking(0.5)]), 'disk');
});

test('allows a check that stands still the whole of a longer time-out', () => {
  const watch = new IdleWatch(5 * MINUTE, 0);
  assert.equal(watch.observe(0, [checking(0)]), undefined);
  assert.equal(watch.observe(5 * MINUTE - 1, [checking(0)]), undefined);
  assert.equal(watch.observe(5 * MINUTE, [checking(0)]), 'disk');
});

test('begins anew when the check is over', () => {
  const watch = new IdleWatch(5_000, 0);
  assert.equal(watch.observe(0, [checking(0)]), undefined);
  assert.equal(watch.observe(50_000, [downloading(0)]), undefined);
  assert.equal(watch.observe(54_999, [downloading(0)]), undefined);
  assert.equal(watch.observe(55_000, [downloading(0)]), 'peers');
});
