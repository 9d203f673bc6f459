import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RateMeter } from '../../engine/policy/rate-meter.js';
import { asMillis } from '../../engine/units.js';

describe('RateMeter', () => {
  it('shows a steady rate, and nothing five seconds after the last byte', () => {
    const meter = new RateMeter();
    assert.equal(meter.rate(asMillis(1_000)), 0);
    for (let ms = 1_000; ms <= 20_000; ms += 10) meter.add(asMillis(ms), 1_000);
    assert.ok(Math.abs(meter.rate(asMillis(20_000)) - 100_000) < 1_000);
    assert.equal(meter.rate(asMillis(25_250)), 0);
  });

  it('looks back as far as it is told', () => {
    const meter = new RateMeter(20_000);
    meter.add(asMillis(0), 200_000);
    assert.equal(meter.rate(asMillis(10_000)), 20_000);
    assert.equal(meter.rate(asMillis(19_000)), 200_000 / 19);
    assert.equal(meter.rate(asMillis(20_000)), 0);
  });

  it('divides a young meter’s bytes by one second at least', () => {
    const meter = new RateMeter();
    meter.add(asMillis(500), 16_384);
    assert.equal(meter.rate(asMillis(500)), 16_384);
    assert.equal(meter.rate(asMillis(2_500)), 8_192);
  });

  it('counts exactly the bytes of its window, and of the last quarter of it, whatever the history', () => {
    const event = fc.record({ afterMs: fc.nat(7_000), bytes: fc.nat(1_000_000) });
    fc.assert(
      fc.property(
        fc.nat(10_000_000),
        fc.array(event, { minLength: 1, maxLength: 60, size: 'max' }),
        (start, events) => {
          const meter = new RateMeter();
          const log: { at: number; bytes: number }[] = [];
          let now = start;
          for (const { afterMs, bytes } of events) {
            now += afterMs;
            meter.add(asMillis(now), bytes);
            log.push({ at: now, bytes });
            for (const buckets of [20, 5]) {
              const windowStart = (Math.floor(now / 250) - buckets + 1) * 250;
              const inWindow = log
                .filter(({ at }) => at >= windowStart)
                .reduce((sum, { bytes: b }) => sum + b, 0);
              const spanMs = Math.max(1_000, now - Math.max(windowStart, log[0]!.at));
              const shown = buckets === 20 ? meter.rate(asMillis(now)) : meter.recentRate(asMillis(now));
              assert.ok(Math.abs(shown - (inWindow * 1_000) / spanMs) < 1e-6);
            }
          }
        },
      ),
    );
  });
});
