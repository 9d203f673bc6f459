import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type SwarmTimer, Timers } from '../../engine/swarm/timers.js';
import { asMillis } from '../../engine/units.js';
import { VirtualClock } from '../support/virtual-clock.js';

function setUp() {
  const clock = new VirtualClock();
  const ran: [SwarmTimer, number][] = [];
  const timers = new Timers(clock, (due) => ran.push([due, clock.now()]));
  return { clock, timers, ran };
}

describe('Timers', () => {
  it('run each when it is due, once, the earliest first', () => {
    const { clock, timers, ran } = setUp();
    timers.set('rechoke', asMillis(20));
    timers.set('check', asMillis(10));
    clock.advance(9);
    assert.deepEqual(ran, []);
    clock.advance(100);
    assert.deepEqual(ran, [
      ['check', 10],
      ['rechoke', 20],
    ]);
  });

  it('are brought forward, put off and cleared', () => {
    const { clock, timers, ran } = setUp();
    timers.set('check', asMillis(10));
    timers.set('check', asMillis(30));
    timers.setIfEarlier('check', asMillis(40));
    timers.set('connect', asMillis(50));
    timers.setIfEarlier('connect', asMillis(20));
    timers.set('rechoke', asMillis(15));
    timers.clear('rechoke');
    clock.advance(100);
    assert.deepEqual(ran, [
      ['connect', 20],
      ['check', 30],
    ]);
  });

  it('are never due once stopped, not even from within one', () => {
    const clock = new VirtualClock();
    const ran: SwarmTimer[] = [];
    const timers = new Timers(clock, (due) => {
      ran.push(due);
      timers.stop();
    });
    timers.set('check', asMillis(10));
    timers.set('connect', asMillis(10));
    clock.advance(10);
    timers.set('check', asMillis(20));
    clock.advance(100);
    assert.equal(ran.length, 1);
  });

  it('run as a plain list of times would have it, whatever is set when', () => {
    const key = fc.constantFrom<SwarmTimer>('rechoke', 'connect', 'check', 'super-seeding');
    const step = fc.record({
      do: fc.constantFrom('set', 'setIfEarlier', 'clear', 'advance'),
      key,
      ms: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const { clock, timers, ran } = setUp();
        const model = new Map<SwarmTimer, number>();
        for (const { do: what, key, ms } of steps) {
          const at = asMillis(clock.now() + ms);
          if (what === 'set') {
            timers.set(key, at);
            model.set(key, at);
          } else if (what === 'setIfEarlier') {
            timers.setIfEarlier(key, at);
            model.set(key, Math.min(at, model.get(key) ?? at));
          } else if (what === 'clear') {
            timers.clear(key);
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
