/** Torrents at the edges of what is possible: huge and sparse, thousands of files, and hardly any bytes. */
import assert from 'node:assert/strict';
import { existsSync, statfsSync } from 'node:fs';
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { AddOptions } from '../../engine/index.js';
import { aria2 } from '../support/aria2.js';
import { type CleanUp, cleanUpOf } from '../support/cleanup.js';
import { requireClient } from '../support/clients.js';
import { assertSameContent, writeContent } from '../support/content.js';
import { Exchange, type WriteContent } from '../support/exchange.js';
import { libtorrent } from '../support/libtorrent.js';
import { loopback } from '../support/namespaces.js';
import type { RealClient } from '../support/real-clients.js';
import { swarmCommand } from '../support/swarm-command.js';
import { allCompleted, startEngine, swarmEngine } from '../support/swarm-engine.js';
import { ourTracker, seedsAnnounced } from '../support/tracker-watch.js';

const { near, far } = loopback;
const GIB = 2 ** 30;
const KIB = 1024;

/** Moves what `write` makes from one to the other and compares it. */
async function move(
  scope: CleanUp,
  from: RealClient,
  to: RealClient,
  pieceLength: number,
  write: WriteContent,
  parent?: string,
): Promise<void> {
  const made = await Exchange.create(scope, pieceLength, { content: write }, parent);
  const announce = await ourTracker.start(scope, near, []);
  const { file, infoHash } = await made.torrentOf('content', announce);
  const received = await made.receiver();
  await from.seed(scope, far, { torrents: [file], folder: made.source });
  await seedsAnnounced(announce, infoHash);
  await to.get(scope, near, { torrents: [file], folder: received });
  await assertSameContent(received, made.source, { exceptEmptyFiles: to.omitsEmptyFiles });
}

/** Memory if there is room for it, so that no disk is waited for. */
function roomyFolder(bytes: number): string {
  const shared = '/dev/shm';
  if (!existsSync(shared)) return tmpdir();
  const { bavail, bsize } = statfsSync(shared);
  return bavail * bsize > bytes ? shared : tmpdir();
}

test('a sparse file of 2 GiB and a byte in pieces of 64 KiB', { timeout: 120_000 }, async (t) => {
  const islands = [0, 123_456_789, 2 ** 31 - 80_000, 2 * GIB];
  await move(
    cleanUpOf(t),
    swarmEngine,
    swarmCommand,
    64 * KIB,
    async (path) => {
      const file = await open(path, 'w');
      for (const at of islands)
        await file.write(Buffer.alloc(at === 2 * GIB ? 1 : 80_000, `island ${at}`), 0, null, at);
      await file.close();
      const { size, blocks } = await stat(path);
      assert.equal(size, 2 * GIB + 1);
      assert.ok(blocks * 512 < GIB, 'the source is not sparse');
    },
    roomyFolder(5 * GIB),
  );
});

const FILES = 5_000;

/** Files of 0 to 6,999 bytes in folders of 100. */
async function writeManyFiles(path: string): Promise<void> {
  const bytes = Buffer.alloc(7_000, 'a page of many files, each another part of it. ');
  for (let i = 0; i < FILES; i++) {
    const folder = join(path, String(Math.floor(i / 100)));
    if (i % 100 === 0) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${i}.txt`), bytes.subarray(i % 47, (i % 47) + ((i * 37) % 6_953)));
  }
}

test('5,000 files, from us to us and to libtorrent', { timeout: 120_000 }, async (t) => {
  await move(cleanUpOf(t), swarmCommand, swarmEngine, 32 * KIB, writeManyFiles);
  if (requireClient(t, 'libtorrent'))
    await move(cleanUpOf(t), swarmEngine, libtorrent, 32 * KIB, writeManyFiles);
});

const SMALL: Readonly<Record<string, WriteContent>> = {
  'a last piece of one byte': (path) => writeContent(path, 3 * 64 * KIB + 1, 'last piece'),
  'one byte': (path) => writeContent(path, 1, 'one byte'),
  'a folder of one byte among files of none': async (path) => {
    for (const name of ['a', 'b', 'sub/c']) await writeContent(join(path, name), name === 'b' ? 1 : 0, 'b');
  },
};

describe('hardly any bytes', () => {
  const pairs: [RealClient, RealClient][] = [
    [swarmEngine, swarmEngine],
    [swarmEngine, libtorrent],
    [libtorrent, swarmEngine],
    [aria2, swarmEngine],
  ];
  for (const [what, write] of Object.entries(SMALL)) {
    for (const [from, to] of pairs) {
      test(`${what}, from ${from.name} to ${to.name}`, { timeout: 60_000 }, async (t) => {
        if (!requireClient(t, ...from.needs, ...to.needs)) return;
        await move(cleanUpOf(t), from, to, 64 * KIB, write);
      });
    }
  }
});

test('a torrent of files of 0 bytes is complete without any peer', async (t) => {
  const scope = cleanUpOf(t);
  const made = await Exchange.create(scope, 64 * KIB, {
    content: async (path) => {
      for (const name of ['a', 'sub/b']) await writeContent(join(path, name), 0, 0);
    },
  });
  const { file } = await made.torrentOf('content');
  const received = await made.receiver();
  const engine = await startEngine(scope, near);
  await engine.add(await readFile(file), { out: received }).completed;
  await assertSameContent(received, made.source);
});

test('thirty torrents at once between two engines, half of them each way', { timeout: 60_000 }, async (t) => {
  const scope = cleanUpOf(t);
  const names = Array.from({ length: 30 }, (_, i) => `file ${i}`);
  const made = await Exchange.create(
    scope,
    64 * KIB,
    Object.fromEntries(
      names.map((name, i): [string, WriteContent] => [
        name,
        (path) => writeContent(path, i * 100_003 + 1, name),
      ]),
    ),
  );
  const torrents = await Promise.all(names.map(async (name) => readFile((await made.torrentOf(name)).file)));
  const received = await made.receiver();
  const engines = [await startEngine(scope, near), await startEngine(scope, near)];
  const addresses = engines.map(({ listen }) => ({ host: near.hosts[0], port: listen?.port ?? 0 }));
  const add = (engine: number, bytes: Uint8Array, options: AddOptions) => {
    const torrent = engines[engine]?.add(bytes, options);
    assert.ok(torrent);
    return torrent;
  };
  await allCompleted(torrents.map((bytes, i) => add(i % 2, bytes, { out: made.source, readOnly: true })));
  const peersOf = (i: number) => addresses.slice(i % 2, (i % 2) + 1);
  await allCompleted(
    torrents.map((bytes, i) => add(1 - (i % 2), bytes, { out: received, peers: peersOf(i) })),
  );
  await assertSameContent(received, made.source);
});
