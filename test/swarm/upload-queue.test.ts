import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_QUEUED_REQUESTS, UploadQueue, type UploadRun } from '../../engine/swarm/upload-queue.js';
import { asPiece } from '../../engine/units.js';

const newRun = (): UploadRun => ({ piece: asPiece(0), begin: 0, blockBytes: 0, blocks: 0 });

test('gathers contiguous requests of one length into a run', () => {
  const queue = new UploadQueue();
  for (const begin of [0, 16, 32, 64]) queue.push(asPiece(7), begin, 16);
  const run = newRun();
  assert.equal(queue.peekRun(run, 100), true);
  assert.deepEqual(run, { piece: 7, begin: 0, blockBytes: 16, blocks: 3 });
});

test('a run ends at another piece, a gap, another length and the most that is asked for', () => {
  const queue = new UploadQueue();
  const run = newRun();
  queue.push(asPiece(1), 0, 16);
  queue.push(asPiece(1), 16, 5);
  queue.push(asPiece(2), 21, 5);
  queue.push(asPiece(2), 26, 5);
  for (const expected of [1, 1, 2]) {
    queue.peekRun(run, 100);
    assert.equal(run.blocks, expected);
    queue.shift(run.blocks);
  }
  assert.equal(queue.peekRun(run, 100), false);
});

test('refuses more than its bound', () => {
  const queue = new UploadQueue();
  for (let i = 0; i < MAX_QUEUED_REQUESTS; i++) assert.equal(queue.push(asPiece(i), 0, 1), true);
  assert.equal(queue.push(asPiece(9_999), 0, 1), false);
  assert.equal(queue.size, MAX_QUEUED_REQUESTS);
});

test('behaves as a list with removal, whatever is done to it', () => {
  const request = fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 1, max: 2 }));
  const action = fc.oneof(
    fc.record({ do: fc.constant('push' as const), request }),
    fc.record({ do: fc.constant('remove' as const), request }),
    fc.record({ do: fc.constant('shift' as const), request }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300, size: 'max' }), (actions) => {
      const queue = new UploadQueue();
      const model: string[] = [];
      for (const {
        do: what,
        request: [piece, begin, length],
      } of actions) {
        const key = `${piece} ${begin} ${length}`;
        if (what === 'push') {
          queue.push(asPiece(piece), begin, length);
          model.push(key);
        } else if (what === 'remove') {
          const at = model.lastIndexOf(key);
          assert.equal(queue.remove(asPiece(piece), begin, length), at >= 0);
          if (at >= 0) model.splice(at, 1);
        } else if (model.length > 0) {
          queue.shift(1);
          model.shift();
        }
        assert.equal(queue.size, model.length);
      }
      const rest: string[] = [];
      queue.clear((piece, begin, length) => rest.push(`${piece} ${begin} ${length}`));
      assert.deepEqual(rest, model);
    }),
  );
});
