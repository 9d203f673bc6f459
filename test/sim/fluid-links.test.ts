/** Fluid links: rates are max-min fair, and blocks end when arithmetic says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventQueue } from '../../sim/event-queue.js';
import { FluidLinks } from '../../sim/fluid-links.js';

const LINK = 1;

interface Flow {
  readonly up: number;
  readonly down: number;
}

/** The textbook way: raise all rates together, and freeze the flows of each link that fills. */
function maxMinRates(capacities: readonly number[], flows: readonly Flow[]): number[] {
  const rates = new Array<number>(flows.length).fill(-1);
  const left = [...capacities];
  for (;;) {
    const open = flows.map((_, i) => i).filter((i) => rates[i] === -1);
    if (open.length === 0) return rates;
    let tightest = -1;
    let share = Number.POSITIVE_INFINITY;
    for (let link = 0; link < capacities.length; link++) {
      const count = open.filter((i) => flows[i]!.up === link || flows[i]!.down === link).length;
      if (count > 0 && left[link]! / count < share) {
        share = left[link]! / count;
        tightest = link;
      }
    }
    for (const i of open) {
      const { up, down } = flows[i]!;
      if (up !== tightest && down !== tightest) continue;
      rates[i] = share;
      left[up]! -= share;
      left[down]! -= share;
    }
  }
}

const BIG = 1e9;

test('gives max-min fair rates while flows come and go', () => {
  const hosts = fc.array(
    fc.record({ up: fc.integer({ min: 10, max: 1000 }), down: fc.integer({ min: 10, max: 5000 }) }),
    {
      minLength: 2,
      maxLength: 12,
      size: 'max',
    },
  );
  const steps = fc.array(fc.record({ from: fc.nat(11), to: fc.nat(11), end: fc.boolean() }), {
    maxLength: 80,
    size: 'max',
  });
  fc.assert(
    fc.property(hosts, steps, (hosts, steps) => {
      const queue = new EventQueue();
      const links = new FluidLinks(queue, LINK, { onServed: () => BIG });
      const capacities = hosts.flatMap(({ up, down }) => [up, down]);
      for (const capacity of capacities) links.addLink(capacity);
      const active = new Map<number, Flow>();
      steps.forEach(({ from, to, end }, flow) => {
        const oldest = active.keys().next();
        if (end && !oldest.done) {
          links.end(oldest.value);
          active.delete(oldest.value);
        }
        const [a, b] = [from % hosts.length, to % hosts.length];
        active.set(flow, { up: 2 * a, down: 2 * b + 1 });
        links.begin(flow, 2 * a, 2 * b + 1, BIG);
        links.settle();
        const expected = maxMinRates(capacities, [...active.values()]);
        [...active.keys()].forEach((flow, i) => {
          const rate = links.rateOf(flow);
          // Each of a few links on the way may hold back a change of 0.2 %.
          assert.ok(
            Math.abs(rate - expected[i]!) <= 0.02 * expected[i]!,
            `flow ${flow}: ${rate}, not ${expected[i]}`,
          );
        });
      });
      assert.equal(links.unsettled, 0);
    }),
    { numRuns: 150 },
  );
});

test('ends blocks when arithmetic says, whatever begins and ends beside them', () => {
  const queue = new EventQueue();
  const ended: [flow: number, at: number][] = [];
  const links = new FluidLinks(queue, LINK, {
    onServed: (flow) => {
      ended.push([flow, queue.now]);
      return 0;
    },
  });
  const up = links.addLink(10);
  const [slow, quick] = [links.addLink(2), links.addLink(100)];
  links.begin(0, up, slow, 2_000);
  links.begin(1, up, quick, 4_000);
  queue.run({ run: (node) => links.onEvent(queue.a(node)), onTickEnd: () => links.settle() }, 600);
  assert.deepEqual(ended, [[1, 500]], 'at 8 a millisecond');
  links.begin(2, up, quick, 9_000);
  queue.run({ run: (node) => links.onEvent(queue.a(node)), onTickEnd: () => links.settle() }, 1e6);
  // Until 1,000 the slow flow takes 2 of 10; 3,200 bytes have passed then.
  assert.deepEqual(ended.slice(1), [
    [0, 1_000],
    [2, 1_580],
  ]);
});

test('a flow whose blocks follow each other loses no time between them', () => {
  const queue = new EventQueue();
  let left = 1_000;
  const links = new FluidLinks(queue, LINK, { onServed: () => (--left > 0 ? 333 : 0) });
  const up = links.addLink(70.3);
  const down = links.addLink(1_000);
  links.begin(0, up, down, 333);
  queue.run({ run: (node) => links.onEvent(queue.a(node)), onTickEnd: () => links.settle() }, 1e9);
  assert.equal(left, 0);
  assert.ok(Math.abs(queue.now - 333_000 / 70.3) <= 2, `${queue.now}`);
});

test('small messages aside of the flows delay the next block of a full link by their bytes', () => {
  const queue = new EventQueue();
  const ended: number[] = [];
  const links = new FluidLinks(queue, LINK, {
    onServed: () => {
      ended.push(queue.now);
      return ended.length < 2 ? 1_000 : 0;
    },
  });
  links.begin(0, links.addLink(10), links.addLink(100), 1_000);
  links.settle();
  links.addDebt(0, 500);
  queue.run({ run: (node) => links.onEvent(queue.a(node)), onTickEnd: () => links.settle() }, 1e9);
  assert.deepEqual(ended, [100, 250]);
});
