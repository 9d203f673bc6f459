import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeadlineTable } from '../../engine/policy/deadline-table.js';
import { asMillis } from '../../engine/units.js';

describe('DeadlineTable', () => {
  it('names the earliest, takes out what is due, and keeps the rest', () => {
    const table = new DeadlineTable<string>();
    table.set('b', asMillis(20));
    table.set('a', asMillis(10));
    assert.equal(table.earliest(), 10);
    assert.equal(table.takeDue(asMillis(9)), undefined);
    assert.equal(table.takeDue(asMillis(15)), 'a');
    assert.equal(table.takeDue(asMillis(15)), undefined);
    assert.equal(table.earliest(), 20);
  });

  it('replaces, brings forward and clears a deadline', () => {
    const table = new DeadlineTable<string>();
    table.set('a', asMillis(10));
    table.set('a', asMillis(30));
    table.setIfEarlier('a', asMillis(40));
    assert.equal(table.at('a'), 30);
    table.setIfEarlier('a', asMillis(20));
    assert.equal(table.at('a'), 20);
    table.set('a', asMillis(Number.POSITIVE_INFINITY));
    assert.equal(table.earliest(), undefined);
    table.clear('unknown');
    assert.equal(table.size, 0);
  });

  it('agrees with a sorted list, whatever happens', () => {
    const step = fc.record({
      do: fc.constantFrom('set', 'setIfEarlier', 'clear', 'takeDue'),
      key: fc.nat(40),
      at: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const table = new DeadlineTable<number>();
        const model = new Map<number, number>();
        for (const { do: what, key, at } of steps) {
          if (what === 'set') {
            table.set(key, asMillis(at));
            model.set(key, at);
          } else if (what === 'setIfEarlier') {
            table.setIfEarlier(key, asMillis(at));
            model.set(key, Math.min(at, model.get(key) ?? at));
          } else if (what === 'clear') {
            table.clear(key);
            model.delete(key);
          } else {
            const taken = table.takeDue(asMillis(at));
            const earliest = Math.min(...model.values());
            if (taken === undefined) assert.ok(earliest > at);
            else {
              assert.equal(model.get(taken), earliest);
              assert.ok(earliest <= at);
              model.delete(taken);
            }
          }
          assert.equal(table.size, model.size);
          assert.equal(table.earliest(), model.size === 0 ? undefined : Math.min(...model.values()));
          for (const [k, v] of model) assert.equal(table.at(k), v);
        }
        for (const at of [...model.values()].sort((a, b) => a - b)) {
          assert.equal(model.get(table.takeDue(asMillis(200))!), at);
        }
        assert.equal(table.takeDue(asMillis(200)), undefined);
      }),
    );
  });
});
