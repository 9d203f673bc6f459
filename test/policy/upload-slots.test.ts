import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seedSlotsFor, UplinkEstimate, uploadSlotsFor } from '../../engine/policy/upload-slots.js';
import { asMillis, NEVER } from '../../engine/units.js';

describe('upload slots', () => {
  it('are more on a faster line, at rates that are still worth having', () => {
    assert.equal(uploadSlotsFor(0, true), 3);
    assert.equal(uploadSlotsFor(50_000, true), 3);
    assert.equal(uploadSlotsFor(1_000_000, true), 14);
    assert.equal(uploadSlotsFor(1e12, true), 50);
    for (let rate = 1; rate < 1e9; rate *= 1.5)
      assert.ok(uploadSlotsFor(rate * 1.5, true) >= uploadSlotsFor(rate, true));
  });
});

describe('upload slots of a seed', () => {
  const uplink = { usual: 4, capacity: 100_000, rate: 100_000, served: 4, before: 4, isRound: true };

  it('are as usual on a full uplink', () => {
    assert.equal(seedSlotsFor(uplink), 4);
  });

  it('are more by as much as receivers leave of it, up to four times as many', () => {
    assert.equal(seedSlotsFor({ ...uplink, rate: 50_000 }), 8);
    assert.equal(seedSlotsFor({ ...uplink, rate: 1_000 }), 16);
    assert.equal(seedSlotsFor({ ...uplink, rate: 0 }), 16);
  });

  it('become fewer one a round once it is full, and not in between', () => {
    assert.equal(seedSlotsFor({ ...uplink, served: 8, before: 8 }), 7);
    assert.equal(seedSlotsFor({ ...uplink, served: 8, before: 8, isRound: false }), 8);
    assert.equal(seedSlotsFor({ ...uplink, before: 3 }), 4);
  });
});

describe('upload slots of a leecher', () => {
  it('are fewer while we download: our requests stand behind what we send, and a piece is sooner passed on', () => {
    assert.equal(uploadSlotsFor(16_000, true), 3);
    assert.equal(uploadSlotsFor(16_000, false), 2);
    assert.equal(uploadSlotsFor(50_000, false), 2);
    assert.equal(uploadSlotsFor(1_000_000, false), 10);
  });
});

describe('the uplink estimate', () => {
  const send = (uplink: UplinkEstimate, fromMs: number, toMs: number, bytesPerSecond: number): void => {
    for (let now = fromMs; now < toMs; now += 100) uplink.onSent(asMillis(now), bytesPerSecond / 10);
  };

  it('is what the line carried when it was full', () => {
    const uplink = new UplinkEstimate();
    send(uplink, 0, 60_000, 50_000);
    const rate = uplink.rate(asMillis(60_000));
    assert.ok(rate > 45_000 && rate <= 55_000, `${rate}`);
  });

  it('takes no full kernel buffer for a fast line', () => {
    const uplink = new UplinkEstimate();
    uplink.onSent(asMillis(0), 1_000_000);
    assert.ok(uplink.rate(asMillis(10)) <= 50_000);
  });

  it('says when the line is idle: after what the kernel took, by the rate, and not before there is one', () => {
    const uplink = new UplinkEstimate();
    assert.equal(uplink.idleAt, NEVER);
    send(uplink, 0, 60_000, 50_000);
    uplink.onSent(asMillis(70_000), 25_000);
    const half = uplink.idleAt - 70_000;
    uplink.onSent(asMillis(70_000), 50_000);
    const more = uplink.idleAt - 70_000 - half;
    assert.ok(half > 500 && half < 1_000, `${half}`);
    assert.ok(more > 900 && more < 1_100, `${more}`);
  });

  it('takes no more than a few seconds for the kernel to send, however late the rate is found out', () => {
    const uplink = new UplinkEstimate();
    send(uplink, 0, 10_000, 1_000_000);
    assert.ok(uplink.idleAt <= 14_000, `${uplink.idleAt}`);
  });

  it('remembers for a while when nobody asks, and forgets in the end', () => {
    const uplink = new UplinkEstimate();
    send(uplink, 0, 60_000, 50_000);
    const before = uplink.rate(asMillis(60_000));
    assert.ok(uplink.rate(asMillis(120_000)) > before * 0.8);
    assert.ok(uplink.rate(asMillis(7_200_000)) < before * 0.1);
  });
});
