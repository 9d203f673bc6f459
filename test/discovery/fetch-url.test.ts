import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { fetchUrl } from '../../engine/discovery/fetch-url.js';
import { proxiedBinding } from '../../engine/egress/proxied-sockets.js';
import { UNBOUND } from '../../engine/egress/socket-binding.js';
import { LocalBinding } from '../../engine/reach/local-binding.js';
import { systemClock } from '../../engine/system.js';
import { Socks5Proxy } from '../support/socks5-proxy.js';

const HOST = '127.0.0.1';
const OPTIONS = { maxBytes: 1_000, userAgent: 'test', signal: new AbortController().signal };

test('a server that drips has its time and no more', async (t) => {
  const server = createServer((_, response) => {
    const drip = setInterval(() => response.write('d'), 10);
    response.on('close', () => clearInterval(drip));
  }).listen(0, HOST);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = `http://${HOST}:${port}/`;
  await assert.rejects(fetchUrl(url, { ...OPTIONS, timeoutMs: 200 }), {
    code: 'INPUT_NOT_FOUND',
    message: `cannot fetch ${url}: the server took more than 0.2 s`,
  });
});

/** A server behind many names: `/to?URL` redirects there, everything else is a file. */
class Maze {
  /** `Host` and path of each request. */
  readonly asked: string[] = [];
  port = 0;
  readonly #server = createServer(({ headers, url = '' }, response) => {
    this.asked.push(`${headers.host?.split(':')[0]} ${url.split('?')[0]}`);
    const [path, ...to] = url.split('?');
    if (path === '/to') response.writeHead(302, { location: to.join('?') });
    response.end('file');
  });

  static async open(t: TestContext): Promise<Maze> {
    const maze = new Maze();
    maze.#server.listen(0);
    await once(maze.#server, 'listening');
    maze.port = (maze.#server.address() as { port: number }).port;
    t.after(() => maze.#server.close());
    return maze;
  }

  /** The URL of the last hop, which is come to by way of the others. */
  way(...hops: readonly string[]): string {
    return hops.reduceRight((to, hop) => {
      const [host, path = '/to'] = hop.split(/(?=\/)/);
      return `http://${host}:${this.port}${to === '' ? '/file' : `${path}?${to}`}`;
    }, '');
  }
}

const ADDRESS: Readonly<Record<string, string>> = {
  'public.example': '1.2.3.4',
  'other.example': '1.2.3.5',
  'nas.example': '10.0.0.9',
  'rebound.example': HOST,
  'six.example': '::1',
  localhost: HOST,
  'films.localhost': HOST,
  box: HOST,
};

test('goes where the user points and no further inside than that, over each redirect', async (t) => {
  const maze = await Maze.open(t);
  const onlyHere = Object.fromEntries([...Object.values(ADDRESS), '10.0.0.9'].map((host) => [host, HOST]));
  const proxy = await Socks5Proxy.start(t, { names: onlyHere });
  // It stands for the Internet and the LAN: names are looked up here, and whatever the address is, the maze is there.
  const binding = proxiedBinding({ host: HOST, port: proxy.port, credentials: undefined }, UNBOUND);
  const fetched = async (...hops: string[]): Promise<string> => {
    const bytes = await fetchUrl(maze.way(...hops), {
      ...OPTIONS,
      binding,
      resolve: async (host) => [ADDRESS[host] ?? assert.fail(host)],
    });
    return Buffer.from(bytes).toString();
  };
  for (const hops of [
    ['public.example'],
    ['public.example', 'other.example', 'public.example'],
    ['nas.example'],
    ['nas.example', '10.0.0.9', 'public.example'],
    ['localhost'],
    ['films.localhost'],
    ['box'],
    [HOST, 'localhost', 'nas.example', 'public.example'],
  ])
    assert.equal(await fetched(...hops), 'file', hops.join(' > '));
  for (const hops of [
    ['rebound.example'],
    ['six.example'],
    ['public.example', HOST],
    ['public.example', 'localhost'],
    ['public.example', 'nas.example'],
    ['public.example', 'other.example', '10.0.0.9'],
    ['nas.example', 'public.example', 'nas.example'],
    ['nas.example', HOST],
    ['nas.example', 'box'],
    ['localhost', 'rebound.example'],
    ['localhost', '169.254.169.254'],
  ]) {
    const before = maze.asked.length;
    await assert.rejects(fetched(...hops), { code: 'INPUT_NOT_FOUND' }, hops.join(' > '));
    assert.ok(!maze.asked.slice(before).some((asked) => asked.endsWith('/file')), hops.join(' > '));
  }
});

test('says why a name of the Internet is not this machine', async () => {
  const fetched = fetchUrl('http://rebound.example:1/x', { ...OPTIONS, resolve: async () => [HOST] });
  await assert.rejects(fetched, {
    message:
      /^cannot fetch http:..rebound.example:1.x: rebound.example is a name of the Internet, and leads to this/,
  });
});

test("takes this machine's own full name for what it is, though it leads to the loopback interface", async (t) => {
  const maze = await Maze.open(t);
  const url = `http://${hostname()}.example.org:${maze.port}/file`;
  await fetchUrl(url, { ...OPTIONS, resolve: async () => [HOST] });
  assert.ok(maze.asked.some((asked) => asked.endsWith('/file')));
});

test('through a proxy that looks up names, a redirect leads to another one by https or to a .torrent only', async (t) => {
  const maze = await Maze.open(t);
  const names = { 'public.example': HOST, 'internal.example': HOST };
  const proxy = await Socks5Proxy.start(t, { names });
  const binding = proxiedBinding({ host: HOST, port: proxy.port, credentials: undefined }, UNBOUND);
  const fetched = async (url: string): Promise<string> =>
    Buffer.from(await fetchUrl(url, { ...OPTIONS, binding, resolve: 'by-proxy' })).toString();
  const [own, internal] = [maze.way('public.example'), maze.way('internal.example')];
  const to = (url: string): string => `${own.replace('/file', '/to')}?${url}`;
  assert.equal(await fetched(internal), 'file', 'the user named it');
  assert.equal(await fetched(to(own)), 'file');
  assert.equal(await fetched(to(`${internal}.torrent?x=1`)), 'file');
  await assert.rejects(fetched(to(internal)), /by https or to a \.torrent only/);
  await assert.rejects(fetched(to(to(`${internal}?x=/a.torrent`))), /by https or to a \.torrent only/);
  await assert.rejects(fetched(to(maze.way(HOST))), /a public server leads to the local address/);
  assert.deepEqual(
    maze.asked.filter((asked) => asked.startsWith('internal')),
    ['internal.example /file', 'internal.example /file.torrent'],
  );
});

test('tries the next address of a name from an address that it is bound to, and ends what is left at the end', async (t) => {
  const binding = await LocalBinding.open({ target: HOST, clock: systemClock });
  t.after(() => binding.close());
  const server = createServer((_, response) => response.end('here')).listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = `http://two.localhost:${port}/`;
  const from = (...hosts: string[]) => fetchUrl(url, { ...OPTIONS, binding, resolve: async () => hosts });
  assert.equal(Buffer.from(await from('127.0.0.2', HOST)).toString(), 'here');
  await assert.rejects(from('127.0.0.2'), { code: 'INPUT_NOT_FOUND' });
  await assert.rejects(from(HOST, '203.0.113.1'), { code: 'ADDRESS_UNAVAILABLE' });
  const ending = new AbortController();
  const ended = fetchUrl(url, { ...OPTIONS, binding, resolve: async () => [HOST], signal: ending.signal });
  ending.abort(new Error('enough'));
  await assert.rejects(ended, /enough/);
});

test('what is wrong with the URL of a file is not said of a tracker', async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(302, { Location: 'ftp://files.example/x' }).end();
  }).listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const faults: Readonly<Record<string, RegExp>> = {
    'http://169.254.1.1/x.torrent': /169\.254\.1\.1 is at no address that may be asked/,
    'udp://files.example/x.torrent': /only http:\/\/ and https:\/\//,
    [`http://files.example/${'x'.repeat(3_000)}`]: /the URL is too long/,
    [`http://${HOST}:${port}/`]: /a redirect from http to ftp is not followed/,
  };
  for (const [url, says] of Object.entries(faults))
    await assert.rejects(fetchUrl(url, { ...OPTIONS, timeoutMs: 2_000 }), (error: Error) => {
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /tracker|udp:\/\/$/);
      return true;
    });
});
