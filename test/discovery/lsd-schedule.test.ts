import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_LSD_INFO_HASHES } from '../../engine/discovery/lsd-packet.js';
import { LsdSchedule } from '../../engine/discovery/lsd-schedule.js';
import { asInfoHash, asMillis, type InfoHash } from '../../engine/units.js';

const at = asMillis;
const infoHash = (n: number): InfoHash => asInfoHash(n.toString(16).padStart(40, '0'));

test('announces torrents that are added together together', () => {
  const schedule = new LsdSchedule();
  schedule.add(at(0), infoHash(1));
  schedule.add(at(100), infoHash(2));
  assert.equal(schedule.nextAt(), 250);
  assert.deepEqual(schedule.take(at(0)), []);
  assert.deepEqual(schedule.take(at(350)), [infoHash(1), infoHash(2)]);
  assert.equal(schedule.nextAt(), 300_350);
});

test('lets another one be first each time, for receivers that read one only', () => {
  const schedule = new LsdSchedule();
  for (let n = 0; n < 3; n++) schedule.add(at(0), infoHash(n));
  const firsts = [1, 2, 3].map((round) => schedule.take(at(round * 300_000))[0]);
  assert.equal(new Set(firsts).size, 3);
});

test('says nothing of a torrent that was removed', () => {
  const schedule = new LsdSchedule();
  schedule.add(at(0), infoHash(1));
  schedule.remove(infoHash(1));
  assert.equal(schedule.nextAt(), undefined);
  assert.deepEqual(schedule.take(at(1_000)), []);
});

test('whatever is added when: five minutes for each, one a minute for all, and everybody has a turn', () => {
  const adds = fc.array(fc.record({ n: fc.nat(60), waitMs: fc.nat(40_000) }), {
    minLength: 1,
    maxLength: 80,
  });
  fc.assert(
    fc.property(adds, (list) => {
      const schedule = new LsdSchedule();
      const last = new Map<InfoHash, number>();
      let [now, packets] = [0, 0];
      const runUntil = (end: number): void => {
        for (;;) {
          const next = schedule.nextAt();
          if (next === undefined || next > end) break;
          now = Math.max(now, next);
          const taken = schedule.take(at(now));
          assert.ok(taken.length > 0 && taken.length <= MAX_LSD_INFO_HASHES, 'it said that something is due');
          packets++;
          assert.ok(packets <= 4 + now / 60_000 + 1e-6, `${packets} at ${now}`);
          for (const each of taken) {
            assert.ok(now - (last.get(each) ?? Number.NEGATIVE_INFINITY) >= 300_000);
            last.set(each, now);
          }
        }
        now = end;
      };
      for (const { n, waitMs } of list) {
        schedule.add(at(now), infoHash(n));
        runUntil(now + waitMs);
      }
      runUntil(now + 600_000);
      assert.equal(last.size, new Set(list.map(({ n }) => n)).size);
    }),
  );
});
