/** One swarm of all clients, and one peer among them that serves spoiled blocks. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TorrentEvent } from '../../engine/index.js';
import { aria2 } from '../support/aria2.js';
import { cleanUpOf } from '../support/cleanup.js';
import { requireClient, skip } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { startCorruptPeer } from '../support/corrupt-peer.js';
import { Exchange } from '../support/exchange.js';
import { libtorrent, startLibtorrent } from '../support/libtorrent.js';
import { enterNamespaces, type NetworkSide } from '../support/namespaces.js';
import { swarmCommand } from '../support/swarm-command.js';
import { startEngine } from '../support/swarm-engine.js';
import { ourTracker, seedsAnnounced } from '../support/tracker-watch.js';
import { transmission } from '../support/transmission.js';

const PIECE_LENGTH = 128 * 1024;
const PIECES = 200;
/** Slow enough that the others have something to give each other, and the corrupt peer a part in it. */
const SEED_BYTES_PER_SECOND = 4 * 1024 * 1024;

const network = await enterNamespaces();

test('all clients finish in one swarm with a corrupt peer, which we ban and nobody else', {
  timeout: 150_000,
}, async (t) => {
  if (!requireClient(t, 'aria2c', 'libtorrent', 'transmission-daemon', 'ip netns')) return;
  if (network === undefined) return skip(t, 'needs network namespaces, which only root can make');
  const { near, far } = network;
  const scope = cleanUpOf(t);
  const made = await Exchange.create(scope, PIECE_LENGTH, {
    'content.bin': (path) => writeContent(path, PIECES * PIECE_LENGTH - 77, 'mixed'),
  });
  const { infoHash } = await made.torrentOf('content.bin');
  const announce = await ourTracker.start(scope, near, []);
  const { file } = await made.torrentOf('content.bin', announce);
  const content = await readFile(join(made.source, 'content.bin'));

  await startLibtorrent(scope, far, {
    torrents: [{ file, folder: made.source, seed: true }],
    uploadBytesPerSecond: SEED_BYTES_PER_SECOND,
  });
  const corrupt = await startCorruptPeer(scope, near.hosts[7] ?? '', {
    infoHash,
    pieceLength: PIECE_LENGTH,
    content,
  });
  await corrupt.announce(announce);
  await seedsAnnounced(announce, infoHash, 2);

  const at = (side: NetworkSide, place: number): NetworkSide => ({
    ...side,
    hosts: [side.hosts[place] ?? ''],
  });
  const others = [
    { client: aria2, side: at(far, 1) },
    { client: transmission, side: at(far, 2) },
    { client: libtorrent, side: at(far, 3) },
    { client: swarmCommand, side: at(near, 1) },
  ];
  const downloads = others.map(async ({ client, side }) => {
    const folder = await made.receiver(client.name);
    await client.get(scope, side, { torrents: [file], folder });
    await assertSameContent(folder, made.source);
  });
  const engine = await startEngine(scope, near);
  const folder = await made.receiver('engine');
  const torrent = engine.add(await readFile(file), { out: folder, peers: [corrupt.address] });
  const events: TorrentEvent[] = [];
  torrent.onEvent((event) => events.push(event));
  await Promise.all([torrent.completed, ...downloads]);
  await assertSameContent(folder, made.source);

  const banned = events.flatMap((event) =>
    event.type === 'peer-banned' ? [`${event.host}:${event.port}`] : [],
  );
  assert.deepEqual(banned, [`${corrupt.address.host}:${corrupt.address.port}`]);
  const bannedAt = events.findIndex(({ type }) => type === 'peer-banned');
  const later = events.slice(bannedAt).filter((event) => event.type === 'peer-connected');
  assert.ok(!later.some(({ host }) => host === corrupt.address.host), 'it was let in again after its ban');
  assert.ok(events.some(({ type }) => type === 'piece-failed'));
  assert.ok(corrupt.spoiledBlocks() > 0);
});
