/** Real clients find each other through our tracker, one over HTTP, the other over UDP, and exchange a file. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeBencode } from '../../engine/metainfo/bencode.js';
import { type RunningTracker, startTracker } from '../../tracker/index.js';
import { type RunningClient, requireClient, startClient } from '../support/clients.js';
import { startLibtorrent } from '../support/libtorrent.js';
import { loopback } from '../support/namespaces.js';

const NAME = 'payload.bin';
const PIECE_BYTES = 65_536;
const payload = randomBytes(PIECE_BYTES * 5 + 1234);

function torrentFor(announce: string): Uint8Array {
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += PIECE_BYTES)
    pieces.push(
      createHash('sha1')
        .update(payload.subarray(at, at + PIECE_BYTES))
        .digest(),
    );
  return encodeBencode({
    announce: Buffer.from(announce),
    info: {
      length: payload.length,
      name: Buffer.from(NAME),
      'piece length': PIECE_BYTES,
      pieces: Buffer.concat(pieces),
    },
  });
}

/** A tracker on both transports, a folder that holds the payload and an empty one. */
async function setUp(t: TestContext) {
  const address = { host: '127.0.0.1', port: 0 };
  const tracker = await startTracker({ http: address, udp: address });
  const folder = await mkdtemp(join(tmpdir(), 'swarm-tracker-'));
  t.after(async () => {
    await tracker.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const [seedFolder, leechFolder] = [join(folder, 'seed'), join(folder, 'leech')];
  await mkdir(seedFolder);
  await mkdir(leechFolder);
  await writeFile(join(seedFolder, NAME), payload);
  const torrents = {
    http: join(folder, 'http.torrent'),
    udp: join(folder, 'udp.torrent'),
  };
  await writeFile(torrents.http, torrentFor(`http://127.0.0.1:${tracker.http?.port}/announce`));
  await writeFile(torrents.udp, torrentFor(`udp://127.0.0.1:${tracker.udp?.port}/announce`));
  return { tracker, torrents, seedFolder, leechFolder };
}

const startAria2 = (t: TestContext, torrent: string, folder: string, options: readonly string[]) =>
  startClient(t, 'aria2c', [
    '--no-conf',
    '--enable-dht=false',
    '--bt-enable-lpd=false',
    '--enable-peer-exchange=false',
    '--file-allocation=none',
    '--interface=127.0.0.1',
    '--listen-port=20000-60000',
    '--summary-interval=1',
    `--dir=${folder}`,
    ...options,
    torrent,
  ]);

/** Announces and serves, or fetches, one torrent, until the test ends. */
const startAnnounced = (t: TestContext, file: string, folder: string) =>
  startLibtorrent(t, loopback.near, { torrents: [{ file, folder }] });

async function seedAnnounced(tracker: RunningTracker, seed: RunningClient): Promise<void> {
  for (let waitedMs = 0; tracker.stats().peers === 0; waitedMs += 50) {
    assert.ok(waitedMs < 20_000, `the seed did not announce:\n${seed.output()}`);
    await delay(50);
  }
}

test('aria2 downloads over HTTP from libtorrent, which announced over UDP', async (t) => {
  if (!requireClient(t, 'aria2c', 'libtorrent')) return;
  const { tracker, torrents, seedFolder, leechFolder } = await setUp(t);
  const { client: seed } = await startAnnounced(t, torrents.udp, seedFolder);
  await seed.printed(/"finished"/);
  await seedAnnounced(tracker, seed);
  await startAria2(t, torrents.http, leechFolder, ['--seed-time=0']).printed(/download completed|\(OK\)/);
  assert.ok((await readFile(join(leechFolder, NAME))).equals(payload));
  const { http, udp } = tracker.stats();
  assert.ok(http.announces > 0 && udp.announces > 0);
  assert.deepEqual([http.refused, udp.refused], [0, 0]);
});

test('libtorrent downloads over UDP from aria2, which announced over HTTP', async (t) => {
  if (!requireClient(t, 'aria2c', 'libtorrent')) return;
  const { tracker, torrents, seedFolder, leechFolder } = await setUp(t);
  const seed = startAria2(t, torrents.http, seedFolder, ['--check-integrity=true', '--seed-ratio=0']);
  await seedAnnounced(tracker, seed);
  const { client: leecher } = await startAnnounced(t, torrents.udp, leechFolder);
  await leecher.printed(/"finished"/);
  assert.ok((await readFile(join(leechFolder, NAME))).equals(payload));
  const { http, udp } = tracker.stats();
  assert.ok(http.announces > 0 && udp.announces > 0);
  assert.deepEqual([http.refused, udp.refused], [0, 0]);
});
