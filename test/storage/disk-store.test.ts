import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Storage } from '../../engine/storage/storage.js';
import { asPiece } from '../../engine/units.js';
import {
  allPieces,
  fetchPieces,
  makeFolder,
  makeMetainfo,
  makeStorage,
  makeTorrent,
  putPiece,
  sha1,
  Told,
} from './made-torrent.js';

test('writes verified pieces to one file', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, 10 * 65_536 + 1);
  const { storage, warnings } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, join(folder, 'out'));
  assert.equal(opened.have.count, 0);
  const told = await fetchPieces(opened.store, torrent, allPieces(torrent));
  assert.equal(told.count('verified'), 11);
  assert.deepEqual(await readFile(join(folder, 'out/data-1.bin')), torrent.bytes);
  assert.equal(storage.usage.usedBytes, 0);
  await opened.close();
  assert.deepEqual(warnings, []);
});

test('writes pieces across many small files, empty ones, padding and folders', async (t) => {
  const folder = await makeFolder(t);
  const files = Array.from({ length: 300 }, (_, i) => ({
    path: `t/d${i % 7}/f${i}`,
    lengthBytes: i % 10 === 0 ? 0 : (i * 37) % 1_500,
    executable: i === 5,
  }));
  const torrent = makeTorrent(32_768, [
    { path: 't/first-empty', lengthBytes: 0 },
    ...files,
    { path: 't/.pad/1', lengthBytes: 5_000, padding: true },
    { path: 't/large', lengthBytes: 200_000 },
  ]);
  const { storage } = makeStorage(t, folder, { maxOpenFiles: 4 });
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  const told = await fetchPieces(opened.store, torrent, allPieces(torrent).reverse());
  assert.equal(told.count('verified'), torrent.metainfo.pieceCount);
  const read = await opened.readRange(0, torrent.metainfo.totalBytes);
  assert.ok(torrent.bytes.equals(read));
  await opened.close();

  let offset = 0;
  for (const { diskPath, lengthBytes, padding } of torrent.metainfo.files) {
    const expected = torrent.bytes.subarray(offset, offset + lengthBytes);
    offset += lengthBytes;
    if (padding) await assert.rejects(stat(join(folder, diskPath)), { code: 'ENOENT' });
    else assert.ok(expected.equals(await readFile(join(folder, diskPath))), diskPath);
  }
  assert.notEqual((await stat(join(folder, 't/d5/f5'))).mode & 0o100, 0);
  assert.equal((await stat(join(folder, 't/d6/f6'))).mode & 0o111, 0);
});

test('whatever the layout and the order, the files come out as the torrent says', async (t) => {
  const folder = await makeFolder(t);
  const { storage } = makeStorage(t, folder, { maxOpenFiles: 3 });
  let round = 0;
  const file = fc.record({ lengthBytes: fc.integer({ min: 0, max: 60_000 }), padding: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(file, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1_000, max: 100_000 }),
      fc.integer({ min: 1, max: 10_000 }),
      async (files, pieceLength, order) => {
        const root = join(folder, `round-${round++}`);
        const named = files.map((each, i) => ({ path: `t/${i % 3}/${i}`, ...each }));
        const torrent = makeTorrent(pieceLength, named);
        const opened = await storage.openTorrent(torrent.metainfo, root);
        const pieces = allPieces(torrent).sort((a, b) => ((a * 31 + order) % 17) - ((b * 31 + order) % 17));
        const told = await fetchPieces(opened.store, torrent, pieces);
        assert.equal(told.count('verified'), pieces.length);
        assert.ok(torrent.bytes.equals(await opened.readRange(0, torrent.bytes.length)));
        await opened.close();
        // What is on disk, judged by somebody who was told nothing.
        await rm(join(folder, 'state'), { recursive: true });
        const again = await storage.openTorrent(torrent.metainfo, root);
        assert.equal(again.have.isFull, true);
        await again.close();
      },
    ),
    { numRuns: 15 },
  );
});

test('leaves no descriptor open', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  const folder = await makeFolder(t);
  const openFiles = async (): Promise<number> => {
    const descriptors = await readdir('/proc/self/fd');
    const links = descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((link) => link.startsWith(folder)).length;
  };
  const files = Array.from({ length: 60 }, (_, i) => ({ path: `t/${i}`, lengthBytes: 30_000 }));
  const torrent = makeTorrent(65_536, files);
  const { storage } = makeStorage(t, folder, { maxOpenFiles: 8 });
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  await fetchPieces(opened.store, torrent, allPieces(torrent));
  await opened.readRange(0, torrent.bytes.length);
  // Closing is asynchronous: look until it settles.
  while ((await openFiles()) > 9) await new Promise((resolve) => setImmediate(resolve));
  const reading = opened.readRange(0, torrent.bytes.length);
  await storage.close();
  await reading;
  while ((await openFiles()) > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('never writes a corrupt piece, and keeps its blocks for blame until it is abandoned', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, 4 * 65_536);
  const { storage } = makeStorage(t, folder);
  const { store } = await storage.openTorrent(torrent.metainfo, join(folder, 'out'));
  const told = new Told(store);
  const piece = asPiece(2);
  assert.equal(store.beginPiece(piece), true);
  putPiece(store, torrent, 2);
  const lie = Buffer.alloc(16_384, 1);
  store.putBlock(piece, 16_384, lie);
  store.finishPiece(piece);
  await told.until(() => told.events.length > 0);
  assert.deepEqual(told.events, ['corrupt 2']);
  assert.deepEqual(await readdir(join(folder, 'out')), []);
  assert.equal(store.blockDigest(piece, 0, 16_384), sha1(torrent.block(2, 0)).toString('hex'));
  assert.equal(store.blockDigest(piece, 16_384, 16_384), sha1(lie).toString('hex'));
  store.abandonPiece(piece);
  assert.equal(storage.usage.usedBytes, 0);
  const again = await fetchPieces(store, torrent, [2]);
  assert.deepEqual(again.events, ['verified 2']);
});

test('handles offsets beyond 2^32 and 2^31 in a sparse file with 64 KiB pieces', async (t) => {
  const folder = await makeFolder(t);
  const pieceLength = 65_536;
  const pieceCount = 2 ** 31 / pieceLength + 2;
  const bytes = makeTorrent(pieceLength, pieceLength).bytes;
  const hashes = Buffer.alloc(pieceCount * 20, sha1(bytes));
  const metainfo = makeMetainfo(
    pieceLength,
    [{ path: 'big', lengthBytes: pieceCount * pieceLength }],
    hashes,
  );
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(metainfo, folder);
  const torrent = {
    metainfo,
    bytes,
    block: (_: number, begin: number) => bytes.subarray(begin, begin + 16_384),
  };
  const pieces = [0, pieceCount / 2 - 1, pieceCount - 2, pieceCount - 1];
  const told = await fetchPieces(opened.store, torrent, pieces);
  assert.equal(told.count('verified'), 4);
  const { size, blocks } = await stat(join(folder, 'big'));
  assert.equal(size, pieceCount * pieceLength);
  assert.ok(blocks * 512 < 16 * pieceLength, 'stays sparse');
  for (const piece of pieces) {
    assert.ok(bytes.equals(await opened.readRange(piece * pieceLength, pieceLength)), `piece ${piece}`);
  }
});

test('works with a piece larger than the arena', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(3 * 1024 * 1024, 10_000_000);
  const { storage } = makeStorage(t, folder, { arenaBytes: 1024 * 1024 });
  const { store } = await storage.openTorrent(torrent.metainfo, folder);
  const told = await fetchPieces(store, torrent, allPieces(torrent));
  assert.equal(told.count('verified'), 4);
  assert.ok(torrent.bytes.equals(await readFile(join(folder, 'data-1.bin'))));
});

test('torrents with different piece lengths share the arena and all finish', async (t) => {
  const folder = await makeFolder(t);
  const { storage } = makeStorage(t, folder, { arenaBytes: 1024 * 1024 });
  const torrents = [16_384, 262_144, 1_048_576, 65_536].map((pieceLength, i) =>
    makeTorrent(pieceLength, 3_000_000 + i, i + 1),
  );
  const told = await Promise.all(
    torrents.map(async (torrent) => {
      const { store } = await storage.openTorrent(torrent.metainfo, folder);
      return fetchPieces(store, torrent, allPieces(torrent));
    }),
  );
  assert.deepEqual(
    told.map((each) => each.count('verified')),
    torrents.map(({ metainfo }) => metainfo.pieceCount),
  );
  assert.equal(storage.usage.usedBytes, 0);
});

test('makes empty files and folders of wanted files at once, others not at all', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, [
    { path: 't/wanted/empty', lengthBytes: 0 },
    { path: 't/wanted/full', lengthBytes: 16_384 },
    { path: 't/unwanted/empty', lengthBytes: 0 },
    { path: 't/unwanted/full', lengthBytes: 16_384 },
  ]);
  const { storage } = makeStorage(t, folder);
  await storage.openTorrent(torrent.metainfo, folder, { wantedFiles: [true, true, false, false] });
  assert.deepEqual(await readdir(join(folder, 't')), ['wanted']);
  assert.deepEqual(await readdir(join(folder, 't/wanted')), ['empty']);
});

test('a piece shared with an unwanted file can be fetched, served and believed later', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, [
    { path: 't/wanted', lengthBytes: 20_000 },
    { path: 't/sub/unwanted', lengthBytes: 40_000 },
  ]);
  const { storage } = makeStorage(t, folder);
  const options = { wantedFiles: [true, false] };
  const opened = await storage.openTorrent(torrent.metainfo, folder, options);
  const told = await fetchPieces(opened.store, torrent, [0, 1]);
  assert.equal(told.count('verified'), 2);
  assert.ok(torrent.bytes.subarray(0, 32_768).equals(await opened.readRange(0, 32_768)));
  await opened.close();
  const again = await storage.openTorrent(torrent.metainfo, folder, options);
  assert.equal(again.have.count, 2);
});

test('preallocates whole files and still fetches everything', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, 3_000_000);
  const { storage } = makeStorage(t, folder);
  const shares: number[] = [];
  const { store, have } = await storage.openTorrent(torrent.metainfo, folder, {
    preallocate: 'full',
    onCheckProgress: (share) => shares.push(share),
  });
  assert.deepEqual([shares.length, shares.at(-1)], [3, 1]);
  const { size, blocks } = await stat(join(folder, 'data-1.bin'));
  assert.equal(size, 3_000_000);
  assert.ok(blocks * 512 >= 3_000_000);
  assert.equal(have.count, 0);
  const told = await fetchPieces(store, torrent, allPieces(torrent));
  assert.equal(told.count('verified'), torrent.metainfo.pieceCount);
});

test('leaves bytes beyond the end of a longer file alone', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, 50_000);
  const longer = Buffer.concat([torrent.bytes, Buffer.from('kept')]);
  await writeFile(join(folder, 'data-1.bin'), longer);
  const { storage } = makeStorage(t, folder);
  const { have } = await storage.openTorrent(torrent.metainfo, folder);
  assert.equal(have.isFull, true);
  assert.ok(longer.equals(await readFile(join(folder, 'data-1.bin'))));
});

test('reads only what is verified', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, 40_000);
  const { storage } = makeStorage(t, folder);
  const { store, readRange } = await storage.openTorrent(torrent.metainfo, folder);
  await fetchPieces(store, torrent, [0, 2]);
  assert.ok(torrent.bytes.subarray(100, 16_384).equals(await readRange(100, 16_284)));
  await assert.rejects(readRange(16_383, 2), { code: 'INPUT_INVALID' });
  await assert.rejects(readRange(39_999, 2), { code: 'INPUT_INVALID' });
  await assert.rejects(readRange(-1, 2), { code: 'INPUT_INVALID' });
  await assert.rejects(readRange(0.5, 1), { code: 'INPUT_INVALID' });
  assert.equal((await readRange(40_000, 0)).length, 0);
});

test('a read-only torrent makes nothing below the root', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(16_384, [
    { path: 't/there', lengthBytes: 20_000 },
    { path: 't/missing', lengthBytes: 20_000 },
    { path: 't/empty', lengthBytes: 0 },
  ]);
  await mkdir(join(folder, 'seed/t'), { recursive: true });
  await writeFile(join(folder, 'seed/t/there'), torrent.bytes.subarray(0, 20_000));
  await chmod(join(folder, 'seed/t/there'), 0o444);
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, join(folder, 'seed'), { readOnly: true });
  assert.equal(opened.have.count, 1);
  assert.equal(opened.store.beginPiece(asPiece(1)), false);
  assert.ok(torrent.bytes.subarray(0, 16_384).equals(await opened.readRange(0, 16_384)));
  assert.deepEqual(await readdir(join(folder, 'seed/t')), ['there']);
});

test('close waits for pieces with the workers, drops the others, and later calls do nothing', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, 8 * 65_536);
  const { storage } = makeStorage(t, folder);
  const opened = await storage.openTorrent(torrent.metainfo, folder);
  const { store } = opened;
  const told = new Told(store);
  for (const piece of [0, 1, 2]) {
    store.beginPiece(asPiece(piece));
    putPiece(store, torrent, piece);
  }
  store.finishPiece(asPiece(0));
  store.finishPiece(asPiece(1));
  await Promise.all([opened.close(), opened.close()]);
  assert.deepEqual(told.events, [], 'nothing is told after close');
  assert.equal(storage.usage.usedBytes, 0);
  assert.equal(store.beginPiece(asPiece(3)), false);
  store.putBlock(asPiece(2), 0, Buffer.alloc(16_384));
  store.finishPiece(asPiece(2));
  store.abandonPiece(asPiece(2));
  assert.equal(store.frames(asPiece(0), 0, 16_384, 1), undefined);
  await assert.rejects(opened.readRange(0, 1), { code: 'CLOSED' });
  const again = await storage.openTorrent(torrent.metainfo, folder);
  assert.deepEqual(
    [0, 1, 2].map((piece) => again.have.get(asPiece(piece))),
    [true, true, false],
  );
});

test('a block that would reach beyond its piece is refused before it touches another slot', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, 100_000);
  const { storage } = makeStorage(t, folder);
  const { store } = await storage.openTorrent(torrent.metainfo, folder);
  store.beginPiece(asPiece(1));
  assert.throws(() => store.putBlock(asPiece(1), 32_768, Buffer.alloc(16_384)), RangeError);
  assert.throws(() => store.putBlock(asPiece(1), -1, Buffer.alloc(1)), RangeError);
});

test('a closed storage opens nothing', async (t) => {
  const folder = await makeFolder(t);
  const torrent = makeTorrent(65_536, 100_000);
  const storage = new Storage({ arenaBytes: 1 << 20, readCacheBytes: 1 << 20, workers: 1, stateDir: folder });
  await Promise.all([storage.close(), storage.close()]);
  await assert.rejects(storage.openTorrent(torrent.metainfo, folder), { code: 'CLOSED' });
});
