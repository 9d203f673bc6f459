import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesBytes } from '../../engine/storage/piece-frames.js';
import { type ExtentReader, ReadCache } from '../../engine/storage/read-cache.js';

const BUDGET_BYTES = 1024 * 1024;

/** Asks for `count` extents, one after the other. @returns how many of them are in memory then */
async function held(count: number, length: number): Promise<number> {
  const cache = new ReadCache(BUDGET_BYTES);
  let onReady = () => {};
  const reader: ExtentReader = {
    readExtent: async (_range, frames) => void frames.fill(0),
    onExtentReady: () => onReady(),
    onExtentFailed: (error) => assert.fail(String(error)),
    onQueueRoom: () => {},
  };
  for (let key = 0; key < count; key++) {
    await new Promise<void>((resolve) => {
      onReady = resolve;
      cache.request(reader, key, { piece: key, begin: 0, length });
    });
  }
  let held = 0;
  for (let key = 0; key < count; key++) if (cache.peek(key) !== undefined) held++;
  return held;
}

test('holds as many extents as fit its budget', async () => {
  const length = 100_000;
  assert.equal(await held(100, length), Math.floor(BUDGET_BYTES / (framesBytes(length) + 1_024)));
});

test('holds a bounded number of extents of a single byte', async () => {
  const count = await held(5_000, 1);
  assert.ok(count <= BUDGET_BYTES / 1_024 && count > 0, `${count} extents`);
});
