/** What only the HTTP tracker has: forms of answers, odd queries, hostile connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { PeerAddress } from '../../engine/units.js';
import { decodePercent, parseTrackerQuery } from '../../tracker/http-query.js';
import { startTracker, type TrackerOptions } from '../../tracker/index.js';
import { announcePath, bytes, escapeBytes, hashOf, httpGet, text } from '../support/tracker-clients.js';

const A = hashOf(0xaa);

async function open(t: TestContext, host = '127.0.0.1', options: TrackerOptions = {}) {
  const tracker = await startTracker({ ...options, http: { host, port: 0 } });
  t.after(() => tracker.close());
  return { tracker, server: tracker.http as PeerAddress };
}

async function dial(t: TestContext, { host, port }: PeerAddress): Promise<Socket> {
  const socket = connect(port, host);
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything the server says until it ends the connection. */
async function rest(socket: Socket): Promise<string> {
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk;
  });
  // Not once(): it rejects on the reset that an unread request ends in.
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`still open, after ${received.length} bytes`)), 9_000);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return received;
}

test('answers are canonical bencode and carry the client its own address', async (t) => {
  const { server } = await open(t);
  const answer = await httpGet(server, announcePath({ infoHash: A, port: 1 }));
  assert.deepEqual(
    [...answer.keys()],
    ['complete', 'downloaded', 'external ip', 'incomplete', 'interval', 'min interval', 'peers'],
  );
  assert.deepEqual([...bytes(answer.get('external ip'))], [127, 0, 0, 1]);
});

test('an IPv6 client gets peers6 and 16 bytes of its address', async (t) => {
  const { server } = await open(t, '::1');
  await httpGet(server, announcePath({ infoHash: A, port: 0x1234 }));
  const answer = await httpGet(server, announcePath({ infoHash: A, port: 2 }));
  assert.equal(bytes(answer.get('peers')).length, 0);
  assert.deepEqual([...bytes(answer.get('peers6'))], [...new Array(15).fill(0), 1, 0x12, 0x34]);
  assert.equal(bytes(answer.get('external ip')).length, 16);
});

test('compact=0 gives dictionaries, no_peer_id=1 leaves the ids out', async (t) => {
  const { server } = await open(t);
  const peerId = Buffer.from('-XX0001-\0\xff% &=+?#/;:', 'latin1').subarray(0, 20);
  await httpGet(server, announcePath({ infoHash: A, port: 1001, peerId }));
  const listOf = async (extra: string) => {
    const peers = (await httpGet(server, announcePath({ infoHash: A, port: 2 }, extra))).get('peers');
    assert.ok(Array.isArray(peers) && peers[0] instanceof Map && peers.length === 1);
    return peers[0];
  };
  const peer = await listOf('&compact=0');
  assert.deepEqual(
    [text(peer.get('ip')), peer.get('port'), Buffer.from(bytes(peer.get('peer id')))],
    ['127.0.0.1', 1001, peerId],
  );
  assert.deepEqual([...(await listOf('&compact=0&no_peer_id=1')).keys()], ['ip', 'port']);
});

test('forwarding headers are ignored', async (t) => {
  const { server } = await open(t);
  const headers = {
    'X-Forwarded-For': '203.0.113.9',
    Forwarded: 'for=203.0.113.9',
    'X-Real-IP': '203.0.113.9',
  };
  await fetch(`http://127.0.0.1:${server.port}${announcePath({ infoHash: A, port: 1 })}`, { headers });
  const answer = await httpGet(server, announcePath({ infoHash: A, port: 2 }));
  assert.deepEqual([...bytes(answer.get('peers'))], [127, 0, 0, 1, 0, 1]);
});

test('an impossible announce is refused with the name of the field', async (t) => {
  const { server } = await open(t);
  const id = `peer_id=${escapeBytes(hashOf(1))}`;
  const hash = `info_hash=${escapeBytes(A)}`;
  for (const [query, reason] of [
    ['', /info_hash/],
    ['?', /info_hash/],
    ['?&&&===&=', /info_hash/],
    [`?${id}&port=1`, /info_hash/],
    [`?info_hash=short&${id}&port=1`, /info_hash/],
    [`?info_hash=${escapeBytes(hashOf(1))}%61&${id}&port=1`, /info_hash/],
    [`?info_hash=${'%zz'.repeat(20)}&${id}&port=1`, /info_hash/],
    [`?info_hash=${'%0'.repeat(20)}&${id}&port=1`, /info_hash/],
    [`?${hash}&port=1`, /peer_id/],
    [`?${hash}&peer_id=${'a'.repeat(21)}&port=1`, /peer_id/],
    ...['', '0', '65536', '-1', '1e3', '0x10', '99999999999', 'x'].map(
      (port) => [`?${hash}&${id}&port=${port}`, /port must be/] as const,
    ),
  ] as const)
    await assert.rejects(httpGet(server, `/announce${query}`), reason, query);
  await assert.rejects(httpGet(server, '/scrape?info_hash=short'), /info_hash must be 20 bytes/);
});

test('a strange number of peers wanted is taken as the usual number', async (t) => {
  const { server } = await open(t);
  await httpGet(server, announcePath({ infoHash: A, port: 1 }));
  for (const wanted of ['', '-1', '-99', 'many', '1e9', '999999999999999999', '0x1']) {
    const answer = await httpGet(server, announcePath({ infoHash: A, port: 2 }, `&numwant=${wanted}`));
    assert.equal(bytes(answer.get('peers')).length, 6, wanted);
  }
});

test('other paths, methods and lengths are refused by status, and the connection ends', async (t) => {
  const { server } = await open(t);
  for (const [request, status] of [
    ['GET /other HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['GET http://x/announce?info_hash=a HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['POST /announce HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', 405],
    ['OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    [`GET /announce?${'a'.repeat(7000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    ['nonsense\r\n\r\n', 400],
    [`GET /${'a'.repeat(20_000)}`, 400],
    ['GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ] as const) {
    const socket = await dial(t, server);
    socket.write(request);
    assert.match(await rest(socket), new RegExp(`^HTTP/1.1 ${status} `), request.slice(0, 40));
  }
});

test('a body is not read: the connection of an endless one ends', async (t) => {
  const { server } = await open(t);
  const socket = await dial(t, server);
  socket.write(
    `GET ${announcePath({ infoHash: A, port: 1 })} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
  const push = () => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on('drain', push);
  push();
  await rest(socket);
});

describe('time-outs, all at once', { concurrency: true }, () => {
  test('a request that never ends is cut off', async (t) => {
    const { server } = await open(t);
    const silent = await dial(t, server);
    const halfway = await dial(t, server);
    halfway.write('GET /announce?info_hash=');
    const trickling = await dial(t, server);
    trickling.write('GET / HTTP/1.1\r\n');
    const trickle = setInterval(() => trickling.write('X-A: b\r\n'), 200);
    t.after(() => clearInterval(trickle));
    await Promise.all([rest(silent), rest(halfway), rest(trickling)]);
  });

  test('a client that does not read its answers loses its connection', async (t) => {
    const { server, tracker } = await open(t, '127.0.0.1', { maxConnections: 1 });
    const greedy = await dial(t, server);
    const scrape = Array.from({ length: 74 }, (_, n) => `info_hash=${escapeBytes(hashOf(n))}`).join('&');
    greedy.write(`GET /scrape?${scrape} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(990));
    let served = '';
    for (const deadline = Date.now() + 9_000; served === '' && Date.now() < deadline; ) {
      await delay(100);
      const next = await dial(t, server);
      next.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      served = await rest(next);
    }
    assert.match(served, /^HTTP\/1.1 200 /);
    assert.ok(tracker.stats().http.dropped > 1, 'the greedy one held the only connection for a while');
    assert.ok(tracker.stats().http.scrapes < 990, 'what it asked for was not even read');
  });
});

test('random bytes end in an answer or a closed connection, and the tracker serves on', async (t) => {
  const { server } = await open(t);
  const target = fc
    .string({ unit: 'binary', maxLength: 200 })
    .map((s) => `GET /announce?${s} HTTP/1.1\r\n\r\n`);
  const raw = fc.uint8Array({ maxLength: 300 }).map((junk) => Buffer.from(junk).toString('latin1'));
  await fc.assert(
    fc.asyncProperty(fc.oneof(target, raw), async (request) => {
      const socket = await dial(t, server);
      socket.end(request, 'latin1');
      await rest(socket);
    }),
    { numRuns: 200 },
  );
  assert.equal((await httpGet(server, announcePath({ infoHash: A, port: 1 }))).get('incomplete'), 1);
});

test('a percent-encoded value decodes to the bytes that went in, however they were escaped', () => {
  const escaped = fc.array(fc.tuple(fc.nat(255), fc.constantFrom('raw', 'lower', 'upper')), {
    maxLength: 64,
  });
  fc.assert(
    fc.property(escaped, (parts) => {
      let value = '';
      for (const [byte, how] of parts) {
        const hex = byte.toString(16).padStart(2, '0');
        const plain = how === 'raw' && byte !== 0x25 && byte !== 0x26;
        value += plain ? String.fromCharCode(byte) : `%${how === 'upper' ? hex.toUpperCase() : hex}`;
      }
      assert.equal(decodePercent(value), String.fromCharCode(...parts.map(([byte]) => byte)));
      assert.deepEqual(parseTrackerQuery(`/announce?a=b&info_hash=${value}&c`).infoHashes, [value]);
    }),
  );
});

test('broken escapes and values over 64 bytes decode to nothing', () => {
  for (const value of ['%', '%1', 'a%', '%g0', '%0g', '%%41', '\u0141', 'x'.repeat(65), '%61'.repeat(65)])
    assert.equal(decodePercent(value), undefined, value.slice(0, 10));
});

test('keys that objects inherit are no fields', () => {
  const { fields } = parseTrackerQuery('/announce?__proto__=1&constructor=2&toString=3&port=4&port=5');
  assert.deepEqual({ ...fields }, { port: '4' });
});
