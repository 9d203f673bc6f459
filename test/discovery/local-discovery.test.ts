/** On real sockets: neighbours on this machine's loopback, at a port of their own. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { LocalDiscovery, type LocalDiscoveryOptions } from '../../engine/discovery/local-discovery.js';
import { formatLsd } from '../../engine/discovery/lsd-packet.js';
import { systemClock } from '../../engine/system.js';
import { asInfoHash, type PeerAddress } from '../../engine/units.js';
import { until } from '../support/real-clients.js';

const HOST = '127.0.0.1';
const GROUP = '239.192.152.143';
const OURS = asInfoHash('ab'.repeat(20));
const OTHER = asInfoHash('cd'.repeat(20));

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

class Neighbour {
  readonly discovery: LocalDiscovery;
  readonly heard: PeerAddress[] = [];

  constructor(t: TestContext, port: number, cookie: string, options: Partial<LocalDiscoveryOptions> = {}) {
    this.discovery = new LocalDiscovery({
      clock: systemClock,
      listenPort: () => 7_000,
      cookie,
      host: HOST,
      port,
      onWarning: (text) => assert.fail(text),
      ...options,
    });
    t.after(() => this.discovery.close());
  }

  join(infoHash = OURS) {
    const source = this.discovery.source(infoHash);
    source.start({
      onPeers: (peers, from, teller) => {
        assert.equal(from, 'lsd');
        assert.equal(teller?.host, HOST);
        this.heard.push(...peers);
      },
      onStatus() {},
    });
    return source;
  }
}

/** Sends what a neighbour might, and waits until the kernel has all of it. */
async function send(port: number, packets: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  socket.setMulticastInterface(HOST);
  for (const packet of packets)
    await new Promise<void>((resolve, reject) =>
      socket.send(packet, port, GROUP, (error) => (error === null ? resolve() : reject(error))),
    );
  socket.close();
}

const announce = (port: number, listenPort: number, infoHash = OURS): Uint8Array =>
  formatLsd(`${GROUP}:${port}`, { port: listenPort, infoHashes: [infoHash], cookie: undefined });

test('neighbours hear of each other, and nobody of himself', async (t) => {
  const port = await freeUdpPort();
  const first = new Neighbour(t, port, 'first');
  first.join();
  const late = new Neighbour(t, port, 'late', { listenPort: () => 7_001 });
  late.join();
  await until('the first hears the other', () => first.heard.length > 0);
  assert.deepEqual(first.heard, [{ host: HOST, port: 7_001 }]);
  assert.ok(late.heard.every((peer) => peer.port === 7_000));
});

test('who takes no peers listens only', async (t) => {
  const port = await freeUdpPort();
  const listener = new Neighbour(t, port, 'listener');
  listener.join();
  const mute = new Neighbour(t, port, 'mute', { listenPort: () => undefined });
  mute.join();
  await until('it hears the other', () => mute.heard.length > 0);
  assert.deepEqual(listener.heard, []);
});

test('hears only of torrents that it has, and of none after stop', async (t) => {
  const port = await freeUdpPort();
  const neighbour = new Neighbour(t, port, 'us', { listenPort: () => undefined });
  const source = neighbour.join();
  neighbour.join(OTHER);
  await until('it hears', async () => {
    await send(port, [announce(port, 1)]);
    return neighbour.heard.length > 0;
  });
  neighbour.heard.length = 0;
  await source.stop(0);
  await send(port, [
    announce(port, 2),
    announce(port, 3, asInfoHash('ef'.repeat(20))),
    announce(port, 4, OTHER),
  ]);
  await until('it hears of the other', () => neighbour.heard.length > 0);
  assert.deepEqual(neighbour.heard, [{ host: HOST, port: 4 }]);
});

test('survives what is no announce, and a flood costs nobody more than a few answers', async (t) => {
  const port = await freeUdpPort();
  const now = systemClock.now();
  const neighbour = new Neighbour(t, port, 'us', {
    clock: { ...systemClock, now: () => now },
    listenPort: () => undefined,
  });
  neighbour.join();
  neighbour.join(OTHER);
  await until('it hears', async () => {
    await send(port, [announce(port, 1)]);
    return neighbour.heard.length > 0;
  });
  const junk = ['', 'd-3:', 'BT-SEARCH * HTTP/1.1', '\0'.repeat(1_400), 'x'.repeat(9_000)].map((text) =>
    Buffer.from(text),
  );
  await send(port, junk);
  await send(
    port,
    Array.from({ length: 500 }, (_, i) => announce(port, i + 1)),
  );
  await until('it has heard some', () => neighbour.heard.length > 10);
  await send(port, [announce(port, 9, OTHER)]);
  assert.ok(neighbour.heard.length <= 60, `${neighbour.heard.length}`);
});

test('works on where a family is not available, and closes twice', async (t) => {
  const warnings: string[] = [];
  const port = await freeUdpPort();
  const taken = createSocket({ type: 'udp4' });
  taken.bind({ port, exclusive: true });
  await once(taken, 'listening');
  t.after(() => taken.close());
  const neighbour = new Neighbour(t, port, 'us', { onWarning: (text) => warnings.push(text) });
  neighbour.join();
  await until('it says so', () => warnings.length > 0);
  assert.match(warnings[0] ?? '', /^no local discovery over IPv4: /);
  neighbour.discovery.close();
  neighbour.discovery.close();
  neighbour.join();
});

test('IPv6 neighbours hear of each other where loopback takes multicast', async (t) => {
  const probe = createSocket({ type: 'udp6', ipv6Only: true });
  probe.bind(0);
  await once(probe, 'listening');
  const { port } = probe.address();
  const works = await new Promise<boolean>((resolve) => {
    try {
      probe.addMembership('ff15::efc0:988f', '::%lo');
      probe.setMulticastInterface('::%lo');
      probe.send('x', port, 'ff15::efc0:988f', (error) => resolve(error === null));
    } catch {
      resolve(false);
    }
  });
  probe.close();
  if (!works) return t.skip('no IPv6 multicast on loopback');
  const first = new Neighbour(t, port, 'first', { host: '::1' });
  first.join();
  const late = new Neighbour(t, port, 'late', { host: '::1', listenPort: () => 7_001 });
  late.join();
  await until('the first hears the other', () => first.heard.length > 0);
  assert.deepEqual(first.heard, [{ host: '::1', port: 7_001 }]);
});
