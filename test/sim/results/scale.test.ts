import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linearScale, logScale, type Scale } from '../../../sim/results/scale.js';

function assertSound({ at, ticks, domain }: Scale, from: number, to: number, most: number): void {
  assert.ok(domain[0] <= from * (1 + 1e-9) && domain[1] >= to * (1 - 1e-9), `${domain} for ${from} to ${to}`);
  assert.deepEqual([ticks[0], ticks.at(-1)], domain);
  assert.ok(ticks.length >= 2 && ticks.length <= most, `${ticks}`);
  assert.ok(ticks.every((tick, i) => i === 0 || tick > ticks[i - 1]!));
  assert.ok(Math.abs(at(domain[0]) - 100) < 1e-6 && Math.abs(at(domain[1]) - 500) < 1e-6);
}

test('ticks are round, and ends at round values hold all that is drawn', () => {
  assert.deepEqual(linearScale(0, 1, 0, 100, 5).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(
    linearScale(2043, 2391, 0, 100, 8).ticks,
    [2000, 2050, 2100, 2150, 2200, 2250, 2300, 2350, 2400],
  );
  assert.equal(linearScale(0, 10, 100, 0, 5).at(2), 80);
});

test('a linear scale is sound for any two amounts, equal ones too', () => {
  const amount = fc.double({ min: 0.001, max: 1e7, noNaN: true });
  fc.assert(
    fc.property(amount, amount, fc.integer({ min: 2, max: 10 }), (a, b, wanted) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      // Steps that are nearly equal are told apart by the first twelve digits only.
      fc.pre(to === from || (to - from) / to > 1e-6);
      assertSound(linearScale(from, to, 100, 500, wanted), from, to, 2 * wanted + 3);
    }),
  );
});

test('a logarithmic scale has its ticks at 1, 2 and 5, and decades are equally wide', () => {
  const scale = logScale(130, 4600, 0, 100);
  assert.deepEqual(scale.ticks, [100, 200, 500, 1000, 2000, 5000]);
  assert.ok(Math.abs(scale.at(1000) - scale.at(100) - (scale.at(5000) - scale.at(500))) < 1e-9);
});

test('a logarithmic scale is sound for any two amounts, equal ones too', () => {
  const amount = fc.double({ min: 1, max: 1e7, noNaN: true });
  fc.assert(
    fc.property(amount, amount, (a, b) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      assertSound(logScale(from, to, 100, 500), from, to, 25);
    }),
  );
});
