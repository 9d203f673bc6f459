/** Who is asked and says nothing, or does not come to an end. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { diagnose, type Finding } from '../../engine/diagnose.js';
import { checkDhtEntry, checkTracker } from '../../engine/diagnosis/asked-checks.js';
import { openEgress } from '../../engine/egress.js';
import { decodeBencode, encodeBencode } from '../../engine/metainfo/bencode.js';
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

/** @returns its address */
async function dhtNode(t: TestContext, isSilent = false) {
  const socket = createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  t.after(() => socket.close());
  socket.on('message', (packet, { address, port }) => {
    if (isSilent) return;
    const query = decodeBencode(packet) as Map<string, Uint8Array>;
    const answer = { t: query.get('t')!, y: Buffer.from('r'), r: { id: new Uint8Array(20) } };
    socket.send(encodeBencode(answer), port, address);
  });
  return { host: HOST, port: socket.address().port };
}

test('one node of many that answers shows that UDP gets through', { timeout: 8_000 }, async (t) => {
  const silent = await dhtNode(t, true);
  const nameless = { host: 'nosuch.invalid', port: 1 };
  const none = { ...anywhere, resolve: async () => [] };
  const of = (...nodes: (typeof silent)[]) => checkDhtEntry(nodes, none, NEVER);
  const [heard, blocked, unnamed] = await Promise.all([
    of(silent, await dhtNode(t), nameless),
    of(silent, nameless),
    of(nameless),
  ]);
  assert.equal(heard.verdict, 'good');
  assert.match(heard.text, /^1 of 3 /);
  assert.equal(blocked.verdict, 'warning');
  assert.match(blocked.text, /UDP seems to be blocked/);
  assert.match(blocked.advice ?? '', /firewall/);
  assert.equal(unnamed.verdict, 'warning');
  assert.match(unnamed.text, /names .* cannot be looked up/);
});

test('a name is pinged at its addresses of both families', { timeout: 8_000 }, async (t) => {
  const { port } = await dhtNode(t);
  const resolve = async () => ['2001:db8::1', '::1', HOST];
  const { verdict } = await checkDhtEntry([{ host: 'dht.example', port }], { ...anywhere, resolve }, NEVER);
  assert.equal(verdict, 'good');
});

async function findingsOf(options: Partial<Parameters<typeof diagnose>[0]>): Promise<Finding[]> {
  const rest = { listenPort: 0, trackers: [], dhtNodes: [], downloadFolder: '.', signal: NEVER };
  const found: Finding[] = [];
  for await (const finding of diagnose({ portMapping: false, ...rest, ...options })) found.push(finding);
  return found;
}

test('who names no node has the public ones asked, unless discovery is off', async (t) => {
  const of = async (options: Parameters<typeof findingsOf>[0]) =>
    (await findingsOf(options)).filter(({ check }) => check === 'dht');
  assert.equal(process.env.SWARM_DISCOVERY, 'off');
  assert.deepEqual(
    (await of({})).map(({ verdict }) => verdict),
    ['skipped'],
  );
  const [asked] = await of({ dhtEntryPoints: [await dhtNode(t)] });
  assert.match(asked?.text ?? '', /^1 of 1 public nodes answer/);
});

test("the clock is compared with the tracker's", async (t) => {
  const server = createHttpServer((_, response) => {
    response.setHeader('Date', new Date(Date.now() + 3_600_000).toUTCString()).end('de');
  }).listen(0, HOST);
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const found = await findingsOf({ trackers: [`http://${HOST}:${port}/announce`] });
  const clock = found.find(({ check }) => check === 'clock');
  assert.equal(clock?.verdict, 'warning');
  assert.ok(Math.abs(Number(clock?.details.offsetMs) - 3_600_000) < 60_000);
});

test('what to do fits what is wrong with a tracker', async (t) => {
  const server = createHttpServer((_, response) => response.end('hello')).listen(0, HOST);
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const adviceOn = async (url: string) => (await checkTracker(url, 6881, anywhere, NEVER)).advice ?? '';
  assert.match(await adviceOn(`http://${HOST}:${port}/x`), /^Check the URL.*nobody was asked/);
  assert.match(await adviceOn('ftp://tracker.example/announce'), /^Check the URL.*nobody was asked/);
  assert.match(await adviceOn(`http://${HOST}:${port}/announce`), /^Check the URL: who answers/);
  assert.match(await adviceOn('http://127.0.0.1:1/announce'), /^Try again later/);
});
