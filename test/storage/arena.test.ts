import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Arena, type ArenaSlot, copyIntoSlot, hashSlot } from '../../engine/storage/arena.js';

const PAGE = 65_536;
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('takes slots until the arena is full, and again when one is given back', async () => {
  const arena = new Arena(4 * PAGE);
  let told = 0;
  const share = arena.open(PAGE, () => told++);
  const slots = [1, 2, 3, 4].map(() => share.take());
  assert.ok(slots.every((slot) => slot !== undefined));
  assert.equal(arena.usedBytes, 4 * PAGE);
  assert.equal(share.take(), undefined);
  share.give(slots[0] as ArenaSlot);
  assert.equal(told, 0, 'never during the call');
  await tick();
  assert.equal(told, 1);
  assert.ok(share.take());
});

test('tells nobody who was never refused', async () => {
  const arena = new Arena(4 * PAGE);
  let told = 0;
  const share = arena.open(PAGE, () => told++);
  share.give(share.take() as ArenaSlot);
  await tick();
  assert.equal(told, 0);
});

test('gives a piece larger than the arena two slots', () => {
  const arena = new Arena(2 * PAGE);
  const share = arena.open(10 * PAGE, () => {});
  const first = share.take();
  assert.equal(first?.runs[1], 10 * PAGE);
  assert.ok(share.take());
  assert.equal(share.take(), undefined);
  assert.equal(arena.usedBytes, 20 * PAGE);
  share.give(first as ArenaSlot);
  assert.equal(arena.usedBytes, 10 * PAGE);
});

test('gives a second torrent two slots while a first one holds everything', () => {
  const arena = new Arena(8 * PAGE);
  const greedy = arena.open(PAGE, () => {});
  while (greedy.take() !== undefined);
  const late = arena.open(4 * PAGE, () => {});
  assert.ok(late.take());
  assert.ok(late.take());
  assert.equal(late.take(), undefined);
});

test('lets the torrent that holds less go first', async () => {
  const arena = new Arena(8 * PAGE);
  const order: string[] = [];
  const greedy = arena.open(PAGE, () => order.push('greedy'));
  const held: ArenaSlot[] = [];
  for (let slot = greedy.take(); slot !== undefined; slot = greedy.take()) held.push(slot);
  const poor: ArenaSlot[] = [];
  const late = arena.open(PAGE, () => {
    order.push('late');
    for (let slot = late.take(); slot !== undefined; slot = late.take()) poor.push(slot);
  });
  for (let slot = late.take(); slot !== undefined; slot = late.take()) poor.push(slot);
  assert.equal(poor.length, 2, 'the guaranteed ones');
  greedy.give(held.pop() as ArenaSlot);
  assert.equal(greedy.take(), undefined, 'late is waiting and holds less');
  await tick();
  assert.equal(poor.length, 3);
  assert.equal(order[0], 'late');
});

test('a torrent that closes while waiting does not block the others', async () => {
  const arena = new Arena(4 * PAGE);
  let told = 0;
  const greedy = arena.open(PAGE, () => told++);
  const held: ArenaSlot[] = [];
  for (let slot = greedy.take(); slot !== undefined; slot = greedy.take()) held.push(slot);
  const other = arena.open(PAGE, () => assert.fail('it is closed'));
  while (other.take() !== undefined);
  other.close();
  greedy.give(held.pop() as ArenaSlot);
  await tick();
  assert.equal(told, 1);
  assert.ok(greedy.take());
});

test('keeps the bytes of a piece whose pages are scattered', () => {
  const arena = new Arena(8 * PAGE);
  const small = arena.open(PAGE, () => {});
  const pages = Array.from({ length: 8 }, () => small.take() as ArenaSlot);
  for (const index of [1, 3, 4, 7]) small.give(pages[index] as ArenaSlot);
  const share = arena.open(3 * PAGE + 7, () => {});
  const slot = share.take() as ArenaSlot;
  assert.deepEqual(slot.runs, [PAGE, PAGE, 3 * PAGE, 2 * PAGE, 7 * PAGE, PAGE]);
  const bytes = randomBytes(3 * PAGE + 7);
  for (let at = 0; at < bytes.length; at += 10_000) copyIntoSlot(slot, at, bytes.subarray(at, at + 10_000));
  const expected = createHash('sha1').update(bytes.subarray(60_000)).digest();
  assert.deepEqual(hashSlot(slot.bytes, slot.runs, 60_000, bytes.length - 60_000), expected);
});
