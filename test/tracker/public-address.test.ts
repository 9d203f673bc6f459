/**
 * The rules for clients from the Internet, which loopback is exempt from: this file runs itself in a network namespace
 * whose loopback has public addresses.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseCompactPeers4 } from '../../engine/discovery/compact-peers.js';
import { asMillis, type PeerAddress } from '../../engine/units.js';
import { startTracker, type TrackerOptions } from '../../tracker/index.js';
import { PYTHON, requireClient } from '../support/clients.js';
import { announcePacket, announcePath, connectPacket, hashOf, UdpProbe } from '../support/tracker-clients.js';

const INSIDE = 'SWARM_TEST_PUBLIC_ADDRESS';
const [SERVER, CLIENT, NEIGHBOUR, STRANGER] = [
  '198.51.100.1',
  '203.0.113.5',
  '203.0.113.6',
  '192.0.2.7',
] as const;
const A = hashOf(0xaa);

/** Sends one UDP datagram with the ports that it is told: server, source port, destination port, hex. */
const RAW_DATAGRAM = `
import socket, struct, sys
data = bytes.fromhex(sys.argv[4])
udp = struct.pack('>HHHH', int(sys.argv[2]), int(sys.argv[3]), 8 + len(data), 0) + data
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).sendto(udp, (sys.argv[1], 0))
`;

if (process.env[INSIDE] === undefined) {
  test('the rules for public addresses hold', (t) => {
    if (!requireClient(t, 'ip netns')) return;
    if (spawnSync('unshare', ['--net', 'true']).status !== 0) {
      assert.notEqual(process.env.SWARM_REQUIRE_CLIENTS, '1', 'network namespaces are not allowed');
      t.skip('network namespaces are not allowed');
      return;
    }
    const addresses = [SERVER, CLIENT, NEIGHBOUR, STRANGER].map((host) => `ip addr add ${host}/32 dev lo`);
    const script = ['ip link set lo up', ...addresses, 'exec "$@"'].join(' && ');
    const self = fileURLToPath(import.meta.url);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--net', 'sh', '-c', script, 'sh', process.execPath, '--test', self],
      { env: { ...env, [INSIDE]: '1' }, encoding: 'utf8' },
    );
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /# pass [1-9]/);
  });
} else {
  test("over UDP a victim's address in the ip field is ignored", async (t) => {
    const { udp } = await open(t);
    const client = await probeAt(t, udp, CLIENT);
    await client.answerTo(announcePacket(await client.connect(), { infoHash: A, port: 1, ip: STRANGER }));
    const other = await probeAt(t, udp, NEIGHBOUR);
    const answer = await other.answerTo(announcePacket(await other.connect(), { infoHash: A, port: 2 }));
    assert.deepEqual(parseCompactPeers4(answer?.subarray(20) ?? Buffer.alloc(0)), [
      { host: CLIENT, port: 1 },
    ]);
  });

  test("over HTTP a victim's address in the ip parameter is ignored, and so are forwarding headers", async (t) => {
    const { http } = await open(t);
    await get(http, CLIENT, announcePath({ infoHash: A, port: 1, ip: STRANGER }));
    const answer = await get(http, NEIGHBOUR, announcePath({ infoHash: A, port: 2 }));
    assert.ok(answer.endsWith(`5:peers6:${String.fromCharCode(203, 0, 113, 5, 0, 1)}e`), answer);
  });

  test('a network with too many requests is not answered over UDP, told so over HTTP, and others are served', async (t) => {
    const { udp, http, tracker } = await open(t, { requestsPerSecondPerPrefix: 5 });
    const flood = await probeAt(t, udp, CLIENT);
    let answers = 0;
    flood.socket.on('message', () => answers++);
    for (let n = 0; n < 50; n++) flood.send(connectPacket());
    const stranger = await probeAt(t, udp, STRANGER);
    assert.equal((await stranger.connect()).length, 8);
    // The clock stands still: a burst of four seconds is all there is.
    assert.equal(tracker.stats().udp.dropped, 30);
    assert.match(
      await get(http, NEIGHBOUR, '/'),
      /^HTTP\/1.1 429 [\s\S]*too many requests from your network/,
    );
    assert.match(await get(http, STRANGER, '/'), /^HTTP\/1.1 200 /);
    assert.ok(answers <= 20);
  });

  test('a network may hold so many connections, others still connect', async (t) => {
    const { http, tracker } = await open(t, { maxConnectionsPerPrefix: 3 });
    const held = [];
    for (let n = 0; n < 3; n++) held.push(await dial(t, http, CLIENT));
    const refused = await dial(t, http, NEIGHBOUR);
    await once(refused.resume(), 'close');
    assert.equal(tracker.stats().http.dropped, 1);
    assert.match(await get(http, STRANGER, '/'), /^HTTP\/1.1 200 /);
    const [first] = held;
    assert.ok(first !== undefined);
    first.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await once(first.resume(), 'close');
    assert.match(await get(http, NEIGHBOUR, '/'), /^HTTP\/1.1 200 /);
  });

  test('a datagram from port 0, where nothing can be sent, is dropped', async (t) => {
    const { udp, tracker } = await open(t);
    if (!existsSync(PYTHON)) return t.skip(`${PYTHON} not installed`);
    const packet = connectPacket().toString('hex');
    const sent = spawnSync(PYTHON, ['-c', RAW_DATAGRAM, SERVER, '0', String(udp.port), packet]);
    assert.equal(sent.status, 0, String(sent.stderr));
    assert.equal((await (await probeAt(t, udp, CLIENT)).connect()).length, 8);
    assert.equal(tracker.stats().udp.dropped, 1);
  });

  test('one network cannot fill a swarm', async (t) => {
    const { udp } = await open(t, { maxPeersPerPrefixPerTorrent: 4 });
    const client = await probeAt(t, udp, CLIENT);
    const id = await client.connect();
    for (let port = 1; port <= 20; port++) await client.ask(announcePacket(id, { infoHash: A, port }));
    const stranger = await probeAt(t, udp, STRANGER);
    const answer = await stranger.ask(announcePacket(await stranger.connect(), { infoHash: A, port: 1 }));
    assert.equal(answer.length, 20 + 6 * 4);
    assert.equal(answer.readUInt32BE(12), 5, 'the four and the stranger');
  });
}

async function open(t: TestContext, options: TrackerOptions = {}) {
  const address = { host: SERVER, port: 0 };
  const tracker = await startTracker(
    { ...options, http: address, udp: address },
    { now: () => asMillis(0), rng: Math.random },
  );
  t.after(() => tracker.close());
  return { tracker, http: tracker.http as PeerAddress, udp: tracker.udp as PeerAddress };
}

async function probeAt(t: TestContext, server: PeerAddress, host: string): Promise<UdpProbe> {
  const probe = await UdpProbe.open(server, host);
  t.after(() => probe.close());
  return probe;
}

async function dial(t: TestContext, { host, port }: PeerAddress, localAddress: string) {
  const socket = connect({ host, port, localAddress });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** The whole answer, headers included, to a GET from `localAddress`. */
async function get(server: PeerAddress, localAddress: string, path: string): Promise<string> {
  const socket = connect({ ...server, localAddress });
  let answer = '';
  socket.setEncoding('latin1').on('data', (text) => {
    answer += text;
  });
  const headers = `Host: x\r\nX-Forwarded-For: ${STRANGER}\r\nConnection: close`;
  socket.write(`GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`);
  await once(socket, 'close');
  return answer;
}
