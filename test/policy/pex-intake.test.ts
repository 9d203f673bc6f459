import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PexIntake } from '../../engine/policy/pex-intake.js';
import { asMillis } from '../../engine/units.js';

test('heeds a message a minute for ever, however the network delays it', () => {
  const intake = new PexIntake();
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -7_000, max: 7_000 }), { minLength: 1, maxLength: 50 }),
      (delays) => {
        const fresh = new PexIntake();
        for (const [i, delay] of delays.entries())
          assert.equal(fresh.onMessage(asMillis(60_000 * (i + 1) + delay), 100), 'heed');
      },
    ),
  );
  assert.equal(intake.onMessage(asMillis(0), 200), 'heed', 'the first may hold more');
});

test('ignores what comes too often, and gives up on who goes on', () => {
  const intake = new PexIntake();
  const verdicts = Array.from({ length: 13 }, (_, i) => intake.onMessage(asMillis(i), 1));
  assert.deepEqual(verdicts.slice(0, 2), ['heed', 'heed']);
  assert.ok(verdicts.slice(2, 12).every((verdict) => verdict === 'ignore'));
  assert.equal(verdicts[12], 'flood');
});

test('ignores what is too much or cannot be read, and gives up on who goes on', () => {
  for (const entries of [undefined, 201]) {
    const intake = new PexIntake();
    for (let i = 0; i < 10; i++) assert.equal(intake.onMessage(asMillis(i * 60_000), entries), 'ignore');
    assert.equal(intake.onMessage(asMillis(600_000), entries), 'flood');
  }
});

test('lets no schedule pass more than two messages and one each 45 s', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 300 });
  fc.assert(
    fc.property(gaps, (waits) => {
      const intake = new PexIntake();
      let [now, heeded] = [0, 0];
      for (const wait of waits) {
        now += wait;
        if (intake.onMessage(asMillis(now), 5) === 'heed') heeded++;
      }
      assert.ok(heeded <= 2 + now / 45_000);
    }),
  );
});
