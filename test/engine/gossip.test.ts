/** What engines say to each other of peers, and of themselves, over real sockets. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AddOptions, Engine, Torrent, TorrentEvent } from '../../engine/index.js';
import { createTorrent } from '../../engine/metainfo/create.js';
import { makeFolder } from '../../fixtures/folder.js';
import { type CleanUp, cleanUpOf, temporaryFolder } from '../support/cleanup.js';
import { loopback } from '../support/namespaces.js';
import { until } from '../support/real-clients.js';
import { startEngine } from '../support/swarm-engine.js';

interface Made {
  readonly scope: CleanUp;
  readonly base: string;
  readonly bytes: Uint8Array;
}

async function make(t: TestContext, isPrivate = false): Promise<Made> {
  const scope = cleanUpOf(t);
  const base = await temporaryFolder(scope);
  const folder = await makeFolder(join(base, 'source'), 'folder', 1_000_000);
  const { bytes } = await createTorrent(folder, { pieceLength: 16_384, private: isPrivate });
  return { scope, base, bytes };
}

interface Member {
  readonly engine: Engine;
  readonly torrent: Torrent;
  readonly events: TorrentEvent[];
}

async function enter(
  { scope, base, bytes }: Made,
  name: string,
  options: AddOptions = {},
  slow = false,
): Promise<Member> {
  const engine = await startEngine(scope, loopback.near, slow ? { downloadBytesPerSecond: 16_384 } : {});
  await mkdir(join(base, name), { recursive: true });
  const torrent = engine.add(bytes, { out: join(base, name), superSeed: 'off', ...options });
  const events: TorrentEvent[] = [];
  torrent.onEvent((event) => events.push(event));
  return { engine, torrent, events };
}

const addressOf = ({ engine }: Member) => ({ host: '127.0.0.1', port: engine.listen?.port ?? 0 });

test('a third peer is found over peer exchange, and the event says so', async (t) => {
  const made = await make(t);
  const seed = await enter(made, 'source');
  await seed.torrent.completed;
  const hub = await enter(made, 'hub', { peers: [addressOf(seed)] }, true);
  await until('the hub is ready', () => hub.events.some(({ type }) => type === 'peer-connected'));
  const finder = await enter(made, 'finder', { peers: [addressOf(hub)] });
  await finder.torrent.completed;
  const toldOf = ({ events }: Member): boolean =>
    events.some((event) => event.type === 'peers-found' && event.source === 'pex');
  assert.ok(toldOf(seed) || toldOf(finder), 'one of the two was told first');
  assert.ok(hub.torrent.transferred.uploadedBytes < 500_000);
});

test('of a private torrent nobody is told', async (t) => {
  const made = await make(t, true);
  const seed = await enter(made, 'source');
  await seed.torrent.completed;
  const hub = await enter(made, 'hub', { peers: [addressOf(seed)] }, true);
  await until('the hub is ready', () => hub.events.some(({ type }) => type === 'peer-connected'));
  const finder = await enter(made, 'finder', { peers: [addressOf(hub)] }, true);
  const connected = ({ events }: Member): number =>
    events.filter(({ type }) => type === 'peer-connected').length;
  await until('the hub knows both', () => connected(hub) === 2);
  // Longer than the first message would take.
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  assert.deepEqual([seed, hub, finder].map(connected), [1, 2, 1]);
  assert.ok(![seed, finder].some(({ events }) => events.some(({ type }) => type === 'peers-found')));
});

test('an engine that is told of itself dials once and never again', async (t) => {
  const made = await make(t);
  const leecher = await enter(made, 'leecher');
  await until('it is ready', () => leecher.events.some(({ type }) => type === 'checked'));
  leecher.torrent.addPeers([addressOf(leecher)]);
  const dials = (): number => leecher.engine.snapshot().halfOpenCount;
  assert.equal(dials(), 1);
  await until('it has met itself', () => dials() === 0);
  assert.equal(leecher.torrent.snapshot().candidatePeers, 0);
  leecher.torrent.addPeers([addressOf(leecher)]);
  assert.equal(dials(), 0);
  assert.ok(!leecher.events.some(({ type }) => type === 'peer-connected'));
});
