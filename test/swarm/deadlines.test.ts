import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Deadlines, type SwarmDeadline } from '../../engine/swarm/deadlines.js';
import { asMillis } from '../../engine/units.js';
import { VirtualClock } from '../support/virtual-clock.js';

function setUp() {
  const clock = new VirtualClock();
  const ran: [SwarmDeadline, number][] = [];
  const deadlines = new Deadlines(clock, (due) => ran.push([due, clock.now()]));
  return { clock, deadlines, ran };
}

describe('Deadlines', () => {
  it('run each when it is due, once, the earliest first', () => {
    const { clock, deadlines, ran } = setUp();
    deadlines.set('rechoke', asMillis(20));
    deadlines.set('check', asMillis(10));
    clock.advance(9);
    assert.deepEqual(ran, []);
    clock.advance(100);
    assert.deepEqual(ran, [
      ['check', 10],
      ['rechoke', 20],
    ]);
  });

  it('are brought forward, put off and cleared', () => {
    const { clock, deadlines, ran } = setUp();
    deadlines.set('check', asMillis(10));
    deadlines.set('check', asMillis(30));
    deadlines.setIfEarlier('check', asMillis(40));
    deadlines.set('connect', asMillis(50));
    deadlines.setIfEarlier('connect', asMillis(20));
    deadlines.set('rechoke', asMillis(15));
    deadlines.clear('rechoke');
    clock.advance(100);
    assert.deepEqual(ran, [
      ['connect', 20],
      ['check', 30],
    ]);
  });

  it('are never due once stopped, not even from within one', () => {
    const clock = new VirtualClock();
    const ran: SwarmDeadline[] = [];
    const deadlines = new Deadlines(clock, (due) => {
      ran.push(due);
      deadlines.stop();
    });
    deadlines.set('check', asMillis(10));
    deadlines.set('connect', asMillis(10));
    clock.advance(10);
    deadlines.set('check', asMillis(20));
    clock.advance(100);
    assert.equal(ran.length, 1);
  });

  it('run as a plain list of times would have it, whatever is set when', () => {
    const key = fc.constantFrom<SwarmDeadline>('rechoke', 'connect', 'check', 'super-seeding');
    const step = fc.record({
      do: fc.constantFrom('set', 'setIfEarlier', 'clear', 'advance'),
      key,
      ms: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const { clock, deadlines, ran } = setUp();
        const model = new Map<SwarmDeadline, number>();
        for (const { do: what, key, ms } of steps) {
          const at = asMillis(clock.now() + ms);
          if (what === 'set') {
            deadlines.set(key, at);
            model.set(key, at);
          } else if (what === 'setIfEarlier') {
            deadlines.setIfEarlier(key, at);
            model.set(key, Math.min(at, model.get(key) ?? at));
          } else if (what === 'clear') {
            deadlines.clear(key);
            model.delete(key);
          } else {
            ran.length = 0;
            const due = [...model].filter(([, time]) => time <= at);
            clock.advance(ms);
            assert.deepEqual(new Map(ran), new Map(due));
            assert.equal(ran.length, due.length);
            const times = ran.map(([, time]) => time);
            assert.deepEqual(
              times,
              [...times].sort((a, b) => a - b),
            );
            for (const [done] of due) model.delete(done);
          }
        }
      }),
    );
  });
});
