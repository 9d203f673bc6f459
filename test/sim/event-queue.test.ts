/** Event queue, clock and randomness of the simulator. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asMillis } from '../../engine/units.js';
import { EventQueue } from '../../sim/event-queue.js';
import { makeRng, sample } from '../../sim/prng.js';
import { VirtualClock } from '../../sim/virtual-clock.js';

const TIMER = 7;

function runAll(queue: EventQueue, clock: VirtualClock, end = 1e9): void {
  queue.run({ run: (node) => clock.fire(node), onTickEnd() {} }, end);
}

test('runs events by time, and in the order of scheduling where times are equal', () => {
  const times = fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 400, size: 'max' });
  fc.assert(
    fc.property(times, fc.array(fc.nat(399)), (ats, cancelled) => {
      const queue = new EventQueue();
      const clock = new VirtualClock(queue, TIMER);
      const ran: [at: number, order: number][] = [];
      const timers = ats.map((at, order) =>
        clock.schedule(asMillis(at), () => ran.push([clock.now(), order])),
      );
      for (const order of cancelled) timers[order]?.cancel();
      runAll(queue, clock);
      const expected = ats
        .map((at, order): [number, number] => [at, order])
        .filter(([, order]) => !cancelled.includes(order))
        .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      assert.deepEqual(ran, expected);
      assert.equal(queue.pending, 0);
    }),
    { numRuns: 60 },
  );
});

test('runs in order what events schedule, near and far, also for now', () => {
  const queue = new EventQueue();
  const clock = new VirtualClock(queue, TIMER);
  const ran: string[] = [];
  const say = (word: string) => () => ran.push(`${word}@${clock.now()}`);
  clock.schedule(asMillis(8_190), () => {
    clock.schedule(asMillis(8_190), say('now'));
    clock.schedule(asMillis(8_200), say('next window'));
    clock.schedule(asMillis(8_191.2), say('rounded up'));
    clock.schedule(asMillis(100_000_000), say('as late as can be'));
  });
  clock.schedule(asMillis(8_200), say('scheduled before'));
  runAll(queue, clock);
  assert.deepEqual(ran, [
    'now@8190',
    'rounded up@8192',
    'scheduled before@8200',
    'next window@8200',
    'as late as can be@67100672',
  ]);
});

test('a timer that ran cannot cancel another that got its place', () => {
  const queue = new EventQueue();
  const clock = new VirtualClock(queue, TIMER);
  let ran = 0;
  const first = clock.schedule(asMillis(1), () => ran++);
  runAll(queue, clock);
  clock.schedule(asMillis(2), () => ran++);
  first.cancel();
  runAll(queue, clock);
  assert.equal(ran, 2);
});

test('stands still at the end that it was given, and goes on from there', () => {
  const queue = new EventQueue();
  const clock = new VirtualClock(queue, TIMER);
  let ran = 0;
  for (const at of [10, 20, 30]) clock.schedule(asMillis(at), () => ran++);
  runAll(queue, clock, 20);
  assert.deepEqual([ran, queue.now], [2, 20]);
  runAll(queue, clock);
  assert.equal(ran, 3);
});

test('grows beyond the nodes that it begins with', () => {
  const queue = new EventQueue();
  const clock = new VirtualClock(queue, TIMER);
  let sum = 0;
  for (let i = 0; i < 200_000; i++) clock.schedule(asMillis(i % 1000), () => sum++);
  runAll(queue, clock);
  assert.equal(sum, 200_000);
});

test('the same seed and stream give the same numbers, others give others', () => {
  const draw = (seed: number, stream: number): number[] => {
    const rng = makeRng(seed, stream);
    return Array.from({ length: 8 }, rng);
  };
  assert.deepEqual(draw(1, 2), draw(1, 2));
  assert.notDeepEqual(draw(1, 2), draw(1, 3));
  assert.notDeepEqual(draw(1, 2), draw(2, 2));
});

test('numbers are spread evenly over [0, 1)', () => {
  const rng = makeRng(5);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[Math.floor(rng() * 10)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, counts.join(' '));
});

test('samples different numbers below the limit, all of them where fewer exist', () => {
  const rng = makeRng(9);
  for (let i = 0; i < 200; i++) {
    const drawn = sample(rng, 12, 5);
    assert.equal(new Set(drawn).size, 5);
    assert.ok(drawn.every((value) => value >= 0 && value < 12));
  }
  assert.deepEqual(
    sample(rng, 3, 8).sort((a, b) => a - b),
    [0, 1, 2],
  );
});
