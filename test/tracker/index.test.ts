/** The tracker as a whole: where it listens, that both transports share one store, that it closes. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { startTracker } from '../../tracker/index.js';
import { hashOf, httpTransport, udpTransport } from '../support/tracker-clients.js';

const A = hashOf(0xaa);

test('without a host it serves IPv4 and IPv6, over HTTP and UDP, from one store', async (t) => {
  const tracker = await startTracker({ http: { port: 0 }, udp: { port: 0 } });
  t.after(() => tracker.close());
  assert.ok(tracker.http !== null && tracker.udp !== null);
  const clients = [
    httpTransport({ host: '127.0.0.1', port: tracker.http.port }),
    httpTransport({ host: '::1', port: tracker.http.port }),
    await udpTransport({ host: '127.0.0.1', port: tracker.udp.port }),
    await udpTransport({ host: '::1', port: tracker.udp.port }),
  ] as const;
  t.after(() => {
    for (const client of clients) client.close();
  });
  for (const [n, client] of clients.entries()) await client.announce({ infoHash: A, port: 1000 + n });
  const seen = [];
  for (const client of clients) {
    const { peers, leechers } = await client.announce({ infoHash: A, port: 999, event: 'stopped' });
    seen.push([peers.length, leechers]);
  }
  assert.deepEqual(seen, [
    [0, 4],
    [0, 4],
    [0, 4],
    [0, 4],
  ]);
  const [http4, , , udp6] = clients;
  assert.deepEqual((await http4.announce({ infoHash: A, port: 1000 })).peers, [
    { host: '127.0.0.1', port: 1002 },
  ]);
  assert.deepEqual((await udp6.announce({ infoHash: A, port: 1003 })).peers, [{ host: '::1', port: 1001 }]);
  const { http, udp, torrents, peers } = tracker.stats();
  assert.deepEqual([http.announces, udp.announces, torrents, peers], [5, 5, 1, 4]);
});

test('a taken UDP port fails with its name, and HTTP, which was listening, is closed again', async (t) => {
  const blocker = createSocket('udp4').bind(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const { port } = blocker.address();
  await assert.rejects(
    startTracker({ http: { host: '127.0.0.1', port }, udp: { host: '127.0.0.1', port } }),
    { code: 'ADDRESS_UNAVAILABLE', message: new RegExp(`127.0.0.1 port ${port} \\(EADDRINUSE\\)`) },
  );
  const tracker = await startTracker({ http: { host: '127.0.0.1', port } });
  await tracker.close();
});

test('a tracker without a transport, or on what is no address, is refused', async () => {
  await assert.rejects(startTracker({}), { code: 'USAGE_INVALID_OPTION' });
  for (const host of ['203.0.113.1', 'no.such.host.invalid'])
    await assert.rejects(startTracker({ http: { host, port: 0 } }), { code: 'ADDRESS_UNAVAILABLE' }, host);
});

test('close ends open connections, can be repeated, and frees the ports', async () => {
  const tracker = await startTracker({
    http: { host: '127.0.0.1', port: 0 },
    udp: { host: '127.0.0.1', port: 0 },
  });
  assert.ok(tracker.http !== null);
  const client = httpTransport(tracker.http);
  await client.announce({ infoHash: A, port: 1 });
  await Promise.all([tracker.close(), tracker.close()]);
  await tracker.close();
  await assert.rejects(client.announce({ infoHash: A, port: 1 }));
});
