import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import { AddressGuard, parseTrackerUrl } from '../../engine/discovery/address-guard.js';
import { httpAnnounce, httpScrape } from '../../engine/discovery/http-tracker.js';
import { SwarmError } from '../../engine/errors.js';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { announceRequest, INFO_HASH, serveHttp } from './helpers.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const badAnswer = { code: 'TRACKER_BAD_ANSWER' };
const unreachable = { code: 'TRACKER_UNREACHABLE' };
const forbidden = { code: 'TRACKER_FORBIDDEN_ADDRESS' };
const late = new SwarmError('TRACKER_UNREACHABLE', 'too late');

/** Connects `tracker.test` and every other name to 127.0.0.1. */
const loopback = () => new AddressGuard(async () => ['127.0.0.1']);

async function announce(
  text: string,
  { ms = 5_000, guard = loopback(), trackerId = null as Uint8Array | null } = {},
) {
  const url = parseTrackerUrl(text);
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(late), ms);
  try {
    const addresses = await guard.admit(url, controller.signal);
    const options = { guard, addresses, userAgent: 'swarm-test/1', signal: controller.signal };
    return await httpAnnounce(url, announceRequest(), trackerId, options);
  } finally {
    clearTimeout(timer);
  }
}

/** A server that speaks no HTTP of its own: `onConnection` writes what it likes. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => onConnection(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}/announce`;
}

/** A server that answers every announce with `body`. */
async function answering(body: Uint8Array | string, headers: Record<string, string> = {}, status = 200) {
  const server = await serveHttp((_request, response) => {
    response.writeHead(status, headers).end(body);
  });
  closers.push(server.close);
  return `${server.url}/announce`;
}

const answerOf = async (fields: object) => announce(await answering(encodeBencode(fields as never)));

/** Writes `chunk` as fast as the client reads. */
function flood(socket: Socket, chunk: string | Uint8Array): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

describe('HTTP announce', { timeout: 20_000 }, () => {
  it('sends its own fields after those of the URL, bytes escaped, and never an address', async () => {
    let seen = '';
    let agent: string | undefined;
    const server = await serveHttp((request, response) => {
      seen = request.url ?? '';
      agent = request.headers['user-agent'];
      response.end('de');
    });
    closers.push(server.close);
    await announce(`${server.url}/announce?passkey=a%20b`, { trackerId: Buffer.from('id&1') });
    assert.equal(
      seen,
      '/announce?passkey=a%20b&info_hash=%01%23Eg%89%AB%CD%EF%01%23Eg%89%AB%CD%EF%01%23E%FF' +
        '&peer_id=-SW0100-abcdefghijkl&port=6881&uploaded=1&downloaded=2&left=3&numwant=50&key=DEADBEEF' +
        '&compact=1&no_peer_id=1&event=started&trackerid=id%261',
    );
    assert.equal(agent, 'swarm-test/1');
  });

  it('reads every field of a full answer', async () => {
    const answer = await answerOf({
      interval: 1800,
      'min interval': 60,
      complete: 5,
      incomplete: 7,
      'tracker id': 'abc',
      'warning message': 'be nice',
      'external ip': Buffer.from([1, 2, 3, 4]),
      peers: Buffer.from([5, 6, 7, 8, 0, 80]),
      peers6: Buffer.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 81]),
    });
    assert.deepEqual(answer, {
      intervalSeconds: 1800,
      minIntervalSeconds: 60,
      seeders: 5,
      leechers: 7,
      peers: [
        { host: '5.6.7.8', port: 80 },
        { host: '2001:db8::9', port: 81 },
      ],
      warning: 'be nice',
      externalIp: '1.2.3.4',
      trackerId: Uint8Array.of(97, 98, 99),
    });
  });

  it('reads peers as dictionaries', async () => {
    const { peers } = await answerOf({
      interval: 60,
      peers: [
        { ip: '5.6.7.8', port: 80 },
        { ip: 'name', port: 1 },
      ],
    });
    assert.deepEqual(peers, [{ host: '5.6.7.8', port: 80 }]);
  });

  it('takes fields of the wrong type for missing', async () => {
    const answer = await answerOf({
      interval: 'often',
      'min interval': [],
      complete: -1,
      incomplete: 'x',
      peers: 7,
      peers6: { a: 1 },
      'tracker id': 5,
      'external ip': 'abc',
      'warning message': 3,
    });
    const nothing = { intervalSeconds: null, minIntervalSeconds: null, seeders: null, leechers: null };
    assert.deepEqual(answer, { ...nothing, peers: [], warning: null, externalIp: null, trackerId: null });
  });

  it('hands on at most 200 of a million peers, of both families', async () => {
    const four = await answerOf({ peers: Buffer.alloc(6 * 100_000, 1) });
    assert.equal(four.peers.length, 200);
    const both = await answerOf({
      peers: Buffer.alloc(6 * 50_000, 1),
      peers6: Buffer.alloc(18 * 20_000, 0x20),
    });
    assert.equal(both.peers.length, 200);
    assert.equal(both.peers.filter(({ host }) => host.includes(':')).length, 100);
    const list = new Array<object>(5_000).fill({ ip: '5.6.7.8', port: 80 });
    assert.equal((await answerOf({ peers: list })).peers.length, 200);
    await assert.rejects(answerOf({ peers: Buffer.alloc(6 * 1_000_000, 1) }), badAnswer);
  });

  it('tells a refusal, its text bounded, under any status', async () => {
    const text = `no such torrent \x1b[2J${'x'.repeat(100_000)}`;
    for (const status of [200, 400, 503])
      await assert.rejects(
        announce(await answering(encodeBencode({ 'failure reason': text }), {}, status)),
        (error) =>
          error instanceof SwarmError && error.code === 'TRACKER_REFUSED' && error.message.length < 300,
      );
  });

  it('survives a failure reason that is no text', async () => {
    for (const reason of ['i5e', 'le', 'de', '3:\xff\xfe\xfd'])
      await assert.rejects(announce(await answering(Buffer.from(`d14:failure reason${reason}e`, 'latin1'))), {
        code: 'TRACKER_REFUSED',
      });
  });

  it('reads when to come back after a refusal: minutes, digits, never, nonsense', async () => {
    const detailsOf = async (retry: unknown) => {
      const error = await answerOf({ 'failure reason': 'no', 'retry in': retry }).catch((thrown) => thrown);
      assert(error instanceof SwarmError);
      const { retryMs, permanent } = error.details;
      return { retryMs, permanent };
    };
    assert.deepEqual(await detailsOf(5), { retryMs: 300_000, permanent: undefined });
    assert.deepEqual(await detailsOf('5'), { retryMs: 300_000, permanent: undefined });
    assert.deepEqual(await detailsOf('never'), { retryMs: undefined, permanent: true });
    for (const nonsense of [-5, 0, 'soon', '', [], '-1'])
      assert.deepEqual(await detailsOf(nonsense), { retryMs: undefined, permanent: undefined });
  });

  it('refuses what is no dictionary or no bencode', async () => {
    const bodies = [
      '',
      'i5e',
      'le',
      '3:abc',
      'd-3:',
      'l-3:',
      'd',
      '<html>',
      'd8:intervali1e',
      'l'.repeat(1_000_000),
    ];
    for (const body of bodies)
      await assert.rejects(announce(await answering(body)), badAnswer, body.slice(0, 20));
  });

  it('reads an answer that ends with a newline', async () => {
    assert.equal((await announce(await answering('d8:intervali5ee\r\n'))).intervalSeconds, 5);
  });

  it('refuses a megabyte of tiny values', async () => {
    for (const body of [
      `l${'le'.repeat(500_000)}e`,
      `d5:peersl${'i0e'.repeat(340_000)}ee`,
      `l${'0:'.repeat(500_000)}e`,
    ])
      await assert.rejects(announce(await answering(body)), badAnswer);
  });

  it('names the status of an answer that is no tracker answer', async () => {
    await assert.rejects(announce(await answering('not found', {}, 404)), {
      ...badAnswer,
      message: /HTTP status 404/,
    });
    await assert.rejects(announce(await answering('de', {}, 500)), badAnswer);
  });

  it('unpacks gzip, and stops a bomb', async () => {
    const gzip = { 'Content-Encoding': 'gzip' };
    const good = gzipSync(encodeBencode({ interval: 77 }));
    assert.equal((await announce(await answering(good, gzip))).intervalSeconds, 77);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 });
    await assert.rejects(announce(await answering(bomb, gzip)), {
      ...badAnswer,
      message: /more than \d+ bytes/,
    });
    for (const body of [good.subarray(0, -9), 'not gzip'])
      await assert.rejects(announce(await answering(body, gzip)), { ...badAnswer, message: /not gzip$/ });
  });

  it('refuses an encoding that it did not ask for', async () => {
    for (const encoding of ['br', 'deflate', 'gzip, gzip'])
      await assert.rejects(announce(await answering('de', { 'Content-Encoding': encoding })), badAnswer);
  });

  it('refuses a cut body, by length and by chunk', async () => {
    const cuts = [
      'Content-Length: 1000\r\n\r\nd8:interval',
      'Transfer-Encoding: chunked\r\n\r\n5\r\nd8:in\r\n',
      '',
    ];
    for (const cut of cuts)
      await assert.rejects(
        announce(await rawServer((socket) => void socket.end(`HTTP/1.1 200 OK\r\n${cut}`))),
        (error) => error instanceof SwarmError && error.code.startsWith('TRACKER_'),
      );
  });

  it('refuses an endless body, with and without a length', async () => {
    for (const head of [
      '\r\n',
      'Content-Length: 99999999999\r\n\r\n',
      'Transfer-Encoding: chunked\r\n\r\n',
    ]) {
      const url = await rawServer((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}`);
        flood(socket, `8000\r\n${'x'.repeat(0x8000)}\r\n`);
      });
      await assert.rejects(announce(url), badAnswer);
    }
  });

  it('refuses endless headers, a header without end, and 1xx answers without end', async () => {
    const floods: [string, string][] = [
      ['HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'.repeat(100)],
      ['HTTP/1.1 200 OK\r\nX: ', 'x'.repeat(1_000)],
      ['', 'HTTP/1.1 100 Continue\r\n\r\n'],
      ['', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
      ['', 'x'.repeat(1_000)],
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;', 'x'.repeat(1_000)],
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', 'X-A: b\r\n'.repeat(100)],
    ];
    for (const [head, rest] of floods) {
      const url = await rawServer((socket) => {
        socket.write(head);
        flood(socket, rest);
      });
      await assert.rejects(announce(url), badAnswer, rest.slice(0, 20));
    }
  });

  it('refuses to switch protocols, and closes the socket', async () => {
    let ended: Promise<void> | undefined;
    const url = await rawServer((socket) => {
      ended = new Promise((resolve) => socket.once('close', () => resolve()));
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
    });
    await assert.rejects(announce(url), badAnswer);
    await ended;
  });

  it('ends in time with a tracker that trickles, or never answers, and closes the socket', async () => {
    for (const trickle of [true, false]) {
      let ended: Promise<void> | undefined;
      const url = await rawServer((socket) => {
        ended = new Promise((resolve) => socket.once('close', () => resolve()));
        if (!trickle) return;
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const timer = setInterval(() => socket.write('d'), 10);
        socket.once('close', () => clearInterval(timer));
      });
      await assert.rejects(announce(url, { ms: 150 }), late);
      await ended;
    }
  });

  it('tells that nobody listens', async () => {
    const server = await serveHttp(() => {});
    server.close();
    await assert.rejects(announce(`${server.url}/announce`), unreachable);
  });

  it('closes the connection after an answer, whatever the tracker prefers', async () => {
    let ended: Promise<void> | undefined;
    const url = await rawServer((socket) => {
      ended = new Promise((resolve) => socket.once('close', () => resolve()));
      socket.write('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nde');
    });
    await announce(url);
    await ended;
  });

  it('tries the next address of a host when the first does not take connections', async () => {
    const url = await answering('d8:intervali9ee');
    const guard = new AddressGuard(async () => ['127.0.0.9', '127.0.0.1']);
    const named = url.replace('127.0.0.1', 'tracker.test');
    assert.equal((await announce(named, { guard })).intervalSeconds, 9);
  });

  it('connects to the judged address and keeps the name for the Host header', async () => {
    let host: string | undefined;
    const server = await serveHttp((request, response) => {
      host = request.headers.host;
      response.end('de');
    });
    closers.push(server.close);
    const { port } = new URL(server.url);
    await announce(`http://tracker.test:${port}/announce`);
    assert.equal(host, `tracker.test:${port}`);
  });

  it('refuses a certificate that nobody vouches for, after asking for it by name', async () => {
    let asked = '';
    const server = tls.createServer({
      SNICallback: (name, done) => {
        asked = name;
        done(new Error('no certificate'));
      },
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const address = server.address();
    assert(address !== null && typeof address === 'object');
    await assert.rejects(announce(`https://tracker.test:${address.port}/announce`), unreachable);
    assert.equal(asked, 'tracker.test');
  });
});

describe('HTTP redirects', { timeout: 20_000 }, () => {
  /** `/announce` redirects to what `to` says, everything else answers. */
  async function redirecting(to: (base: string) => string, status = 302) {
    const paths: string[] = [];
    const authorizations: (string | undefined)[] = [];
    const server = await serveHttp((request, response) => {
      paths.push(request.url ?? '');
      authorizations.push(request.headers.authorization);
      if (request.url?.startsWith('/announce?'))
        response.writeHead(status, { Location: to(server.url) }).end();
      else response.end('d8:intervali42ee');
    });
    closers.push(server.close);
    return { url: `${server.url}/announce`, paths, authorizations };
  }

  it('follows one to another tracker path, of every kind, relative too', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { url, paths } = await redirecting(() => '/key/announce?a=b', status);
      assert.equal((await announce(url)).intervalSeconds, 42);
      assert.equal(paths[1], '/key/announce?a=b');
    }
  });

  it('gives up on a loop after three', async () => {
    const { url, paths } = await redirecting((base) => `${base}/announce?again`);
    await assert.rejects(announce(url), badAnswer);
    assert.equal(paths.length, 4);
  });

  it('leaves credentials behind', async () => {
    const { url, authorizations } = await redirecting((base) => `${base.replace('//', '//a:b@')}/x/announce`);
    await announce(url.replace('//', '//user:secret@'));
    assert.deepEqual(authorizations, [`Basic ${Buffer.from('user:secret').toString('base64')}`, undefined]);
  });

  it('refuses files, other schemes, other local paths, metadata services and no URL', async () => {
    const targets = [
      'file:///etc/passwd',
      'gopher://127.0.0.1/',
      'udp://127.0.0.1:1/announce',
      '/etc/passwd',
      '/?/announce',
      'http://169.254.169.254/announce',
      'http://[::ffff:a9fe:a9fe]/announce',
      'http://0/announce',
    ];
    for (const target of targets) {
      const { url, paths } = await redirecting(() => target);
      await assert.rejects(announce(url), forbidden, target);
      assert.equal(paths.length, 1);
    }
    const { url } = await redirecting(() => 'http://');
    await assert.rejects(announce(url), badAnswer);
  });

  it('refuses to be led from a public tracker to a local one', async () => {
    const { url } = await redirecting((base) => `${base}/x/announce`);
    const guard = new AddressGuard(async () => ['1.2.3.4']);
    await guard.admit(parseTrackerUrl('http://public.example/announce'), new AbortController().signal);
    const judged = [{ host: '127.0.0.1', family: 4 }] as const;
    const options = { guard, addresses: judged, userAgent: 'x', signal: AbortSignal.timeout(5_000) };
    await assert.rejects(httpAnnounce(parseTrackerUrl(url), announceRequest(), null, options), forbidden);
  });
});

describe('HTTP scrape', { timeout: 20_000 }, () => {
  async function scrape(path: string, { found = true } = {}) {
    let seen = '';
    const hash = Buffer.from(INFO_HASH, 'hex');
    const swarm = Buffer.from('d8:completei1e10:downloadedi2e10:incompletei3ee');
    const body = found ? Buffer.concat([Buffer.from('d5:filesd20:'), hash, swarm, Buffer.from('ee')]) : 'de';
    const server = await serveHttp((request, response) => {
      seen = request.url ?? '';
      response.end(body);
    });
    closers.push(server.close);
    const url = parseTrackerUrl(server.url + path);
    const guard = loopback();
    const signal = AbortSignal.timeout(5_000);
    const addresses = await guard.admit(url, signal);
    return { answer: await httpScrape(url, hash, { guard, addresses, userAgent: 'x', signal }), seen };
  }

  it('asks beside the announce address and reads the swarm', async () => {
    const { answer, seen } = await scrape('/key/announce.php?a=1');
    assert.deepEqual(answer, { seeders: 1, downloads: 2, leechers: 3 });
    assert(seen.startsWith('/key/scrape.php?a=1&info_hash=%01%23Eg%89'));
  });

  it('refuses a tracker without a scrape address, and an answer about nothing', async () => {
    await assert.rejects(scrape('/announce/key'), badAnswer);
    await assert.rejects(scrape('/announce', { found: false }), badAnswer);
  });
});
