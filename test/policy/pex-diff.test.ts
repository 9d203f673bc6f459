import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_PEX_PEERS,
  PEX_FLAG,
  PEX_INTERVAL_MS,
  PexDiff,
  type PexPeer,
} from '../../engine/policy/pex-diff.js';
import { addressKey, asMillis } from '../../engine/units.js';

const at = asMillis;
const peer = (n: number, flags = 0): PexPeer => ({ host: `10.0.${n >> 8}.${n & 255}`, port: 6881, flags });
const liveOf = (peers: readonly PexPeer[]): Map<string, PexPeer> =>
  new Map(peers.map((each) => [addressKey(each), each]));
const everybody = (): boolean => true;

test('tells what is there, then only what changed, and nothing twice', () => {
  const diff = new PexDiff(at(0));
  const first = diff.next(at(0), { live: liveOf([peer(1), peer(2)]), parted: [] }, everybody);
  assert.deepEqual(first, { added: [peer(1), peer(2)], dropped: [] });
  const second = diff.next(at(60_000), { live: liveOf([peer(2), peer(3)]), parted: [] }, everybody);
  assert.deepEqual(second?.added, [peer(3)]);
  assert.deepEqual(second?.dropped, [{ host: '10.0.0.1', port: 6881 }]);
  assert.equal(
    diff.next(at(120_000), { live: liveOf([peer(2), peer(3)]), parted: [] }, everybody),
    undefined,
  );
});

test('waits a minute after a message, and not at all when there was nothing to tell', () => {
  const diff = new PexDiff(at(0));
  assert.equal(diff.next(at(0), { live: liveOf([]), parted: [] }, everybody), undefined);
  assert.ok(diff.next(at(1), { live: liveOf([peer(1)]), parted: [] }, everybody));
  assert.equal(diff.next(at(PEX_INTERVAL_MS), { live: liveOf([]), parted: [] }, everybody), undefined);
  assert.ok(diff.next(at(PEX_INTERVAL_MS + 1), { live: liveOf([]), parted: [] }, everybody));
});

test('tells those first that can be reached', () => {
  const diff = new PexDiff(at(0));
  const peers = Array.from({ length: 80 }, (_, n) => peer(n, n < 40 ? 0 : PEX_FLAG.reachable));
  const message = diff.next(at(0), { live: liveOf(peers), parted: [] }, everybody);
  assert.equal(message?.added.filter(({ flags }) => flags === PEX_FLAG.reachable).length, 40);
  assert.equal(message?.added.length, MAX_PEX_PEERS);
});

test('tells once of those who parted, and takes it back with the next message', () => {
  const diff = new PexDiff(at(0));
  const parted = [{ peer: peer(9), number: 1 }];
  assert.deepEqual(diff.next(at(0), { live: liveOf([]), parted }, everybody)?.added, [peer(9)]);
  const next = diff.next(at(60_000), { live: liveOf([]), parted }, everybody);
  assert.deepEqual(next, { added: [], dropped: [{ host: '10.0.0.9', port: 6881 }] });
  assert.equal(diff.next(at(120_000), { live: liveOf([]), parted }, everybody), undefined);
});

test('whatever comes and goes, a receiver that follows ends up with who is there, and no message breaks BEP 11', () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 90_000 }),
    toggled: fc.array(fc.integer({ min: 0, max: 299 }), { maxLength: 150 }),
    isParted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 0, max: 299 }), (steps, hidden) => {
      const diff = new PexDiff(at(0));
      const connected = new Set<number>();
      const followed = new Set<string>();
      let parted: { peer: PexPeer; number: number }[] = [];
      let [now, sentAt, count] = [0, -PEX_INTERVAL_MS, 0];
      const isFor = (each: PexPeer): boolean => addressKey(each) !== addressKey(peer(hidden));
      const tell = (): boolean => {
        const view = { live: liveOf([...connected].map((n) => peer(n))), parted };
        const message = diff.next(at(now), view, isFor);
        if (message === undefined) return false;
        assert.ok(now - sentAt >= PEX_INTERVAL_MS);
        sentAt = now;
        const [added, dropped] = [message.added.map(addressKey), message.dropped.map(addressKey)];
        assert.ok(added.length <= MAX_PEX_PEERS && dropped.length <= MAX_PEX_PEERS);
        assert.ok(added.length + dropped.length > 0);
        assert.equal(new Set([...added, ...dropped]).size, added.length + dropped.length);
        for (const key of dropped) assert.ok(followed.delete(key), 'dropped what was not told');
        for (const key of added) {
          assert.ok(!followed.has(key), 'told twice');
          followed.add(key);
        }
        assert.equal(diff.toldCount, followed.size);
        return true;
      };
      for (const { waitMs, toggled, isParted } of steps) {
        now += waitMs;
        for (const n of toggled) {
          if (!connected.delete(n)) connected.add(n);
          else if (isParted) parted = [...parted, { peer: peer(n), number: ++count }].slice(-25);
        }
        tell();
        assert.ok(followed.size <= 300 + 2 * MAX_PEX_PEERS);
      }
      do now += PEX_INTERVAL_MS;
      while (tell());
      connected.delete(hidden);
      assert.deepEqual([...followed].sort(), [...connected].map((n) => addressKey(peer(n))).sort());
    }),
  );
});
