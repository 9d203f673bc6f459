/** When one torrent's source looks into the DHT again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerLookup } from '../../../engine/discovery/dht/dht-node.js';
import { DhtSource } from '../../../engine/discovery/dht/dht-source.js';
import { asInfoHash, type PeerAddress } from '../../../engine/units.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const OUR_PORT = 6_881;
const OURSELVES = { host: '203.0.113.1', port: OUR_PORT };
const NODE = { host: '203.0.113.99', port: 6_881 };
const OTHER = { host: '203.0.113.2', port: 4_444 };

/** A source in front of a DHT that answers each lookup at once with the next of `answers`. */
function sourceOf(...answers: readonly (readonly PeerAddress[])[]) {
  const clock = new VirtualClock();
  const lookups: { readonly atMs: number; readonly port: number | undefined }[] = [];
  let port = OUR_PORT;
  const source = new DhtSource({
    node: {
      lookUpPeers({ onPeers, onDone, announce }: PeerLookup) {
        const peers = answers[lookups.length] ?? [];
        lookups.push({ atMs: clock.now(), port: announce?.port });
        if (peers.length > 0) onPeers(peers, NODE);
        onDone?.(1, 1);
        return { cancel() {} };
      },
    },
    infoHash: asInfoHash('ab'.repeat(20)),
    isPrivate: false,
    port: () => port,
    totals: () => ({ uploadedBytes: 0, downloadedBytes: 0, leftBytes: 1, isPartialSeed: false }),
    clock,
    rng: () => 0,
  });
  const start = (): void => source.start({ onPeers: () => {}, onStatus: () => {} });
  const moveTo = (another: number): void => {
    port = another;
    source.portChanged();
  };
  return { clock, source, lookups, start, moveTo };
}

const timesOf = (lookups: readonly { readonly atMs: number }[]): number[] =>
  lookups.map(({ atMs }) => atMs - (lookups[0]?.atMs ?? 0));

test('tells which node told of a peer', () => {
  const { source } = sourceOf([OTHER]);
  const heard: unknown[] = [];
  source.start({ onPeers: (...told) => void heard.push(told), onStatus: () => {} });
  assert.deepEqual(heard, [[[OTHER], 'dht', NODE]]);
});

test('who finds nobody but itself soon looks again', () => {
  const { clock, lookups, start } = sourceOf([], [OURSELVES], [OURSELVES], [OURSELVES, OTHER], [OTHER]);
  start();
  clock.advance(20 * 60_000);
  assert.deepEqual(timesOf(lookups), [0, 5_000, 15_000, 35_000]);
  clock.advance(10 * 60_000);
  assert.equal(lookups.length, 5);
});

test('who wants peers looks less and less often while nobody comes', () => {
  const known = Array<PeerAddress[]>(5).fill([OTHER]);
  const { clock, source, lookups, start } = sourceOf(...known, [OTHER, { ...OTHER, port: 5_555 }], [OTHER]);
  start();
  for (let minute = 0; minute < 24; minute++) {
    source.wantPeers();
    clock.advance(60_000);
  }
  assert.deepEqual(
    timesOf(lookups),
    [0, 1, 3, 7, 15].map((minutes) => minutes * 60_000),
  );
  clock.advance(20 * 60_000);
  const before = lookups.length;
  assert.equal(before, 6, 'somebody else is there now');
  source.wantPeers();
  clock.advance(60_000);
  assert.equal(lookups.length, before + 1);
});

test('a port by which the world reaches us otherwise is told soon, and once', () => {
  const { clock, lookups, moveTo, source, start } = sourceOf([OTHER], [OTHER], [OTHER]);
  start();
  clock.advance(2_000);
  moveTo(7_777);
  moveTo(7_777);
  clock.advance(20 * 60_000);
  assert.deepEqual(
    lookups.map(({ port }) => port),
    [OUR_PORT, 7_777],
  );
  void source.stop(0);
  moveTo(8_888);
  clock.advance(20 * 60_000);
  assert.equal(lookups.length, 2);
});
