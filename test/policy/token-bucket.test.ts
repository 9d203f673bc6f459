import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  borrowFromAll,
  bytesAvailable,
  readyAt,
  TokenBucket,
  takeFromAll,
} from '../../engine/policy/token-bucket.js';
import { asMillis, BLOCK_BYTES } from '../../engine/units.js';

describe('TokenBucket', () => {
  it('lets everything pass without a limit', () => {
    const bucket = new TokenBucket(0);
    assert.equal(bucket.take(asMillis(0), 1e12), true);
    assert.equal(bucket.readyAt(asMillis(5), 1e12), 5);
  });

  it('lets a burst pass, then the rate', () => {
    const bucket = new TokenBucket(100_000, 50_000);
    assert.equal(bucket.take(asMillis(0), 50_000), true);
    assert.equal(bucket.take(asMillis(0), 1), false);
    assert.equal(bucket.readyAt(asMillis(0), 20_000), 200);
    assert.equal(bucket.take(asMillis(199), 20_000), false);
    assert.equal(bucket.take(asMillis(200), 20_000), true);
  });

  it('lets a block pass at the slowest of rates', () => {
    const bucket = new TokenBucket(1);
    assert.equal(bucket.take(asMillis(0), BLOCK_BYTES), true);
    const ready = bucket.readyAt(asMillis(0), BLOCK_BYTES);
    assert.equal(ready, BLOCK_BYTES * 1_000);
    assert.equal(bucket.take(ready, BLOCK_BYTES), true);
  });

  it('says never to more than its burst, instead of a time at which it is refused again', () => {
    const bucket = new TokenBucket(1_000, 20_000);
    assert.equal(bucket.readyAt(asMillis(0), 20_001), Number.POSITIVE_INFINITY);
    assert.equal(bucket.take(asMillis(1e9), 20_001), false);
  });

  it('changes its rate: what was saved stays, as far as it fits', () => {
    const bucket = new TokenBucket(0);
    bucket.setRate(asMillis(1_000), 100_000, 100_000);
    assert.equal(bucket.available(asMillis(1_000)), 100_000);
    bucket.take(asMillis(1_000), 100_000);
    bucket.setRate(asMillis(1_500), 200_000, 40_000);
    assert.equal(bucket.available(asMillis(1_500)), 40_000);
    bucket.setRate(asMillis(1_500), 0);
    assert.equal(bucket.unlimited, true);
    assert.equal(bucket.take(asMillis(1_500), 1e9), true);
  });

  it('takes back what was not used, and holds no more than its burst for it', () => {
    const now = asMillis(0);
    const bucket = new TokenBucket(100_000, 40_000);
    bucket.take(now, 40_000);
    bucket.giveBack(now, 30_000);
    assert.equal(bucket.available(now), 30_000);
    bucket.giveBack(now, 30_000);
    assert.equal(bucket.available(now), 40_000);
    const unlimited = new TokenBucket(0);
    unlimited.giveBack(now, 1);
    assert.equal(unlimited.available(now), Number.POSITIVE_INFINITY);
  });

  it('takes from all buckets or from none', () => {
    const now = asMillis(0);
    const wide = new TokenBucket(100_000, 100_000);
    const narrow = new TokenBucket(100_000, 20_000);
    assert.equal(bytesAvailable([wide, narrow], now), 20_000);
    assert.equal(takeFromAll([wide, narrow], now, 30_000), false);
    assert.equal(wide.available(now), 100_000);
    assert.equal(takeFromAll([wide, narrow], now, 20_000), true);
    assert.equal(wide.available(now), 80_000);
    assert.equal(readyAt([wide, narrow], now, 10_000), 100);
    assert.equal(bytesAvailable([], now), Number.POSITIVE_INFINITY);
  });

  it('lends two seconds of its rate at once, then an eighth of it, and keeps the rest for who waits', () => {
    const bucket = new TokenBucket(100_000, 50_000);
    const borrow = (ms: number, bytes: number) => borrowFromAll([bucket], asMillis(ms), bytes, 1);
    assert.equal(borrow(0, 200_001), false);
    assert.equal(borrow(0, 200_000), true);
    assert.equal(borrow(0, 1), false);
    assert.equal(bucket.readyAt(asMillis(0), 20_000), 1_700);
    assert.equal(bucket.available(asMillis(1_500)), 0);
    let lent = 0;
    for (let ms = 0; ms <= 80_000; ms += 10) if (borrow(ms, 1_000)) lent += 1_000;
    assert.equal(lent, 80 * 12_500);
    assert.ok(bucket.available(asMillis(80_000)) > 0);
  });

  it('lends four blocks at the slowest of rates, and everything without a limit', () => {
    const now = asMillis(0);
    assert.equal(borrowFromAll([new TokenBucket(1)], now, 4 * BLOCK_BYTES, 1), true);
    assert.equal(borrowFromAll([new TokenBucket(1)], now, 4 * BLOCK_BYTES + 1, 1), false);
    const unlimited = new TokenBucket(0);
    assert.equal(borrowFromAll([unlimited], now, 1e12, 1), true);
    unlimited.setRate(now, 100_000);
    assert.equal(unlimited.available(now), 25_000);
  });

  it('lends some a part only of what others may borrow', () => {
    const bucket = new TokenBucket(100_000, 50_000);
    assert.equal(borrowFromAll([bucket], asMillis(0), 100_001, 0.5), false);
    assert.equal(borrowFromAll([bucket], asMillis(0), 100_000, 0.5), true);
    assert.equal(borrowFromAll([bucket], asMillis(0), 1, 0.5), false);
    assert.equal(borrowFromAll([bucket], asMillis(0), 100_000, 1), true);
  });

  it('lends from all buckets or from none', () => {
    const [wide, narrow] = [new TokenBucket(1_000_000), new TokenBucket(50_000)];
    assert.equal(borrowFromAll([wide, narrow], asMillis(0), 200_000, 1), false);
    assert.equal(wide.available(asMillis(0)), 250_000);
  });

  it('is not in debt for longer than two seconds when its rate falls', () => {
    const bucket = new TokenBucket(1_000_000);
    bucket.lend(asMillis(0), 2_000_000);
    bucket.setRate(asMillis(0), 50_000);
    assert.ok(bucket.readyAt(asMillis(0), 1) <= 2_001);
    assert.equal(bucket.canLend(asMillis(1_500), 9_000, 1), true);
  });

  it('never lets pass more than rate × time + burst over any span, and is ready when it said', () => {
    const ask = fc.record({
      afterMs: fc.nat(3_000),
      bytes: fc.integer({ min: 1, max: 60_000 }),
      wait: fc.boolean(),
    });
    const rate = fc.integer({ min: 1, max: 1_000_000 });
    const burst = fc.integer({ min: 1, max: 100_000 });
    fc.assert(
      fc.property(
        rate,
        burst,
        fc.array(ask, { maxLength: 80, size: 'max' }),
        (bytesPerSecond, burstBytes, asks) => {
          const bucket = new TokenBucket(bytesPerSecond, burstBytes);
          const effectiveBurst = Math.max(burstBytes, BLOCK_BYTES);
          const passed: { at: number; bytes: number }[] = [];
          let now = 0;
          for (const { afterMs, bytes, wait } of asks) {
            now += afterMs;
            if (wait && bytes <= effectiveBurst) {
              now = bucket.readyAt(asMillis(now), bytes);
              assert.equal(bucket.take(asMillis(now), bytes), true);
            } else if (!bucket.take(asMillis(now), bytes)) continue;
            passed.push({ at: now, bytes });
          }
          for (let first = 0; first < passed.length; first++) {
            let sum = 0;
            for (const { at, bytes } of passed.slice(first)) {
              sum += bytes;
              const spanMs = at - passed[first]!.at;
              assert.ok(sum <= effectiveBurst + (spanMs * bytesPerSecond) / 1_000 + 1e-3);
            }
          }
        },
      ),
      {
        examples: [
          [
            19,
            59_877,
            [16_703, 3, 56_908, 14, 16_812, 14_491, 12, 43_493].map((bytes, i) => ({
              afterMs: [0, 0, 0, 0, 0, 0, 1_507, 2_088][i]!,
              bytes,
              wait: ![0, 1, 6].includes(i),
            })),
          ],
        ],
      },
    );
  });
});
