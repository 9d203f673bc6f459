/** An engine behind a SOCKS5 proxy, or bound to an address: everything goes that way, nothing around it. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { egressOf } from '../../engine/egress.js';
import { Engine, type EngineOptions, fetchTorrentUrl } from '../../engine/index.js';
import { startTracker } from '../../tracker/index.js';
import { requireClient, startClient } from '../support/clients.js';
import { CommandLab } from '../support/command-lab.js';
import { Socks5Proxy } from '../support/socks5-proxy.js';

const BYTES = 300_000;

/** Of a program that does not say so. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const [outcome] = await Promise.race([
      once(socket, 'connect').then(() => ['open']),
      once(socket, 'close').then(() => ['refused']),
    ]).catch(() => ['refused']);
    socket.destroy();
    if (outcome === 'open') return;
    await delay(20);
  }
}

async function engineOf(lab: CommandLab, options: EngineOptions): Promise<Engine> {
  const engine = await Engine.create({ stateDir: join(lab.folder, 'proxied-state'), ...options });
  lab.after(() => engine.close());
  return engine;
}

for (const drips of [false, true])
  test(`downloads through a proxy that wants a password${drips ? ' and answers in single bytes' : ''}`, async (t) => {
    const lab = await CommandLab.create(t);
    const torrent = await lab.file('film.bin', BYTES);
    const seed = await lab.seed([torrent]);
    const [host = '', port = ''] = seed.split(':');
    const proxy = await Socks5Proxy.start(lab, { password: 'me:p@ss', drips });
    const engine = await engineOf(lab, { proxy: `socks5://me:p%40ss@127.0.0.1:${proxy.port}` });
    assert.equal(engine.listen, null);
    assert.match(engine.snapshot().reachability.reason, /proxy.*no UDP/);
    await engine.add(torrent.metainfo, { out: lab.here, peers: [{ host, port: Number(port) }] }).completed;
    await lab.assertGot(torrent);
    assert.deepEqual([...new Set(proxy.asked)], [seed]);
  });

test('a proxy on this machine is not looked for where an interface leads elsewhere', async (t) => {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outer = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  if (outer === undefined) {
    t.skip('this machine has loopback alone');
    return;
  }
  const proxy = 'socks5://127.0.0.1:1080';
  await assert.rejects(egressOf({ bind: outer.address, proxy }), {
    code: 'ADDRESS_UNAVAILABLE',
    message: `the proxy 127.0.0.1 is on this machine itself, where ${outer.address} does not lead`,
  });
  (await egressOf({ bind: '127.0.0.1', proxy })).local?.close();
});

test('announces to a tracker by a name that only the proxy knows', async (t) => {
  const lab = await CommandLab.create(t);
  const tracker = await startTracker({ http: { host: '127.0.0.1', port: 0 }, udp: null });
  lab.after(() => tracker.close());
  const trackerPort = tracker.http?.port;
  const announce = `http://tracker.example:${trackerPort}/announce`;
  const torrent = await lab.file('film.bin', BYTES, announce);
  const proxy = await Socks5Proxy.start(lab, { names: { 'tracker.example': '127.0.0.1' } });
  const engine = await engineOf(lab, { proxy: `socks5://127.0.0.1:${proxy.port}` });
  const added = engine.add(torrent.metainfo, { out: lab.here });
  await new Promise<void>((resolve) => {
    added.onEvent((event) => {
      if (event.type === 'tracker' && added.snapshot().trackers[0]?.state === 'working') resolve();
    });
  });
  assert.deepEqual(proxy.asked, [`tracker.example:${trackerPort}`]);
});

test('fetches the torrent of a URL through the proxy, by the name in it', async (t) => {
  const lab = await CommandLab.create(t);
  const torrent = await lab.file('film.bin', BYTES);
  const bytes = await readFile(torrent.file);
  const web = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`);
        socket.end(bytes);
      });
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  lab.after(() => web.close());
  const { port } = web.address() as AddressInfo;
  const proxy = await Socks5Proxy.start(lab, { names: { 'web.example': '127.0.0.1' } });
  const from = { proxy: `socks5://127.0.0.1:${proxy.port}` };
  const signal = AbortSignal.timeout(10_000);
  const { infoHash } = await fetchTorrentUrl(`http://web.example:${port}/film.torrent`, signal, from);
  assert.equal(infoHash, torrent.metainfo.infoHash);
  // A name of the proxy's own network is not asked for.
  const inside = fetchTorrentUrl(`http://router.local:${port}/x.torrent`, signal, from);
  await assert.rejects(inside, { code: 'INPUT_NOT_FOUND' });
  assert.deepEqual(proxy.asked, [`web.example:${port}`]);
});

test('asks an https tracker for its certificate by name, and refuses one that nobody vouches for', async (t) => {
  const lab = await CommandLab.create(t);
  let asked = '';
  const server = createTlsServer({
    SNICallback: (name, done) => {
      asked = name;
      done(new Error('no certificate'));
    },
  }).on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const proxy = await Socks5Proxy.start(lab, { names: { 'tracker.example': '127.0.0.1' } });
  const from = { proxy: `socks5://127.0.0.1:${proxy.port}` };
  const url = `https://tracker.example:${port}/film.torrent`;
  await assert.rejects(fetchTorrentUrl(url, AbortSignal.timeout(10_000), from), { code: 'INPUT_NOT_FOUND' });
  assert.equal(asked, 'tracker.example');
});

test('downloads and announces from an address that it is bound to, and reaches no other network', async (t) => {
  const lab = await CommandLab.create(t);
  const announce = await lab.tracker();
  const torrent = await lab.file('film.bin', BYTES, announce);
  const [host = '', port = ''] = (await lab.seed([torrent])).split(':');
  const engine = await engineOf(lab, { bind: '127.0.0.1' });
  assert.equal(engine.listen?.host, '127.0.0.1');
  assert.equal(engine.snapshot().binding?.state, 'bound');
  const added = engine.add(torrent.metainfo, { out: lab.here, peers: [{ host, port: Number(port) }] });
  await added.completed;
  await lab.assertGot(torrent);
  await assert.rejects(Engine.create({ bind: '127.0.0.1', listenHost: '127.0.0.2', listenPort: 0 }), {
    code: 'USAGE_INVALID_OPTION',
  });
});

test('downloads through microsocks, with a password', async (t) => {
  if (!requireClient(t, 'microsocks')) return;
  const lab = await CommandLab.create(t);
  const torrent = await lab.file('film.bin', BYTES);
  const [host = '', peerPort = ''] = (await lab.seed([torrent])).split(':');
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const program = startClient(lab, 'microsocks', [
    '-i',
    '127.0.0.1',
    '-p',
    String(port),
    '-u',
    'me',
    '-P',
    'pw',
  ]);
  await listening(port);
  const engine = await engineOf(lab, { proxy: `socks5://me:pw@127.0.0.1:${port}` });
  const peers = [{ host, port: Number(peerPort) }];
  await engine.add(torrent.metainfo, { out: lab.here, peers }).completed;
  await lab.assertGot(torrent);
  assert.equal(program.process.exitCode, null);
});

test('nothing goes around a proxy that is down, or to a UDP tracker', async (t) => {
  const lab = await CommandLab.create(t);
  let came = 0;
  const peer = createServer((socket) => {
    came++;
    socket.destroy();
  });
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  lab.after(() => peer.close());
  const tracker = createSocket('udp4').on('message', () => came++);
  tracker.bind(0, '127.0.0.1');
  await once(tracker, 'listening');
  lab.after(() => tracker.close());
  const torrent = await lab.file('film.bin', BYTES, `udp://127.0.0.1:${tracker.address().port}/announce`);
  const proxy = await Socks5Proxy.start(lab);
  const engine = await engineOf(lab, { proxy: `socks5://127.0.0.1:${proxy.port}` });
  proxy.close();
  const { port: peerPort } = peer.address() as AddressInfo;
  const added = engine.add(torrent.metainfo, {
    out: lab.here,
    peers: [{ host: '127.0.0.1', port: peerPort }],
  });
  await new Promise<void>((resolve) => {
    added.onEvent((event) => {
      if (event.type === 'tracker' && added.snapshot().trackers[0]?.state === 'failed') resolve();
    });
  });
  assert.match(String(added.snapshot().trackers[0]?.message), /proxy/);
  assert.equal(came, 0);
});

test('does not begin with a proxy that is not there, or does not take us', async (t) => {
  const lab = await CommandLab.create(t);
  const proxy = await Socks5Proxy.start(lab, { password: 'me:right' });
  const begins = (credentials: string): Promise<Engine> =>
    engineOf(lab, { proxy: `socks5://${credentials}127.0.0.1:${proxy.port}` });
  await assert.rejects(begins(''), { code: 'ADDRESS_UNAVAILABLE', message: /wants a user name/ });
  await assert.rejects(begins('me:wrong@'), { code: 'ADDRESS_UNAVAILABLE', message: /does not accept/ });
  await begins('me:right@');
  assert.deepEqual(proxy.asked, []);
  const { port } = proxy;
  proxy.close();
  const late = engineOf(lab, { proxy: `socks5://me:right@127.0.0.1:${port}` });
  await assert.rejects(late, { code: 'ADDRESS_UNAVAILABLE', message: /nothing listens there/ });
});

test('refuses name servers where nothing is bound, as the system asks its own', async () => {
  await assert.rejects(Engine.create({ dnsServers: ['127.0.0.1'] }), { code: 'USAGE_INVALID_OPTION' });
});

test('refuses what would go around the proxy, and what is no proxy, without telling the password', async () => {
  const proxy = 'socks5://127.0.0.1:1';
  const around: EngineOptions[] = [{ dht: true }, { lsd: true }, { portMapping: true }, { listenPort: 6881 }];
  for (const options of around)
    await assert.rejects(Engine.create({ proxy, ...options }), { code: 'USAGE_INVALID_OPTION' });
  for (const wrong of [
    'http://me:secret@h:1',
    'socks4://h:1',
    'socks5://',
    'socks5://h:1/x?secret',
    `socks5://${'a'.repeat(256)}:secret@h`,
    'secret',
  ])
    await assert.rejects(Engine.create({ proxy: wrong }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'USAGE_INVALID_OPTION', wrong);
      assert.doesNotMatch(`${error.message}${JSON.stringify(error)}`, /secret/);
      return true;
    });
});
