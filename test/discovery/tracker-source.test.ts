import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { TrackerSource, type TrackerSourceOptions } from '../../engine/discovery/tracker-source.js';
import { UdpTrackerSockets } from '../../engine/discovery/udp-tracker.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import type { PeerSourceHandler } from '../../engine/ports.js';
import { asInfoHash, type PeerAddress } from '../../engine/units.js';
import { INFO_HASH, PEER_ID, realClock, serveHttp, until } from './helpers.js';

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
    identity: { infoHash: asInfoHash(INFO_HASH), peerId: PEER_ID, key: 0x1234abcd, port: 6881 },
    totals: () => ({ uploadedBytes: 10, downloadedBytes: 20, leftBytes: 30 }),
    clock,
    rng: () => 0.5,
    udp,
    userAgent: 'swarm-test/1',
    ...options,
  });
  const peers: PeerAddress[] = [];
  const handler: PeerSourceHandler = { onPeers: (found) => void peers.push(...found), onStatus: () => {} };
  return { trackers, peers, handler };
}

/** A tracker that keeps the queries of its announces. */
async function tracker(
  answer: () => Record<string, unknown> = () => ({ interval: 60, peers: Buffer.alloc(0) }),
) {
  const queries: URLSearchParams[] = [];
  const server = await serveHttp((request, response) => {
    queries.push(new URLSearchParams(request.url?.split('?')[1] ?? ''));
    response.end(encodeBencode(answer() as never));
  });
  closers.push(server.close);
  return { url: `${server.url}/announce`, queries, events: () => queries.map((query) => query.get('event')) };
}

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
});
