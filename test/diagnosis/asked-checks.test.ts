/** Who is asked and says nothing, or does not come to an end. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { checkTracker } from '../../engine/diagnosis/asked-checks.js';
import { openEgress } from '../../engine/egress/egress.js';
import { collectGarbage } from '../support/garbage.js';

const HOST = '127.0.0.1';
const NEVER = new AbortController().signal;
const anywhere = await openEgress({ bind: undefined, dnsServers: undefined, proxy: undefined });

/** Takes datagrams and answers none. @returns its announce URL */
async function silentTracker(t: TestContext): Promise<string> {
  const socket = createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  t.after(() => socket.close());
  return `udp://${HOST}:${socket.address().port}/announce`;
}

/** Answers a byte at a time, without end. @returns its announce URL */
async function drippingTracker(t: TestContext): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}).write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
    const drip = setInterval(() => socket.write('d'), 20);
    socket.on('close', () => clearInterval(drip));
  }).listen(0, HOST);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://${HOST}:${(server.address() as AddressInfo).port}/announce`;
}

for (const [what, start] of Object.entries({ silent: silentTracker, dripping: drippingTracker })) {
  test(`a ${what} tracker has its time and no more`, { timeout: 5_000 }, async (t) => {
    const checked = checkTracker(await start(t), 6881, anywhere, NEVER, { timeoutMs: 300 });
    const collecting = setInterval(collectGarbage, 50);
    t.after(() => clearInterval(collecting));
    const { verdict, code, text } = await checked;
    assert.deepEqual([verdict, code], ['bad', 'TRACKER_UNREACHABLE']);
    assert.match(text, /no answer in 0\.3 s$/);
  });

  test(`who interrupts at a ${what} tracker hears nothing bad of it`, { timeout: 5_000 }, async (t) => {
    const leaving = new AbortController();
    const checked = checkTracker(await start(t), 6881, anywhere, leaving.signal);
    setTimeout(() => leaving.abort(new Error('enough')), 50);
    await assert.rejects(checked, /enough/);
  });
}
