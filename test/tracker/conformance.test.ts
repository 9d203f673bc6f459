/** One suite of what a tracker answers, run over every transport and address family. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { PeerAddress } from '../../engine/units.js';
import { type RunningTracker, startTracker, type TrackerOptions } from '../../tracker/index.js';
import { hashOf, httpTransport, type TrackerTransport, udpTransport } from '../support/tracker-clients.js';

type Open = (t: TestContext, options?: TrackerOptions) => Promise<TrackerTransport>;

const overHttp =
  (host: string): Open =>
  async (t, options) => {
    const tracker = await startTracker({ ...options, http: { host, port: 0 } });
    return cleanedUp(t, tracker, httpTransport(tracker.http as PeerAddress));
  };
const overUdp =
  (host: string): Open =>
  async (t, options) => {
    const tracker = await startTracker({ ...options, udp: { host, port: 0 } });
    return cleanedUp(t, tracker, await udpTransport(tracker.udp as PeerAddress));
  };

function cleanedUp(t: TestContext, tracker: RunningTracker, transport: TrackerTransport): TrackerTransport {
  t.after(async () => {
    transport.close();
    await tracker.close();
  });
  return transport;
}

const TRANSPORTS: readonly (readonly [name: string, host: string, open: Open])[] = [
  ['HTTP over IPv4', '127.0.0.1', overHttp('127.0.0.1')],
  ['HTTP over IPv6', '::1', overHttp('::1')],
  ['UDP over IPv4', '127.0.0.1', overUdp('127.0.0.1')],
  ['UDP over IPv6', '::1', overUdp('::1')],
];

const A = hashOf(0xaa);
const B = hashOf(0x00);

for (const [name, host, open] of TRANSPORTS) {
  describe(name, () => {
    test('two peers find each other, and nobody finds itself', async (t) => {
      const tracker = await open(t);
      const first = await tracker.announce({ infoHash: A, port: 1001, event: 'started' });
      assert.deepEqual(first.peers, []);
      const second = await tracker.announce({ infoHash: A, port: 1002, event: 'started' });
      assert.deepEqual(second.peers, [{ host, port: 1001 }]);
      const again = await tracker.announce({ infoHash: A, port: 1001 });
      assert.deepEqual(again.peers, [{ host, port: 1002 }]);
    });

    test('swarms do not mix', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001 });
      const answer = await tracker.announce({ infoHash: B, port: 1002 });
      assert.deepEqual([answer.peers, answer.leechers], [[], 1]);
    });

    test('seeds and leechers are counted by what is left', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001, left: 0 });
      await tracker.announce({ infoHash: A, port: 1002, left: 5 });
      const answer = await tracker.announce({ infoHash: A, port: 1003, left: 2 ** 40 });
      assert.deepEqual([answer.seeds, answer.leechers], [1, 2]);
    });

    test('a seed that starts is told of both: aria2 says of a magnet that nothing is left', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001, left: 0 });
      await tracker.announce({ infoHash: A, port: 1002, left: 5 });
      const first = await tracker.announce({ infoHash: A, port: 1003, left: 0, event: 'started' });
      assert.deepEqual(ports(first), [1001, 1002]);
      const next = await tracker.announce({ infoHash: A, port: 1003, left: 0 });
      assert.deepEqual(ports(next), [1002]);
    });

    test('a seed is told of leechers only, a leecher of both', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001, left: 0 });
      await tracker.announce({ infoHash: A, port: 1002, left: 5 });
      const seed = await tracker.announce({ infoHash: A, port: 1003, left: 0 });
      assert.deepEqual(ports(seed), [1002]);
      const leecher = await tracker.announce({ infoHash: A, port: 1004, left: 1 });
      assert.deepEqual(ports(leecher), [1001, 1002, 1003]);
    });

    test('who stops is gone, and is told of nobody', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001 });
      await tracker.announce({ infoHash: A, port: 1002 });
      const stopped = await tracker.announce({ infoHash: A, port: 1001, event: 'stopped' });
      assert.deepEqual([stopped.peers, stopped.leechers], [[], 1]);
      const answer = await tracker.announce({ infoHash: A, port: 1003 });
      assert.deepEqual(ports(answer), [1002]);
    });

    test('a completed download counts once a peer, and never for one that was a seed from the start', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: A, port: 1001, left: 9, event: 'started' });
      await tracker.announce({ infoHash: A, port: 1001, left: 0, event: 'completed' });
      await tracker.announce({ infoHash: A, port: 1001, left: 0, event: 'completed' });
      await tracker.announce({ infoHash: A, port: 1002, left: 0, event: 'started' });
      await tracker.announce({ infoHash: A, port: 1002, left: 0, event: 'completed' });
      await tracker.announce({ infoHash: A, port: 1003, left: 7, event: 'completed' });
      assert.deepEqual(await tracker.scrape([A]), [{ seeds: 2, leechers: 1, downloads: 1 }]);
    });

    test('a scrape answers in order, with zeros for a swarm that nobody is in', async (t) => {
      const tracker = await open(t);
      await tracker.announce({ infoHash: B, port: 1001, left: 0 });
      assert.deepEqual(await tracker.scrape([A, B]), [
        { seeds: 0, leechers: 0, downloads: 0 },
        { seeds: 1, leechers: 0, downloads: 0 },
      ]);
    });

    test('a scrape of 74 hashes is served, of 75 refused', async (t) => {
      const tracker = await open(t);
      const hashes = Array.from({ length: 75 }, (_, at) => hashOf(at));
      assert.equal((await tracker.scrape(hashes.slice(0, 74))).length, 74);
      await assert.rejects(tracker.scrape(hashes), /at most 74 info_hashes/);
      await assert.rejects(tracker.scrape([]), /at least one info_hash/);
    });

    test('a swarm of 300 gives 50 random peers by default, the number wanted, and at most what fits', async (t) => {
      const tracker = await open(t);
      for (let port = 1; port <= 300; port++)
        await tracker.announce({ infoHash: A, port, left: port % 3, numWant: 0 });
      const most = name === 'UDP over IPv6' ? 66 : 200;
      for (const [numWant, count] of [
        [-1, 50],
        [0, 0],
        [7, 7],
        [100_000, most],
      ] as const) {
        const answer = await tracker.announce({ infoHash: A, port: 1, numWant });
        assert.equal(new Set(ports(answer)).size, count, `numwant ${numWant}`);
        assert.equal(answer.peers.length, count);
        assert.ok(!ports(answer).includes(1));
      }
      const draws = [await draw(tracker), await draw(tracker), await draw(tracker)];
      assert.equal(new Set(draws.map((drawn) => drawn.join())).size, 3, 'three draws of 20 of 299 differ');
    });

    test('port 0 is refused with a reason', async (t) => {
      const tracker = await open(t);
      await assert.rejects(tracker.announce({ infoHash: A, port: 0 }), /port must be 1 to 65535/);
      assert.deepEqual(await tracker.scrape([A]), [{ seeds: 0, leechers: 0, downloads: 0 }]);
    });

    test('the interval is the one configured, and up to 5 % more', async (t) => {
      const tracker = await open(t, { intervalSeconds: 1000 });
      const { interval } = await tracker.announce({ infoHash: A, port: 1001 });
      assert.ok(interval >= 1000 && interval <= 1050, String(interval));
    });

    test('info-hashes beyond the limit are answered but not stored', async (t) => {
      const tracker = await open(t, { maxTorrents: 3 });
      for (let at = 0; at < 50; at++) await tracker.announce({ infoHash: hashOf(at), port: 1001 });
      const counts = await tracker.scrape(Array.from({ length: 50 }, (_, at) => hashOf(at)));
      assert.equal(
        counts.reduce((sum, { leechers }) => sum + leechers, 0),
        3,
      );
    });

    test('a swarm holds no more peers than its limit', async (t) => {
      const tracker = await open(t, { maxPeersPerTorrent: 10 });
      for (let port = 1; port <= 40; port++) await tracker.announce({ infoHash: A, port });
      assert.equal((await tracker.scrape([A]))[0]?.leechers, 10);
      assert.equal((await tracker.announce({ infoHash: A, port: 99 })).peers.length, 10);
    });
  });
}

const ports = (answer: { readonly peers: readonly PeerAddress[] }): number[] =>
  answer.peers.map(({ port }) => port).sort((a, b) => a - b);

const draw = async (tracker: TrackerTransport): Promise<number[]> =>
  ports(await tracker.announce({ infoHash: A, port: 1, numWant: 20 }));
