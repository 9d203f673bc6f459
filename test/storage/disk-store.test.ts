import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { allPieces, fetchPieces, makeFolder, makeStorage, makeTorrent } from './made-torrent.js';

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
  assert.deepEqual(Buffer.from(await opened.readRange(65_530, 100)), torrent.bytes.subarray(65_530, 65_630));
  await opened.close();
  assert.deepEqual(warnings, []);
});
