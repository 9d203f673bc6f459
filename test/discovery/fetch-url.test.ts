import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fetchUrl } from '../../engine/discovery/fetch-url.js';
import { LocalBinding } from '../../engine/reach/local-binding.js';
import { systemClock } from '../../engine/system.js';

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

test('a public server does not lead into this machine or its network', async (t) => {
  const server = createServer((_, response) => response.end('secret')).listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  // The name is public when it is asked for first, ours after that.
  const guarded = fetchUrl(`http://public.example:${port}/`, {
    ...OPTIONS,
    timeoutMs: 2_000,
    resolve: async (host) => (host === 'public.example' ? ['203.0.113.1'] : [HOST]),
  });
  await assert.rejects(guarded, { code: 'INPUT_NOT_FOUND' });
});

test('tries the next address of a name from an address that it is bound to, and ends what is left at the end', async (t) => {
  const binding = await LocalBinding.open({ target: HOST, clock: systemClock });
  t.after(() => binding.close());
  const server = createServer((_, response) => response.end('here')).listen(0, HOST);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const url = `http://two.example:${port}/`;
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
