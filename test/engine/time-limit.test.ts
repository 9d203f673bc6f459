import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { isTimeUp, withinTime } from '../../engine/time-limit.js';
import { collectGarbage } from '../support/garbage.js';

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('ends when its time is over, also where nobody else holds on to it', { timeout: 5_000 }, async (t) => {
  const collecting = setInterval(collectGarbage, 20);
  t.after(() => clearInterval(collecting));
  await assert.rejects(withinTime(100, untilAborted, new AbortController().signal), isTimeUp);
  await assert.rejects(withinTime(10, untilAborted), isTimeUp);
});

test('ends before that with the reason of the other signal', async () => {
  const reason = new Error('enough');
  const other = new AbortController();
  const work = withinTime(60_000, untilAborted, other.signal);
  other.abort(reason);
  await assert.rejects(work, (thrown) => thrown === reason && !isTimeUp(thrown));
  await assert.rejects(
    withinTime(60_000, async (limited) => limited.throwIfAborted(), other.signal),
    reason,
  );
});

test('leaves nothing behind', async () => {
  const other = new AbortController();
  for (let i = 0; i < 20; i++) assert.equal(await withinTime(60_000, async () => i, other.signal), i);
  assert.deepEqual(getEventListeners(other.signal, 'abort'), []);
});
