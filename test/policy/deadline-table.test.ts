import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeadlineTable } from '../../engine/policy/deadline-table.js';
import { asMillis } from '../../engine/units.js';

describe('DeadlineTable', () => {
  it('takes out the earliest, after replacements and removals', () => {
    const table = new DeadlineTable<string>();
    table.set('b', asMillis(20));
    table.set('a', asMillis(10));
    table.set('c', asMillis(15));
    table.set('a', asMillis(30));
    table.clear('c');
    table.clear('unknown');
    assert.equal(table.size, 2);
    assert.deepEqual(
      [table.takeEarliest(), table.takeEarliest(), table.takeEarliest()],
      ['b', 'a', undefined],
    );
  });

  it('agrees with a sorted list, whatever happens', () => {
    const step = fc.record({
      do: fc.constantFrom('set', 'clear', 'take'),
      key: fc.nat(40),
      at: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const table = new DeadlineTable<number>();
        const model = new Map<number, number>();
        const takeOne = (): void => {
          const earliest = Math.min(...model.values());
          const taken = table.takeEarliest();
          if (taken === undefined) assert.equal(model.size, 0);
          else assert.equal(model.get(taken), earliest);
          if (taken !== undefined) model.delete(taken);
        };
        for (const { do: what, key, at } of steps) {
          if (what === 'set') {
            table.set(key, asMillis(at));
            model.set(key, at);
          } else if (what === 'clear') {
            table.clear(key);
            model.delete(key);
          } else {
            takeOne();
          }
          assert.equal(table.size, model.size);
        }
        while (model.size > 0) takeOne();
        assert.equal(table.takeEarliest(), undefined);
      }),
    );
  });
});
