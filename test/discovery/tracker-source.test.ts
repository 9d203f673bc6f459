import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type http from 'node:http';
import { afterEach, describe, it } from 'node:test';
import { TrackerSource, type TrackerSourceOptions } from '../../engine/discovery/tracker-source.js';
import { UdpTrackerSockets } from '../../engine/discovery/udp-tracker.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import type { PeerSourceHandler } from '../../engine/ports.js';
import { asInfoHash, type PeerAddress } from '../../engine/units.js';
import { INFO_HASH, ManualClock, NO_IPV6, PEER_ID, realClock, serveHttp, until } from './helpers.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function source(tiers: readonly (readonly string[])[], options: Partial<TrackerSourceOptions> = {}) {
  const clock = options.clock ?? realClock;
  const udp = new UdpTrackerSockets({ clock });
  closers.push(() => udp.close());
  const trackers = new TrackerSource({
    tiers,
    identity: { infoHash: asInfoHash(INFO_HASH), peerId: PEER_ID, key: 0x1234abcd, port: () => 6881 },
    totals: () => ({ uploadedBytes: 10, downloadedBytes: 20, leftBytes: 30, isPartialSeed: false }),
    clock,
    rng: () => 0.999,
    udp,
    userAgent: 'swarm-test/1',
    ...options,
  });
  closers.push(() => void trackers.stop(0));
  const peers: PeerAddress[] = [];
  const handler: PeerSourceHandler = { onPeers: (found) => void peers.push(...found), onStatus: () => {} };
  const states = () => trackers.snapshot().map(({ state }) => state);
  return { trackers, peers, handler, states, udp };
}

/** An HTTP tracker that keeps the queries of its announces. */
async function tracker(
  answer: () => object = () => ({ interval: 60, peers: Buffer.alloc(0) }),
  host?: string,
) {
  const queries: URLSearchParams[] = [];
  const server = await serveHttp((request, response) => {
    queries.push(new URLSearchParams(request.url?.split('?')[1] ?? ''));
    response.end(encodeBencode(answer() as never));
  }, host);
  closers.push(server.close);
  return { url: `${server.url}/announce`, queries, events: () => queries.map((query) => query.get('event')) };
}

/** An HTTP tracker that answers when the test says so. */
async function slowTracker() {
  const responses: http.ServerResponse[] = [];
  const server = await serveHttp((_request, response) => void responses.push(response));
  closers.push(server.close);
  return { url: `${server.url}/announce`, responses };
}

const ONE_PEER = { interval: 60, peers: Buffer.from([127, 0, 0, 1, 0x1a, 0xe1]) };

describe('tracker source', () => {
  it('announces started, hands on peers, tells completed once and stopped at the end', {
    timeout: 5_000,
  }, async () => {
    const { url, queries, events } = await tracker(() => ({
      interval: 60,
      complete: 3,
      incomplete: 4,
      peers: Buffer.from([127, 0, 0, 1, 0x1a, 0xe1]),
    }));
    const { trackers, peers, handler } = source([[url]]);
    trackers.start(handler);
    await until(() => peers.length > 0);
    assert.deepEqual(peers, [{ host: '127.0.0.1', port: 6881 }]);
    trackers.completed();
    await until(() => queries.length === 2 && trackers.snapshot()[0]?.state === 'working');
    await trackers.stop(1_000);
    assert.deepEqual(events(), ['started', 'completed', 'stopped']);
    const [first, , last] = queries;
    assert.equal(first?.get('port'), '6881');
    assert.equal(first?.get('uploaded'), '10');
    assert.equal(first?.get('downloaded'), '20');
    assert.equal(first?.get('left'), '30');
    assert.equal(first?.get('key'), '1234ABCD');
    assert.equal(first?.get('compact'), '1');
    assert.equal(first?.has('ip'), false);
    assert.equal(last?.get('numwant'), '0');
    const [row] = trackers.snapshot();
    assert.equal(row?.seeders, 3);
    assert.equal(row?.leechers, 4);
  });

  it('announces to one tracker of every tier, and in a tier to the first that works', {
    timeout: 5_000,
  }, async () => {
    const dead = await slowTracker();
    const bad = await tracker(() => ({ 'failure reason': 'unknown torrent' }));
    const [good, spare, other] = [await tracker(), await tracker(), await tracker()];
    closers.shift()?.(); // nobody listens at `dead`
    const { trackers, handler } = source([[dead.url, bad.url, good.url, spare.url], [other.url]]);
    trackers.start(handler);
    await until(() => good.queries.length === 1 && other.queries.length === 1);
    await until(() => trackers.snapshot().filter(({ state }) => state === 'working').length === 2);
    assert.equal(spare.queries.length, 0);
    const rows = new Map(trackers.snapshot().map((row) => [row.url, row]));
    assert.equal(trackers.snapshot()[0]?.url, good.url);
    assert.match(rows.get(bad.url)?.message ?? '', /unknown torrent/);
    assert.match(rows.get(dead.url)?.message ?? '', /nothing listens there/);
    await trackers.stop(1_000);
    assert.deepEqual(good.events(), ['started', 'stopped']);
    assert.deepEqual(bad.events(), ['started'], 'no goodbye to who does not know us');
  });

  it('does not announce in a hurry for a negative interval', { timeout: 5_000 }, async () => {
    const clock = new ManualClock();
    const { url, queries } = await tracker(() => ({ interval: -5, 'min interval': -5 }));
    const { trackers, handler, states } = source([[url]], { clock });
    trackers.start(handler);
    clock.pass(0);
    await until(() => states()[0] === 'working');
    clock.pass(1_799_999);
    assert.equal(states()[0], 'working');
    clock.pass(1);
    assert.equal(states()[0], 'announcing');
    await until(() => queries.length === 2);
    assert.equal(queries[1]?.has('event'), false);
  });

  it('comes back early when peers are wanted', { timeout: 5_000 }, async () => {
    const clock = new ManualClock();
    const { url, queries } = await tracker(() => ({ interval: 1_800 }));
    const { trackers, handler, states } = source([[url]], { clock });
    trackers.wantPeers();
    trackers.start(handler);
    clock.pass(0);
    await until(() => states()[0] === 'working');
    trackers.wantPeers();
    clock.pass(60_000);
    await until(() => queries.length === 2);
    assert.equal(queries[1]?.get('numwant'), '200');
  });

  it('says that it is a partial seed while nothing else is to be said', { timeout: 5_000 }, async () => {
    const clock = new ManualClock();
    const { url, queries, events } = await tracker(() => ({ interval: 1_800 }));
    const totals = () => ({ uploadedBytes: 0, downloadedBytes: 0, leftBytes: 30, isPartialSeed: true });
    const { trackers, handler, states } = source([[url]], { clock, totals });
    trackers.start(handler);
    clock.pass(0);
    await until(() => states()[0] === 'working');
    trackers.wantPeers();
    clock.pass(60_000);
    await until(() => queries.length === 2 && states()[0] === 'working');
    await trackers.stop(1_000);
    assert.deepEqual(events(), ['started', 'paused', 'stopped']);
    assert.equal(queries[1]?.get('left'), '30');
  });

  it('sends the tracker id back', { timeout: 5_000 }, async () => {
    const { url, queries } = await tracker(() => ({ interval: 60, 'tracker id': 'x&y' }));
    const { trackers, handler, states } = source([[url]]);
    trackers.start(handler);
    await until(() => states()[0] === 'working');
    await trackers.stop(1_000);
    assert.deepEqual(
      queries.map((query) => query.get('trackerid')),
      [null, 'x&y'],
    );
  });

  it('learns its address from the tracker', { timeout: 5_000 }, async () => {
    const { url } = await tracker(() => ({ interval: 60, 'external ip': Buffer.from([203, 0, 113, 9]) }));
    const { trackers, handler, states } = source([[url]]);
    assert.equal(trackers.externalIp, null);
    trackers.start(handler);
    await until(() => states()[0] === 'working');
    assert.equal(trackers.externalIp, '203.0.113.9');
  });

  it('announces over IPv4 and IPv6 where the tracker has both, and one is enough', {
    timeout: 5_000,
    skip: NO_IPV6,
  }, async () => {
    const four = await tracker(() => ONE_PEER);
    const port = Number(new URL(four.url).port);
    const six = await serveHttp(
      (_request, response) => {
        response.end(encodeBencode({ interval: 60, peers: Buffer.from([127, 0, 0, 2, 0x1a, 0xe1]) }));
      },
      '::1',
      port,
    );
    closers.push(six.close);
    const resolve = async () => ['::1', '127.0.0.1'];
    const url = `http://tracker.test:${port}/announce`;
    const both = source([[url]], { resolve });
    both.trackers.start(both.handler);
    await until(() => both.peers.length === 2);
    assert.equal(both.trackers.snapshot()[0]?.peersReceived, 2);
    six.close();
    const one = source([[url]], { resolve });
    one.trackers.start(one.handler);
    await until(() => one.states()[0] === 'working');
    assert.deepEqual(one.peers, [{ host: '127.0.0.1', port: 6881 }]);
    const none = source([[url]], { resolve, families: [6] });
    none.trackers.start(none.handler);
    await until(() => none.states()[0] === 'failed');
  });

  it('stops in the time it was given, however silent the tracker', { timeout: 5_000 }, async () => {
    const clock = new ManualClock();
    const { url, responses } = await slowTracker();
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
    closers.push(() => silent.close());
    const { trackers, handler } = source([[url], [`udp://127.0.0.1:${silent.address().port}`]], { clock });
    trackers.start(handler);
    clock.pass(0);
    await until(() => responses.length === 1);
    const done = trackers.stop(500);
    assert.equal(trackers.stop(9_999), done);
    await until(() => responses.length === 2); // the goodbye is on its way
    clock.pass(500);
    await done;
    assert.equal(clock.pending, 0);
  });

  it('does nothing after it stopped, whatever it is told', { timeout: 5_000 }, async () => {
    const { url, responses } = await slowTracker();
    const clock = new ManualClock();
    const { trackers, handler, peers } = source([[url]], { clock });
    trackers.start(handler);
    clock.pass(0);
    await until(() => responses.length === 1);
    const done = trackers.stop(500);
    responses[0]?.end(encodeBencode(ONE_PEER));
    clock.pass(500);
    await done;
    trackers.completed();
    trackers.wantPeers();
    trackers.start(handler);
    assert.equal(await trackers.scrape(), null);
    clock.pass(10_000_000);
    assert.equal(clock.pending, 0);
    assert.deepEqual(peers, []);
  });

  it('stops while a name is being resolved, without waiting for it and without using it', {
    timeout: 5_000,
  }, async () => {
    const { url, queries } = await tracker(() => ONE_PEER);
    const names: ((hosts: readonly string[]) => void)[] = [];
    const resolve = () => new Promise<readonly string[]>((found) => void names.push(found));
    const { trackers, handler } = source([[url.replace('127.0.0.1', 'slow.test')]], { resolve });
    trackers.start(handler);
    await until(() => names.length === 1);
    await trackers.stop(1);
    for (const found of names) found(['127.0.0.1']);
    await new Promise<void>((done) => setImmediate(done));
    assert.equal(queries.length, 0);
  });

  it('stops at once when no tracker knows of it', async () => {
    const { trackers } = source([['http://127.0.0.1:1/announce']]);
    await trackers.stop(60_000);
  });

  it('shows URLs of no use as failed, and announces to none of them', { timeout: 5_000 }, async () => {
    const useless = [
      'file:///etc/passwd',
      'wss://t.example/announce',
      'http://',
      'rubbish',
      '\x1b[2J',
      'ftp://u:secret@h/',
    ];
    const { trackers, handler, states } = source([useless]);
    const good = await tracker();
    trackers.start(handler);
    assert.deepEqual(new Set(states()), new Set(['failed']));
    assert(
      trackers
        .snapshot()
        .every(({ message, nextAnnounceInSeconds }) => message !== '' && nextAnnounceInSeconds === null),
    );
    assert(!JSON.stringify(trackers.snapshot()).includes('secret'));
    const mixed = source([[...useless, good.url]]);
    mixed.trackers.start(mixed.handler);
    await until(() => good.queries.length === 1);
  });

  it('does not ask local services that are no tracker', { timeout: 5_000 }, async () => {
    const { url, queries } = await tracker();
    const { trackers, handler, states } = source([[url.replace('/announce', '/admin/delete')]]);
    trackers.start(handler);
    await until(() => states()[0] === 'failed');
    assert.equal(queries.length, 0);
  });

  it('announces port 1 when it does not listen, as trackers refuse 0', { timeout: 5_000 }, async () => {
    const { url, queries } = await tracker();
    const identity = { infoHash: asInfoHash(INFO_HASH), peerId: PEER_ID, key: 1, port: () => 0 };
    const { trackers, handler } = source([[url]], { identity });
    trackers.start(handler);
    await until(() => queries.length === 1);
    assert.equal(queries[0]?.get('port'), '1');
  });

  it('asks for the numbers of the swarm', { timeout: 5_000 }, async () => {
    const hash = Buffer.from(INFO_HASH, 'hex').toString('latin1');
    const files = new Map([[hash, { complete: 8, downloaded: 9, incomplete: 7 }]]);
    const { url } = await tracker(() => ({ interval: 60, files }));
    const { trackers, handler, states } = source([[url]]);
    assert.equal(await trackers.scrape(), null, 'no tracker works yet');
    trackers.start(handler);
    await until(() => states()[0] === 'working');
    assert.deepEqual(await trackers.scrape(), { seeders: 8, leechers: 7, downloads: 9 });
    assert.equal(trackers.snapshot()[0]?.seeders, 8);
  });
});
