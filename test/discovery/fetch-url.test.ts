import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fetchUrl } from '../../engine/discovery/fetch-url.js';

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
