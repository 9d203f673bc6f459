/** The ways into the DHT of an engine that has no bootstrap hosts: a torrent's nodes, a peer's PORT message, a neighbour. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { formatLsd } from '../../engine/discovery/lsd-packet.js';
import type { Engine } from '../../engine/index.js';
import { MESSAGE } from '../../engine/wire/messages.js';
import { HOST } from '../hostile/attacker.js';
import { Battlefield } from '../hostile/battlefield.js';
import { startOurDht } from '../support/our-dht.js';
import { until } from '../support/real-clients.js';
import { frame } from '../wire/harness.js';

const LSD_GROUP = '239.192.152.143';
const LSD_PORT = 6771;

/** A node to find, and an engine that does not know of it. */
async function stage(t: TestContext, options: { lsd?: boolean } = {}) {
  const field = await Battlefield.make(t, { bytes: 64 * 1024 });
  const [address] = (await startOurDht(field.scope, HOST, 1)).addresses;
  assert.ok(address);
  const engine = await field.engine({ dht: true, dhtBootstrap: [], ...options });
  return { field, engine, port: address.port };
}

const isIn = (engine: Engine) => () => (engine.snapshot().dht?.nodes4 ?? 0) > 0;

async function silentSocket(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, HOST);
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

test('the nodes of a torrent, the live one behind twenty dead ones', async (t) => {
  const { field, engine, port } = await stage(t);
  const dead = await Promise.all(Array.from({ length: 20 }, () => silentSocket(t)));
  const ports = [...dead.map((socket) => socket.address().port), port];
  const nodes = ports.map((each) => `l${HOST.length}:${HOST}i${each}ee`).join('');
  const torrentFile = Buffer.concat([field.torrentFile.subarray(0, -1), Buffer.from(`5:nodesl${nodes}ee`)]);
  engine.add(torrentFile, { out: field.out(engine) });
  await until('it is in', isIn(engine), 30_000);
});

test('the PORT message of a peer', async (t) => {
  const { field, engine, port } = await stage(t);
  const torrent = engine.add(field.torrentFile, { out: field.out(engine) });
  await new Promise<void>((resolve) => torrent.onEvent(({ type }) => type === 'checked' && resolve()));
  await new Promise(setImmediate);
  const peer = await field.attack(engine);
  await peer.shaken;
  peer.send(frame(MESSAGE.haveNone), Buffer.from([0, 0, 0, 3, MESSAGE.port, port >> 8, port & 255]));
  await until('it is in', isIn(engine), 30_000);
});

test('a neighbour that local discovery hears of', async (t) => {
  const { field, engine, port } = await stage(t, { lsd: true });
  engine.add(field.torrentFile, { out: field.out(engine) });
  const socket = await silentSocket(t);
  socket.setMulticastInterface(HOST);
  const packet = formatLsd(`${LSD_GROUP}:${LSD_PORT}`, {
    port,
    infoHashes: [field.metainfo.infoHash],
    cookie: 'neighbour',
  });
  await until(
    'it is in',
    () => {
      socket.send(packet, LSD_PORT, LSD_GROUP);
      return isIn(engine)();
    },
    30_000,
  );
});
