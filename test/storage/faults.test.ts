import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { WriteWorkers } from '../../engine/storage/write-workers.js';
import { asPiece, BLOCK_BYTES } from '../../engine/units.js';
import {
  allPieces,
  fetchPieces,
  makeFolder,
  makeStorage,
  makeTorrent,
  putPiece,
  Told,
} from './made-torrent.js';

/** A small file system of its own, gone with the test. Undefined: not allowed here. */
async function makeDisk(t: TestContext, size: string): Promise<string | undefined> {
  const disk = await realpath(await mkdtemp(join(tmpdir(), 'swarm-disk-')));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    await rmdir(disk);
    return undefined;
  }
  t.after(async () => {
    execFileSync('umount', ['-l', disk]);
    await rmdir(disk);
  });
  return disk;
}

const NEEDS_ROOT = 'mounting needs root';
const PIECE = 65_536;
const TREE = [
  { path: 't/a', lengthBytes: 4 * PIECE },
  { path: 't/sub/b', lengthBytes: 4 * PIECE },
];

test('a full disk stops the torrent once, and keeps what was verified', async (t) => {
  const folder = await makeFolder(t);
  const disk = await makeDisk(t, '1m');
  if (disk === undefined) return t.skip(NEEDS_ROOT);
  const torrent = makeTorrent(PIECE, 40 * PIECE);
  const { storage } = makeStorage(t, folder, { workers: 1 });
  const opened = await storage.openTorrent(torrent.metainfo, disk);
  const told = await fetchPieces(opened.store, torrent, allPieces(torrent));
  assert.equal(told.count('failed STORAGE_NO_SPACE'), 1);
  assert.ok(told.count('verified') >= 10);
  assert.equal(opened.store.beginPiece(asPiece(39)), false);
  await opened.close();
  assert.equal(told.count('failed'), 1);
  assert.equal(storage.usage.usedBytes, 0);

  const again = await storage.openTorrent(torrent.metainfo, disk);
  assert.ok(again.have.count >= told.count('verified'));
  for (const piece of allPieces(torrent).filter((index) => again.have.get(asPiece(index)))) {
    const expected = torrent.bytes.subarray(piece * PIECE, (piece + 1) * PIECE);
    assert.ok(expected.equals(await again.readRange(piece * PIECE, PIECE)), `piece ${piece}`);
  }
});

test('a disk that is full for several writers at once stops the torrent once, and keeps what they wrote', async (t) => {
  const folder = await makeFolder(t);
  const disk = await makeDisk(t, '1m');
  if (disk === undefined) return t.skip(NEEDS_ROOT);
  const torrent = makeTorrent(PIECE, 40 * PIECE);
  const { storage } = makeStorage(t, folder, { workers: 4 });
  const opened = await storage.openTorrent(torrent.metainfo, disk);
  const told = await fetchPieces(opened.store, torrent, allPieces(torrent));
  await opened.close();
  assert.equal(told.count('failed STORAGE_NO_SPACE'), 1);
  assert.equal(told.count('failed'), 1);
  // How many of them could be told before the failure was is the scheduler's choice.
  const again = await storage.openTorrent(torrent.metainfo, disk);
  assert.ok(again.have.count >= Math.max(10, told.count('verified')), `${again.have.count}`);
});

test('preallocating more than the disk holds fails before anything is fetched', async (t) => {
  const folder = await makeFolder(t);
  const disk = await makeDisk(t, '1m');
  if (disk === undefined) return t.skip(NEEDS_ROOT);
  const torrent = makeTorrent(PIECE, 40 * PIECE);
  const { storage } = makeStorage(t, folder);
  await assert.rejects(storage.openTorrent(torrent.metainfo, disk, { preallocate: 'full' }), {
    code: 'STORAGE_NO_SPACE',
  });
});

test('a full state disk is a warning, and the next start finds every piece by hashing', async (t) => {
  const folder = await makeFolder(t);
  const state = await makeDisk(t, '4k');
  if (state === undefined) return t.skip(NEEDS_ROOT);
  const torrent = makeTorrent(16_384, 100 * 16_384);
  const { storage, warnings } = makeStorage(t, folder, { stateDir: state });
  const opened = await storage.openTorrent(torrent.metainfo, join(folder, 'out'));
  const told = await fetchPieces(opened.store, torrent, allPieces(torrent));
  assert.equal(told.count('verified'), 100);
  assert.match(warnings.join('\n'), /no resume data can be written/);
  await opened.close();
  const again = await storage.openTorrent(torrent.metainfo, join(folder, 'out'));
  assert.equal(again.have.isFull, true);
});

test('a read-only file system is named', async (t) => {
  const folder = await makeFolder(t);
  const disk = await makeDisk(t, '1m');
  if (disk === undefined) return t.skip(NEEDS_ROOT);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, disk);
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  const told = await fetchPieces(opened.store, torrent, [0]);
  assert.deepEqual(told.events, ['failed STORAGE_READ_ONLY']);
  await opened.close();
  await assert.rejects(
    storage.openTorrent(makeTorrent(PIECE, [{ path: 'n/x', lengthBytes: 1 }]).metainfo, disk),
    {
      code: 'STORAGE_READ_ONLY',
    },
  );
});

test('a folder that may not be written to is named', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('becoming somebody else needs root');
  const folder = await makeFolder(t);
  await chmod(folder, 0o755);
  const { storage } = makeStorage(t, folder);
  process.seteuid?.(65_534);
  try {
    await assert.rejects(storage.openTorrent(makeTorrent(PIECE, TREE).metainfo, join(folder, 'out')), {
      code: 'STORAGE_NO_PERMISSION',
    });
    await assert.rejects(storage.openTorrent(makeTorrent(PIECE, TREE).metainfo, folder), {
      code: 'STORAGE_NO_PERMISSION',
    });
  } finally {
    process.seteuid?.(0);
  }
});

test('a worker that dies stops the torrents instead of leaving them to wait', async (t) => {
  const workers = new WriteWorkers(1, { memory: new SharedArrayBuffer(1024) });
  t.after(() => workers.close());
  const told: string[] = [];
  await new Promise<void>((resolve) => {
    const id = workers.register({ files: undefined } as never, {
      onAnswer: () => assert.fail('it is dead'),
      onWorkersFailed: (error) => {
        told.push(error.code);
        resolve();
      },
    });
    workers.submit([id, 0, -1, -1, -1, 0, 0, 1024]);
  });
  assert.deepEqual(told, ['INTERNAL']);
});

test('a folder removed during the download stops it, and nothing comes back empty', async (t) => {
  const folder = await makeFolder(t);
  const out = join(folder, 'out');
  const torrent = makeTorrent(PIECE, TREE);
  for (const maxOpenFiles of [1, 100]) {
    const { storage } = makeStorage(t, folder, { maxOpenFiles });
    const opened = await storage.openTorrent(torrent.metainfo, out);
    const first = await fetchPieces(opened.store, torrent, [0, 4, 5]);
    assert.equal(first.count('verified'), 3);
    await rm(out, { recursive: true });
    const told = await fetchPieces(opened.store, torrent, [1, 6]);
    assert.deepEqual(told.events, ['failed STORAGE_MISSING']);
    await opened.close();
    await assert.rejects(readdir(out), { code: 'ENOENT' });
    const again = await storage.openTorrent(torrent.metainfo, out);
    assert.equal(again.have.count, 0);
    await storage.close();
    await rm(out, { recursive: true });
  }
});

test('a file removed while it is not open is missed, not made again', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder, { maxOpenFiles: 1 });
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  await fetchPieces(opened.store, torrent, [0]);
  await fetchPieces(opened.store, torrent, [4]);
  await rm(join(folder, 't/a'));
  const told = await fetchPieces(opened.store, torrent, [1]);
  assert.deepEqual(told.events, ['failed STORAGE_MISSING']);
  assert.deepEqual(await readdir(join(folder, 't')), ['sub']);
});

test('a folder swapped for a link during the download is refused, and nothing is written beyond it', async (t) => {
  const folder = await makeFolder(t);
  const outside = await makeFolder(t);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  assert.equal((await fetchPieces(opened.store, torrent, [0])).count('verified'), 1);
  await rename(join(folder, 't/sub'), join(folder, 'moved'));
  await symlink(outside, join(folder, 't/sub'));
  const told = await fetchPieces(opened.store, torrent, [4]);
  assert.deepEqual(told.events, ['failed STORAGE_UNSAFE_PATH']);
  assert.deepEqual(await readdir(outside), []);
  await opened.close();
  await assert.rejects(storage.openTorrent(torrent.metainfo, folder), { code: 'STORAGE_UNSAFE_PATH' });
});

test('a file swapped for a link or a pipe during the download is refused', async (t) => {
  const outside = join(await makeFolder(t), 'victim');
  await writeFile(outside, 'precious');
  const torrent = makeTorrent(PIECE, TREE);
  for (const [swap, code] of [
    [(path: string) => symlink(outside, path), 'STORAGE_UNSAFE_PATH'],
    [(path: string) => symlink('dangling', path), 'STORAGE_UNSAFE_PATH'],
    [(path: string) => symlink('b', path), 'STORAGE_UNSAFE_PATH'],
    [(path: string) => Promise.resolve(execFileSync('mkfifo', [path])), 'STORAGE_UNSAFE_PATH'],
    [(path: string) => mkdir(path), 'STORAGE_FAILED'],
  ] as const) {
    const folder = await makeFolder(t);
    const { storage } = makeStorage(t, folder);
    const opened = await storage.openTorrent(torrent.metainfo, folder);
    await swap(join(folder, 't/sub/b'));
    const told = await fetchPieces(opened.store, torrent, [4]);
    assert.deepEqual(told.events, [`failed ${code}`]);
    await storage.close();
    assert.equal(await readFile(outside, 'utf8'), 'precious');
  }
});

test('a file swapped for a link while seeding is not read', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder, { maxOpenFiles: 1 });
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  await fetchPieces(opened.store, torrent, [0]);
  await fetchPieces(opened.store, torrent, [4]);
  const secret = join(await makeFolder(t), 'secret');
  await writeFile(secret, Buffer.alloc(4 * PIECE, 's'));
  await rm(join(folder, 't/a'));
  await symlink(secret, join(folder, 't/a'));
  const told = new Told(opened.store);
  assert.equal(opened.store.frames(asPiece(0), 0, BLOCK_BYTES, 1), undefined);
  await told.until(() => told.events.length > 0);
  assert.deepEqual(told.events, ['failed STORAGE_UNSAFE_PATH']);
  await assert.rejects(opened.readRange(0, 10), { code: 'STORAGE_UNSAFE_PATH' });
});

test('a missing folder to seed from, and a file in the place of one, are named', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder);
  await assert.rejects(storage.openTorrent(torrent.metainfo, join(folder, 'nowhere'), { readOnly: true }), {
    code: 'STORAGE_MISSING',
  });
  await writeFile(join(folder, 't'), 'a file');
  await assert.rejects(storage.openTorrent(torrent.metainfo, folder), { code: 'STORAGE_MISSING' });
  await writeFile(join(folder, 'root'), 'a file');
  await assert.rejects(storage.openTorrent(torrent.metainfo, join(folder, 'root')), {
    code: 'STORAGE_EXISTS',
  });
});

test('pieces under way when the disk fails are dropped, and their memory is free', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(PIECE, TREE);
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  const told = new Told(opened.store);
  for (const piece of [0, 1, 2]) opened.store.beginPiece(asPiece(piece));
  putPiece(opened.store, torrent, 0);
  await rm(join(folder, 't'), { recursive: true });
  opened.store.finishPiece(asPiece(0));
  await told.until(() => told.count('failed') > 0);
  assert.equal(storage.usage.usedBytes, 0);
  opened.store.putBlock(asPiece(1), 0, Buffer.alloc(BLOCK_BYTES));
  opened.store.finishPiece(asPiece(1));
  opened.store.abandonPiece(asPiece(1));
  assert.equal(opened.store.blockDigest(asPiece(1), 0, BLOCK_BYTES), '');
  assert.equal(told.events.length, 1);
});
