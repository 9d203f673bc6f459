import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asMillis } from '../../engine/units.js';
import { KeyExchangeBudget } from '../../engine/wire/key-exchange-budget.js';

test('gives one host 20 a second, and all of them 100', () => {
  const budget = new KeyExchangeBudget();
  const granted = (host: string, now: number, tries: number): number =>
    Array.from({ length: tries }, () => budget.take(host, asMillis(now))).filter(Boolean).length;
  assert.equal(granted('a', 0, 1_000), 20);
  assert.equal(granted('b', 1, 1_000), 20, 'a flood from one host leaves room for others');
  for (const host of ['c', 'd', 'e']) granted(host, 2, 20);
  assert.equal(granted('f', 999, 10), 0);
  assert.equal(granted('a', 1_000, 1_000), 20);
});
