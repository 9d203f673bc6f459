import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileLayout } from '../../engine/policy/file-layout.js';
import { FileSelection } from '../../engine/policy/file-selection.js';
import { TorrentGeometry } from '../../engine/policy/torrent-geometry.js';

/** Files of these lengths in pieces of 10 bytes; which of them come to exist when `wanted` are wanted. */
function touched(lengths: readonly number[], wanted: readonly number[]): number[] {
  const layout = new FileLayout(lengths.map((lengthBytes) => ({ lengthBytes, padding: false })));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const selection = new FileSelection(
    layout,
    new TorrentGeometry(10, total),
    lengths.map((_, file) => wanted.includes(file)),
  );
  return [...lengths.keys()].filter((file) => selection.touches(file));
}

test('a file is touched when it is wanted or shares a piece with one that is', () => {
  assert.deepEqual(touched([10, 10, 10], [1]), [1]);
  assert.deepEqual(touched([15, 10, 25], [1]), [0, 1, 2]);
  assert.deepEqual(touched([5, 30, 5, 10], [0]), [0, 1]);
  assert.deepEqual(touched([5, 30, 5, 10], [2]), [1, 2]);
});

test('an empty file is touched only when it is wanted', () => {
  assert.deepEqual(touched([5, 0, 5, 0], [0]), [0, 2]);
  assert.deepEqual(touched([5, 0, 5, 0], [0, 3]), [0, 2, 3]);
  assert.deepEqual(touched([0], []), []);
});
