/** `swarm doctor`, without a router: that is in test/interop/nat.test.ts. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { run } from '../../cli/run.js';
import { decodeBencode, encodeBencode } from '../../engine/metainfo/bencode.js';
import { startTracker } from '../../tracker/index.js';
import { cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { type Json, jsonLines, runCli, spawnCli } from '../support/cli.js';
import { Socks5Proxy } from '../support/socks5-proxy.js';

const QUIET = ['doctor', '--no-nat', '--no-dht'];

/** The findings by what they are about, and the exit code. */
async function findings(...argv: string[]) {
  const { code, stdout, stderr } = await runCli([...QUIET, '--json', ...argv]);
  assert.equal(stderr, '');
  const events = jsonLines(stdout);
  const of = (check: string): Json[] => events.filter((event) => event.check === check);
  return { code, events, of };
}

async function udpServer(t: TestContext, answer: (packet: Buffer) => Uint8Array | undefined) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  socket.on('message', (packet, { address, port }) => {
    const reply = answer(packet);
    if (reply !== undefined) socket.send(reply, port, address);
  });
  return socket.address().port;
}

test('checks everything once and sums it up', async () => {
  const { events, of } = await findings();
  const checks = events.slice(0, -1).map(({ check }) => check);
  assert.deepEqual(checks, [
    ...['addresses', 'ipv4', 'ipv6', 'listening', 'mapping', 'reachability', 'tracker', 'dht', 'clock'],
    ...['state folder', 'download folder', 'open files'],
  ]);
  for (const { verdict, advice, check } of events.slice(0, -1))
    if (verdict !== 'good') assert.notEqual(advice, null, `${check} has no advice`);
  assert.deepEqual([of('mapping')[0]?.verdict, of('tracker')[0]?.verdict], ['skipped', 'skipped']);
  const { good, warning, bad, skipped } = events.at(-1) as Record<string, number>;
  assert.equal(good! + warning! + bad! + skipped!, 12);
});

test('tells people the same, a line a check', async () => {
  const { stdout } = await runCli(QUIET);
  assert.match(
    stdout,
    /^good {5}listening {8}connections can be taken on port \d+, which the system chose$/m,
  );
  assert.match(stdout, /^skipped {2}mapping/m);
  assert.match(stdout, /(all is well|works, with \d+ warnings?|will not work.*)\n$/);
});

test('a sentence goes on below itself, on the terminal that there is', async () => {
  const shown = async (columns: number): Promise<string[]> => {
    const chunks: string[] = [];
    const stdout = new Writable({
      write: (chunk, _, done) => {
        chunks.push(String(chunk));
        done();
      },
    });
    const terminal = { stdout: Object.assign(stdout, { isTTY: true, columns }), env: { NO_COLOR: '1' } };
    await run(QUIET, { ...terminal, stderr: process.stderr });
    return chunks.join('').trimEnd().split('\n');
  };
  for (const columns of [80, 60, 40]) {
    const lines = await shown(columns);
    for (const line of lines) assert.ok(line.length <= columns, line);
    const [head = '', ...rest] = lines.slice(lines.findIndex((line) => /^skipped +mapping/.test(line)));
    const below = rest.slice(
      0,
      rest.findIndex((line) => !line.startsWith(' ')),
    );
    const words = [head, ...below].map((line) => line.trim()).join(' ');
    assert.match(words, /the router is not asked Leave out --no-nat and SWARM_DISCOVERY=off to ask it\.$/);
    for (const line of below) assert.equal(line.search(/\S/), columns === 40 ? 4 : 26, line);
  }
});

test('a port that is taken is told of, with exit code 7', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { code, of } = await findings('--listen', `127.0.0.1:${port}`);
  assert.equal(code, 7);
  assert.equal(of('listening')[0]?.verdict, 'bad');
  assert.match(String(of('listening')[0]?.text), /another program has it/);
  assert.match(String(of('reachability')[0]?.text), /no port is listened on/);
});

test('a port that was given may be forwarded by hand: that only somebody from outside can tell', async () => {
  const probe = createServer().listen(0);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const { of } = await findings('--listen', String(port));
  // What else there is to say depends on where this runs.
  assert.doesNotMatch(String(of('reachability')[0]?.text), /^outgoing only: this machine is behind a router/);
});

test('a tracker that answers is good, over HTTP and UDP, and remembers nobody', async (t) => {
  const host = '127.0.0.1';
  const tracker = await startTracker({ http: { host, port: 0 }, udp: { host, port: 0 } });
  t.after(() => tracker.close());
  const urls = [
    `http://${host}:${tracker.http!.port}/announce`,
    `udp://user:secret@${host}:${tracker.udp!.port}/announce`,
  ];
  const { of } = await findings(...urls.flatMap((url) => ['--tracker', url]));
  assert.deepEqual(
    of('tracker').map(({ verdict }) => verdict),
    ['good', 'good'],
  );
  assert.doesNotMatch(JSON.stringify(of('tracker')), /secret/);
  assert.equal(tracker.stats().http.announces + tracker.stats().udp.announces, 2);
  assert.equal(tracker.stats().peers, 0);
});

test('through a proxy trackers are asked, and what does not go through it is told of and left alone', async (t) => {
  const host = '127.0.0.1';
  const tracker = await startTracker({ http: { host, port: 0 }, udp: { host, port: 0 } });
  t.after(() => tracker.close());
  const proxy = await Socks5Proxy.start(t, { names: { 'tracker.example': host } });
  const urls = [
    `http://tracker.example:${tracker.http!.port}/announce`,
    `udp://${host}:${tracker.udp!.port}/announce`,
  ];
  const { of, events } = await findings(
    ...['--proxy', `socks5://${host}:${proxy.port}`, '--dht-bootstrap', '127.0.0.1:1'],
    ...urls.flatMap((url) => ['--tracker', url]),
  );
  assert.deepEqual(
    of('tracker').map(({ verdict }) => verdict),
    ['good', 'bad'],
  );
  assert.match(String(of('reachability')[0]?.text), /no UDP/);
  assert.equal(of('dht')[0]?.verdict, 'skipped');
  assert.deepEqual(
    events.filter(({ check }) => ['ipv4', 'ipv6', 'listening', 'mapping'].includes(String(check))),
    [],
  );
  // It was greeted before, and asked for nothing by that.
  assert.equal(of('proxy')[0]?.verdict, 'good');
  assert.deepEqual(proxy.asked, [`tracker.example:${tracker.http!.port}`]);
  assert.equal(tracker.stats().udp.announces, 0);
});

test('nothing is asked from an address that is not ours', async () => {
  const { code, of } = await findings('--bind', '192.0.2.77', '--tracker', 'http://127.0.0.1:1/announce');
  assert.equal(code, 7);
  assert.equal(of('binding')[0]?.verdict, 'bad');
  assert.deepEqual(of('tracker'), []);
});

test('an interface that leads nowhere is not taken for a machine without a route', async () => {
  const { of } = await findings('--bind', 'lo');
  for (const check of ['ipv4', 'ipv6']) {
    assert.match(String(of(check)[0]?.text), /no way out over IPv[46] by lo$/);
    assert.match(String(of(check)[0]?.advice), /--bind/);
  }
});

test('a tracker that is not there is bad, with exit code 4', async (t) => {
  const server = createServer((socket) => socket.end('SSH-2.0-x\r\n\r\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { code, of } = await findings('--tracker', `http://127.0.0.1:${port}/announce`);
  assert.equal(code, 4);
  assert.equal(of('tracker')[0]?.verdict, 'bad');
});

test('a node of the DHT that answers is good', async (t) => {
  const port = await udpServer(t, (packet) => {
    const query = decodeBencode(packet) as Map<string, Uint8Array>;
    return encodeBencode({ t: query.get('t')!, y: Buffer.from('r'), r: { id: new Uint8Array(20) } });
  });
  const { of } = await findings('--dht-bootstrap', `127.0.0.1:${port}`);
  assert.equal(of('dht')[0]?.verdict, 'good');
});

test('a node that answers nonsense, or nothing, does not answer', { timeout: 20_000 }, async (t) => {
  const answers = [
    () => Buffer.from('d-3:'),
    () => Buffer.from('d1:t4:xxxx1:y1:r1:rd2:id20:aaaaaaaaaaaaaaaaaaaaee'),
    () => Buffer.alloc(60_000, 'l'),
    () => undefined,
  ];
  let at = 0;
  const port = await udpServer(t, () => answers[at++ % answers.length]!());
  const { code, of } = await findings('--dht-bootstrap', `127.0.0.1:${port}`);
  assert.equal(code, 4);
  assert.deepEqual([of('dht')[0]?.verdict, of('dht')[0]?.code], ['bad', 'PEERS_NONE']);
});

test('the folder for downloads is written to, and left as it was', async (t) => {
  const folder = await temporaryFolder(cleanUpOf(t));
  const { of } = await findings('--out', join(folder, 'not', 'yet'));
  assert.equal(of('download folder')[0]?.verdict, 'good');
  assert.deepEqual(await readdir(folder), []);
});

test('a folder that takes nothing is bad, with exit code 5', {
  skip: process.getuid?.() !== 0,
}, async (t) => {
  const folder = await temporaryFolder(cleanUpOf(t));
  const locked = join(folder, 'locked');
  await mkdir(locked);
  await chmod(folder, 0o755);
  await chmod(locked, 0o555);
  const state = join(folder, 'state');
  await mkdir(state);
  await chmod(state, 0o777);
  const env = { ...process.env, SWARM_STATE_DIR: state };
  const { ended } = spawnCli([...QUIET, '--json', '--out', locked], { uid: 65_534, env, cwd: '/' });
  const { code, stdout } = await ended;
  assert.equal(code, 5, stdout);
  const finding = jsonLines(stdout).find(({ check }) => check === 'download folder');
  assert.deepEqual([finding?.verdict, finding?.code], ['bad', 'STORAGE_NO_PERMISSION']);
});

test('--help shows the options, and a wrong one is refused', async () => {
  const { code, stdout } = await runCli(['doctor', '--help']);
  assert.equal(code, 0);
  for (const option of ['--listen', '--tracker', '--dht-bootstrap', '--no-nat', '--out'])
    assert.ok(stdout.includes(option));
  assert.equal((await runCli(['doctor', '--dht-bootstrap', 'nowhere'])).code, 2);
  assert.equal((await runCli(['doctor', 'me'])).code, 2);
});

test('says of a proxy what is the matter with it, and what to do', async (t) => {
  const proxy = await Socks5Proxy.start(t, { password: 'me:right' });
  const wrong = await findings('--proxy', `socks5://me:wrong@127.0.0.1:${proxy.port}`);
  assert.match(String(wrong.of('proxy')[0]?.text), /does not accept the user name and password/);
  const right = await findings('--proxy', `socks5://me:right@127.0.0.1:${proxy.port}`);
  assert.equal(right.of('proxy')[0]?.verdict, 'good');
  assert.deepEqual(proxy.asked, []);
  const { port } = proxy;
  proxy.close();
  const off = await findings('--proxy', `socks5://me:right@127.0.0.1:${port}`);
  assert.match(String(off.of('proxy')[0]?.text), /cannot be reached: nothing listens there/);
  assert.notEqual(off.code, 0);
  const unknown = await findings('--proxy', 'socks5://me:right@nosuch.invalid:1080');
  assert.match(String(unknown.of('proxy')[0]?.text), /nosuch\.invalid of the proxy cannot be resolved/);
  for (const { events } of [wrong, off, unknown]) {
    const bad = events.filter(({ verdict }) => verdict === 'bad');
    for (const { advice } of bad) assert.notEqual(advice, null);
    assert.doesNotMatch(JSON.stringify(events), /right@|wrong/);
  }
});
